//! What a push and a pop cost, in instructions, which no other process disturbs.

use std::path::Path;
use std::process::Command;

use crate::peers::{built, compile, run};

/// Instructions of a program, by valgrind.
fn instructions(program: &Path, what: &str, rounds: u32) -> f64 {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let text = run(valgrind.arg(program).args([what, &rounds.to_string()]));
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.split("Collected : ").nth(1));
    let count = count.unwrap_or_else(|| panic!("no count: {text}"));
    count.trim().parse().expect("a number")
}

/// Of one message, there and back: a difference, so that what comes once does not count.
fn per_message(program: &Path, what: &str) -> f64 {
    let (few, many) = (10, 40);
    let counted = instructions(program, what, many) - instructions(program, what, few);
    counted / f64::from((many - few) * 512)
}

/// The fast path of the header is that of the library, and no longer.
pub(crate) fn a_message_costs_as_many_instructions_as_in_rust() {
    let rust = built().join("examples/counts");
    let c = compile("tests/counts/counts.c", false);
    let cpp = compile("tests/counts/counts.cpp", false);
    for what in ["8", "64", "frames"] {
        let [rust, c, cpp] = [&rust, &c, &cpp].map(|program| per_message(program, what));
        println!("{what:>6}: Rust {rust:.1}, C {c:.1}, C++ {cpp:.1} instructions a message");
        let is_optimised = rust < 2.0 * c;
        assert!(
            is_optimised,
            "{what}: Rust is not optimised; run cargo in bindings/c"
        );
        for (language, count) in [("C", c), ("C++", cpp)] {
            assert!(
                count <= rust * 1.15,
                "{what}: {count:.1} instructions in {language}, {rust:.1} in Rust"
            );
        }
    }
}
