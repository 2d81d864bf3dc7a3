//! A harness for tests that start processes: one test after the other.
//!
//! libtest runs tests on several threads at once, and cannot run a child's part. This
//! harness runs one test at a time, so no other test has child processes or descriptors,
//! and the binary can start itself again as a child.
//!
//! Its output and its common options are those of libtest.

use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::Instant;

use super::child;

/// Tests with their names.
pub(crate) type Tests = [(&'static str, fn())];
/// The parts of children, with their names.
pub(crate) type Parts = [(&'static str, fn(&[String]))];

/// Generates `main` of a suite with `harness = false`. A test that is missing in the list
/// is an unused function, so the compiler warns.
macro_rules! suite {
    (tests: [$($($test:ident)::+),* $(,)?], parts: [$($($part:ident)::+),* $(,)?] $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::common::suite::run(
                &[$(($crate::common::suite::last(stringify!($($test)::+)), $($test)::+)),*],
                &[$(($crate::common::suite::last(stringify!($($part)::+)), $($part)::+)),*],
            )
        }
    };
}
pub(crate) use suite;

/// The name at the end of a path.
pub(crate) fn last(path: &'static str) -> &'static str {
    path.rsplit("::").next().unwrap_or_default().trim()
}

/// The command line.
#[derive(Default)]
struct Wishes {
    list: bool,
    exact: bool,
    only_ignored: bool,
    filters: Vec<String>,
    skips: Vec<String>,
}

/// Runs the child's part, or the tests.
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
        .filter(|(name, _)| wishes.selects(name))
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
                // Options of libtest that have a value and no effect here.
                "--format" | "--test-threads" | "--color" | "--logfile" | "-Z" => {
                    drop(arguments.next());
                }
                _ if argument.starts_with('-') => {}
                _ => wishes.filters.push(argument),
            }
        }
        wishes
    }

    fn selects(&self, name: &str) -> bool {
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
