//! Programs of the users' languages that check themselves.

use std::fs;
use std::process::Command;

use crate::peers::{compile, root, run, scratch};

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
    const CASES: [(&str, &str); 9] = [
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
        // An endpoint of other records than those of its ring.
        (
            "quoit::ring<int> *ring = nullptr; (void)producer::of(*ring);",
            "ring",
        ),
        (
            "quoit::ring<void> *ring = nullptr; (void)producer::of(*ring);",
            "ring",
        ),
        (
            "quoit::ring<long> *ring = nullptr; (void)producer::of(*ring);",
            "",
        ),
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
