//! Programs of the users' languages that check themselves.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::install::{build, installed};
use crate::peers::{checked, compile, compiler, file, root, run};

pub(crate) fn every_call_and_every_misuse_has_an_answer() {
    let mut calls = Command::new(compile("tests/calls.c", true));
    run(calls.arg(env!("CARGO_PKG_VERSION")));
}

pub(crate) fn guards_moves_and_errors_of_cpp() {
    run(&mut Command::new(compile("tests/calls.cpp", true)));
}

/// With the text that the compiler shows.
pub(crate) fn what_is_no_record_does_not_compile() {
    const ALL: &str = "struct padded { char a; int b; };\n\
        struct owner { int *p; owner(const owner &); };\n\
        using producer = quoit::producer<long>;\n";
    const CASES: [(&str, &str); 12] = [
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
        // A guard of an endpoint that ends before it.
        (
            "(void)producer::open(\"\").value().try_claim();",
            "discards qualifiers",
        ),
        (
            "(void)quoit::consumer<long>::open(\"\").value().peek();",
            "discards qualifiers",
        ),
        (
            "(void)quoit::frame_consumer::open(\"\").value().try_peek();",
            "discards qualifiers",
        ),
        // No "i8", which 16 bytes would be without an answer of their own.
        ("static_assert(!quoit::default_tag<__int128>());", ""),
    ];
    for (line, reason) in CASES {
        let text = format!("#include <quoit.hpp>\n{ALL}int main() {{ {line} }}\n");
        let output = checked("gnu++20", &file("refused.cpp", &text));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), reason.is_empty(), "{line}: {text}");
        assert!(text.contains(reason), "{line}: {text}");
    }
}

/// By what an older C++ says first.
pub(crate) fn an_older_cpp_is_refused_with_advice() {
    let source = file("older.cpp", "#include <quoit.hpp>\nint main() {}\n");
    let text = String::from_utf8(checked("c++17", &source).stderr).expect("text");
    assert_eq!(text.matches("error:").count(), 1, "{text}");
    assert!(text.contains("compile with -std=c++20"), "{text}");
}

/// What ends a program that has no exceptions says why.
pub(crate) fn without_exceptions_a_failure_is_printed() {
    const PROGRAM: &str = "#include <quoit.hpp>\n\
        int main() { return (int)quoit::frame_consumer::open(\"quoit-bindings-none\").value().len(); }\n";
    let source = file("abort.cpp", PROGRAM);
    let program = build("c++ -std=c++20 -fno-exceptions -fno-rtti", &source);
    let output = installed(&program).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "it aborts: {text}");
    assert!(
        text.contains("there is no ring \"quoit-bindings-none\""),
        "{text}"
    );
}

/// In C and in C++, with what a strict project asks for, at the level at which GCC follows most.
pub(crate) fn a_program_has_no_warning_of_the_headers() {
    const PROGRAM: &str = "#include <quoit.h>\n\
        struct record { uint64_t a; uint32_t b, c; };\n\
        size_t batch(quoit_producer *p, uint64_t a);\n\
        size_t batch(quoit_producer *p, uint64_t a) {\n\
            struct record records[3] = {{a, 1, 2}, {a, 3, 4}, {a, 5, 6}};\n\
            unsigned char bytes[9] = {(unsigned char)a};\n\
            size_t count = 0, other = 0;\n\
            (void)quoit_try_push_many(p, records, sizeof records[0], 3, &count);\n\
            (void)quoit_try_push_many(p, records, sizeof records[0], 1, &other);\n\
            (void)quoit_try_push_many(p, bytes, 1, 9, &other);\n\
            return count + other;\n\
        }\n";
    const WARNINGS: &str = "-O3 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion \
        -Wshadow -Wredundant-decls -c -o /dev/null -I";
    let source = file("warnings.c", PROGRAM);
    let calls = ["tests/calls.c", "tests/calls.cpp"].map(|path| root().join(path));
    for (words, source) in [
        ("cc -x c -std=c11", &source),
        ("cc -x c -std=c17", &calls[0]),
        ("c++ -x c++ -std=c++11", &source),
        ("c++ -x c++ -std=c++17", &source),
        ("c++ -x c++ -std=c++20", &calls[1]),
        ("c++ -x c++ -std=c++2b", &calls[1]),
    ] {
        let mut compile = compiler(&format!("{words} {WARNINGS}"));
        run(compile.arg(root().join("include")).arg(source));
    }
}

pub(crate) fn nothing_is_allocated_after_opening() {
    run(&mut Command::new(compile("tests/allocations.cpp", false)));
}
