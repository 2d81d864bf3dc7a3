//! Programs of the users' languages that check themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::peers::{built, compile, root, run, scratch};

pub(crate) fn every_call_and_every_misuse_has_an_answer() {
    run(&mut Command::new(compile("tests/calls.c", true)));
}

pub(crate) fn nothing_is_allocated_after_opening() {
    run(&mut Command::new(compile("tests/allocations.cpp", false)));
}

/// The first block of a language in README.md, as a program that runs.
pub(crate) fn the_first_programs_of_the_page_run() {
    let page = include_str!("../../README.md");
    for (language, compiler, standard) in [("cpp", "c++", "-std=c++20"), ("c", "cc", "-std=c11")] {
        let block = page.split(&format!("```{language}\n")).nth(1);
        let block = block.and_then(|block| block.split("```").next());
        let (includes, body): (Vec<_>, Vec<_>) = block
            .expect("a block")
            .lines()
            .partition(|line| line.starts_with("#include"));
        let uses = if language == "cpp" {
            "using namespace std::chrono_literals;"
        } else {
            ""
        };
        let name = format!("quoit-bindings-page-{language}-{}", std::process::id());
        let body = body.join("\n").replace("\"ticks\"", &format!("\"{name}\""));
        let text = format!(
            "#include <stdio.h>\n{}\nint main(void) {{\n{uses}\n{body}\n}}\n",
            includes.join("\n")
        );
        let source = scratch().join(format!("page.{language}"));
        let program = scratch().join(format!("page-{language}"));
        fs::write(&source, text).expect("a file");
        let mut compiler = Command::new(compiler);
        compiler.args([standard, "-Wall", "-Wextra", "-Werror", "-I"]);
        compiler
            .arg(root().join("include"))
            .arg(&source)
            .arg("-o")
            .arg(&program);
        compiler.arg(built().join("libquoit_capi.a"));
        run(compiler.args(["-lpthread", "-ldl", "-lm"]));
        let printed = run(&mut Command::new(&program));
        let ring = Path::new("/dev/shm").join(name);
        let is_there = ring.exists();
        let _ = fs::remove_file(ring);
        assert!(is_there && printed.is_empty(), "{language}: {printed}");
    }
}
