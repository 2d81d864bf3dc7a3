//! The code of README.md works as it stands there, but for the name of the ring.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::install::prefix;
use crate::peers::{run, scratch};

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../README.md");
    let fence = format!("```{language}\n");
    let begins = page.split(&fence).skip(1);
    let blocks: Vec<_> = begins.filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// Writes a program of the page, with a ring of this run; returns its name.
fn write(block: &str, file: &Path) -> String {
    let name = format!("quoit-bindings-page-{}", std::process::id());
    let text = block.replace("\"ticks\"", &format!("\"{name}\""));
    assert_ne!(text, block, "the program opens the ring \"ticks\"");
    fs::write(file, text).expect("a file");
    name
}

/// The program says nothing, and leaves its ring.
#[track_caller]
fn runs(program: &Path, name: &str) {
    let library = prefix().join("lib");
    let printed = run(Command::new(program).env("LD_LIBRARY_PATH", library));
    let ring = Path::new("/dev/shm").join(name);
    let is_there = ring.exists();
    let _ = fs::remove_file(ring);
    assert!(is_there && printed.is_empty(), "{program:?}: {printed}");
}

pub(crate) fn the_programs_of_the_page_run() {
    for (language, compiler) in [("cpp", "c++ -std=c++20"), ("c", "cc -std=c11")] {
        for block in blocks(language) {
            let source = scratch().join(format!("page.{language}"));
            let program = scratch().join(format!("page-{language}"));
            let name = write(block, &source);
            let mut words = compiler.split(' ');
            let mut compile = Command::new(words.next().expect("a compiler"));
            compile.args(words).args(["-Wall", "-Wextra", "-Werror"]);
            compile.arg("-I").arg(prefix().join("include")).arg(&source);
            compile.arg("-L").arg(prefix().join("lib")).arg("-lquoit");
            run(compile.arg("-o").arg(&program));
            runs(&program, &name);
        }
    }
}

/// By CMake, and by the line with pkg-config.
pub(crate) fn the_builds_of_the_page_find_the_library() {
    let folder = scratch().join("page");
    fs::create_dir_all(&folder).expect("a folder");
    let name = write(blocks("cpp")[0], &folder.join("app.cpp"));
    write(blocks("c")[0], &folder.join("app.c"));
    let head = "cmake_minimum_required(VERSION 3.16)\nproject(page CXX)\nset(CMAKE_CXX_STANDARD 20)\n\
                add_executable(app app.cpp)\n";
    let [block] = blocks("cmake")[..] else {
        panic!("one block of CMake")
    };
    fs::write(folder.join("CMakeLists.txt"), format!("{head}{block}")).expect("a file");
    let found = format!("-DCMAKE_PREFIX_PATH={}", prefix().display());
    let mut cmake = Command::new("cmake");
    run(cmake.arg(found).args(["-B", "build"]).current_dir(&folder));
    run(Command::new("cmake")
        .args(["--build", "build"])
        .current_dir(&folder));
    runs(&folder.join("build/app"), &name);

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
        runs(&folder.join("a.out"), &name);
    }
}
