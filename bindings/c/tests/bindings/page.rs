//! The code of README.md works as it stands there, but for the name of the ring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::{build, cmake, installed, prefix};
use crate::peers::{file, run, scratch};

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../README.md");
    let fence = format!("```{language}\n");
    let begins = page.split(&fence).skip(1);
    let blocks: Vec<_> = begins.filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// Writes a program of the page, with a ring of this run.
fn write(block: &str, name: &str) -> PathBuf {
    let text = block.replace("\"ticks\"", &format!("\"{}\"", ring()));
    assert_ne!(text, block, "the program opens the ring \"ticks\"");
    file(name, &text)
}

/// The ring of the programs.
fn ring() -> String {
    format!("quoit-bindings-page-{}", std::process::id())
}

/// The program says nothing, and leaves its ring.
#[track_caller]
fn runs(program: &Path) {
    let printed = run(&mut installed(program));
    let ring = Path::new("/dev/shm").join(ring());
    let is_there = ring.exists();
    let _ = fs::remove_file(ring);
    assert!(is_there && printed.is_empty(), "{program:?}: {printed}");
}

pub(crate) fn the_programs_of_the_page_run() {
    for (language, compiler) in [("cpp", "c++ -std=c++20"), ("c", "cc -std=c11")] {
        for block in blocks(language) {
            runs(&build(compiler, &write(block, &format!("page.{language}"))));
        }
    }
}

/// By CMake, and by the line with pkg-config.
pub(crate) fn the_builds_of_the_page_find_the_library() {
    let folder = scratch().join("page");
    write(blocks("cpp")[0], "page/app.cpp");
    write(blocks("c")[0], "page/app.c");
    let head = "cmake_minimum_required(VERSION 3.16)\nproject(page CXX)\nset(CMAKE_CXX_STANDARD 20)\n\
                add_executable(app app.cpp)\n";
    let [block] = blocks("cmake")[..] else {
        panic!("one block of CMake")
    };
    file("page/CMakeLists.txt", &format!("{head}{block}"));
    run(&mut cmake(&folder));
    let mut cmake = Command::new("cmake");
    run(cmake.args(["--build", "build"]).current_dir(&folder));
    runs(&folder.join("build/app"));

    // documented: c++ -std=c++20 app.cpp $(pkg-config --cflags --libs quoit)
    for compiler in ["cc ", "c++ "] {
        let mut lines = blocks("sh").into_iter().flat_map(str::lines);
        let line = lines.find(|line| line.starts_with(compiler));
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", line.expect("a line of this compiler")])
            .current_dir(&folder)
            .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
        run(&mut shell);
        runs(&folder.join("a.out"));
    }
}
