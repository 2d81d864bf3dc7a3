//! The bindings, as their users build and run them: one test after the other, since they
//! start processes and compilers.

mod header;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

const TESTS: &[(&str, fn())] = &[(
    "the_header_is_that_of_the_sources",
    header::the_header_is_that_of_the_sources,
)];

fn main() -> ExitCode {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let mut failed = 0;
    let mut passed = 0;
    for (name, test) in TESTS {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        let begin = Instant::now();
        let result = catch_unwind(test);
        let seconds = begin.elapsed().as_secs_f64();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({seconds:.1} s)");
        match result {
            Ok(()) => passed += 1,
            Err(_) => failed += 1,
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
