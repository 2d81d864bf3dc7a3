//! A harness for tests that start processes: one test after the other.
//!
//! The usual harness runs tests on several threads at once, and cannot play a
//! child's part. Here the same binary can be started again to do so, and nothing
//! else runs at the same time: a test has all children and descriptors to itself.
//!
//! The output is libtest's, and so are the options that cargo's users know.

use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Instant;

use super::child;

/// Tests with their names.
pub(crate) type Tests = [(&'static str, fn())];
/// What children do, with their names.
pub(crate) type Parts = [(&'static str, fn(&[String]))];

/// Writes `main` of a suite with `harness = false`. A test that is missing in
/// the list is an unused function, and so a warning.
macro_rules! suite {
    (tests: [$($test:ident),* $(,)?], parts: [$($part:ident),* $(,)?] $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::common::suite::run(
                &[$((stringify!($test), $test)),*],
                &[$((stringify!($part), $part)),*],
            )
        }
    };
}
pub(crate) use suite;

/// What the command line asks for.
#[derive(Default)]
struct Wishes {
    list: bool,
    exact: bool,
    only_ignored: bool,
    filters: Vec<String>,
    skips: Vec<String>,
}

/// Plays the child's part, or runs the tests.
pub(crate) fn run(tests: &Tests, parts: &Parts) -> ExitCode {
    if let Some(wanted) = child::part() {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let part = parts.iter().find(|(name, _)| *name == wanted);
        let (_, play) = part.expect("a part of this suite");
        play(&arguments);
        return ExitCode::SUCCESS;
    }
    let wishes = Wishes::read(env::args().skip(1));
    let wanted: Vec<_> = tests
        .iter()
        .filter(|(name, _)| wishes.wants(name))
        .collect();
    if wishes.list {
        for (name, _) in &wanted {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    report(&wanted, tests.len() - wanted.len())
}

fn report(tests: &[&(&'static str, fn())], filtered_out: usize) -> ExitCode {
    let start = Instant::now();
    let plural = if tests.len() == 1 { "" } else { "s" };
    println!("\nrunning {} test{plural}", tests.len());
    let mut failed = Vec::new();
    for (name, test) in tests {
        print!("test {name} ... ");
        io::stdout().flush().expect("standard output is open");
        let passed = panic::catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("{}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:");
        for name in &failed {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {filtered_out} filtered \
         out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        tests.len() - failed.len(),
        failed.len(),
        start.elapsed().as_secs_f64(),
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

impl Wishes {
    fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut wishes = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => wishes.list = true,
                "--exact" => wishes.exact = true,
                "--ignored" => wishes.only_ignored = true,
                "--skip" => wishes.skips.extend(arguments.next()),
                // Options of libtest that have a value and no meaning here.
                "--format" | "--test-threads" | "--color" | "--logfile" | "-Z" => {
                    drop(arguments.next());
                }
                _ if argument.starts_with('-') => {}
                _ => wishes.filters.push(argument),
            }
        }
        wishes
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |pattern: &String| {
            if self.exact {
                name == pattern
            } else {
                name.contains(pattern.as_str())
            }
        };
        let chosen = self.filters.is_empty() || self.filters.iter().any(matches);
        chosen && !self.skips.iter().any(matches) && !self.only_ignored
    }
}
