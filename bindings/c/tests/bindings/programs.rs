//! Programs of the users' languages that check themselves.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::peers::{built, compile, root, run, scratch};

pub(crate) fn every_call_and_every_misuse_has_an_answer() {
    run(&mut Command::new(compile("tests/calls.c", true)));
}

pub(crate) fn guards_moves_and_errors_of_cpp() {
    run(&mut Command::new(compile("tests/calls.cpp", true)));
}

/// With the text that the compiler shows.
pub(crate) fn what_is_no_record_does_not_compile() {
    const ALL: &str = "struct padded { char a; int b; };\n\
        struct owner { int *p; owner(const owner &); };\n\
        using producer = quoit::producer<long>;\n";
    const CASES: [(&str, &str); 6] = [
        ("(void)quoit::ring<padded>::open(\"\");", "has no padding"),
        (
            "(void)quoit::ring<long double>::open(\"\");",
            "has no padding",
        ),
        (
            "(void)quoit::producer<owner>::open(\"\");",
            "trivially copyable",
        ),
        ("producer *p = nullptr; producer copy = *p;", "deleted"),
        ("(void)quoit::ring<double>::open(\"\");", ""),
        // No "i8", which 16 bytes would be without an answer of their own.
        ("static_assert(!quoit::default_tag<__int128>());", ""),
    ];
    let source = scratch().join("refused.cpp");
    for (line, reason) in CASES {
        let text = format!("#include <quoit.hpp>\n{ALL}int main() {{ {line} }}\n");
        fs::write(&source, text).expect("a file");
        let mut compiler = Command::new("c++");
        compiler.args(["-std=gnu++20", "-fsyntax-only", "-I"]);
        let output = compiler.arg(root().join("include")).arg(&source).output();
        let output = output.expect("the compiler starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), reason.is_empty(), "{line}: {text}");
        assert!(text.contains(reason), "{line}: {text}");
    }
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
