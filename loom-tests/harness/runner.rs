//! `main` of a test binary without libtest: libtest would hide the tables and
//! the numbers of executions, which are half of the proof.
//!
//! Understands what `cargo test` and its users pass most: name filters,
//! `--exact`, `--skip`, `--list`. Models run one after the other.

use std::process::ExitCode;
use std::time::Instant;

use super::model::keep_panics;

/// A check by name. It returns what to print, or why it failed.
pub(crate) struct Check {
    name: String,
    run: Box<dyn FnOnce() -> Result<String, String>>,
}

impl Check {
    pub(crate) fn new(name: &str, run: impl FnOnce() -> Result<String, String> + 'static) -> Self {
        Self {
            name: name.to_owned(),
            run: Box::new(run),
        }
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    list: bool,
    exact: bool,
    filters: Vec<String>,
    skipped: Vec<String>,
    /// Checks that libtest would ignore by default are asked for: there are none.
    only_ignored: bool,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => parsed.list = true,
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.only_ignored = true,
                "--skip" => parsed.skipped.extend(arguments.next()),
                // Options of libtest with a value that changes nothing here.
                "--color" | "--format" | "--logfile" | "--test-threads" | "-Z" => {
                    arguments.next();
                }
                option if option.starts_with('-') => {}
                _ => parsed.filters.push(argument),
            }
        }
        parsed
    }

    fn wants(&self, name: &str) -> bool {
        let matches = |pattern: &String| match self.exact {
            true => name == pattern,
            false => name.contains(pattern.as_str()),
        };
        let filtered = self.filters.is_empty() || self.filters.iter().any(matches);
        filtered && !self.only_ignored && !self.skipped.iter().any(matches)
    }
}

/// Runs the checks that the command line asks for.
pub(crate) fn run(checks: Vec<Check>) -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let all = checks.len();
    let mut wanted = checks;
    wanted.retain(|check| arguments.wants(&check.name));
    if arguments.list {
        for check in &wanted {
            println!("{}: test", check.name);
        }
        return ExitCode::SUCCESS;
    }
    keep_panics();
    let start = Instant::now();
    let (count, mut failures) = (wanted.len(), Vec::new());
    println!("\nrunning {count} tests");
    for Check { name, run } in wanted {
        let begin = Instant::now();
        let result = run();
        let seconds = begin.elapsed().as_secs_f64();
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} <{seconds:.3}s>");
        if result.is_err() {
            failures.push(name);
        }
        let report = result.unwrap_or_else(|reason| reason);
        report.lines().for_each(|line| println!("    {line}"));
    }
    if !failures.is_empty() {
        println!("\nfailures:\n    {}", failures.join("\n    "));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        count - failures.len(),
        failures.len(),
        all - count,
        start.elapsed().as_secs_f64()
    );
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(101),
    }
}
