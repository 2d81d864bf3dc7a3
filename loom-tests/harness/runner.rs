//! `main` of a test binary without libtest. libtest would hide the tables and the numbers
//! of executions, which belong to the proof.
//!
//! Understands the usual arguments: name filters, `--exact`, `--skip`, `--list`. It runs as
//! many checks at once as there are processors, each in a separate process. In threads they
//! would contend for the address space: loom maps memory in each execution.

use std::env;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::model::keep_panics;

/// A check and its name. It returns the text to print, or the reason of the failure.
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

/// The argument with which a process runs one check and prints the result.
const ALONE: &str = "--alone";

/// The command line.
#[derive(Default)]
struct Arguments {
    list: bool,
    exact: bool,
    filters: Vec<String>,
    skipped: Vec<String>,
    /// Only ignored tests are requested: there are none.
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
                // Options of libtest whose value has no effect here.
                "--color" | "--format" | "--logfile" | "--test-threads" | "-Z" => {
                    arguments.next();
                }
                option if option.starts_with('-') => {}
                _ => parsed.filters.push(argument),
            }
        }
        parsed
    }

    fn selects(&self, name: &str) -> bool {
        let matches = |pattern: &String| match self.exact {
            true => name == pattern,
            false => name.contains(pattern.as_str()),
        };
        let filtered = self.filters.is_empty() || self.filters.iter().any(matches);
        filtered && !self.only_ignored && !self.skipped.iter().any(matches)
    }
}

/// Runs the checks that the command line selects.
pub(crate) fn run(checks: Vec<Check>) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments[..] {
        [alone, name] if alone == ALONE => return run_alone(checks, name),
        _ => {}
    }
    let arguments = Arguments::parse(arguments.into_iter());
    let all = checks.len();
    let wanted = checks.into_iter().map(|check| check.name);
    let wanted: Vec<_> = wanted.filter(|name| arguments.selects(name)).collect();
    if arguments.list {
        for name in &wanted {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let count = wanted.len();
    println!("\nrunning {count} tests");
    // The slowest checks are last in the list, so start them first.
    let rest = Mutex::new(wanted.into_iter().rev());
    let work = || -> Vec<String> {
        let names = std::iter::from_fn(|| rest.lock().expect("no thread panics with it").next());
        names.filter(|name| !passes(name)).collect()
    };
    let failures: Vec<String> = thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|failed| failed.expect("a worker does not panic"))
            .collect()
    });
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

/// Runs a check in a process, and prints its output.
fn passes(name: &str) -> bool {
    let begin = Instant::now();
    let program = env::current_exe().expect("the program has a path");
    let ended = Command::new(program).args([ALONE, name]).output();
    let ended = ended.expect("the program starts again");
    let verdict = if ended.status.success() {
        "ok"
    } else {
        "FAILED"
    };
    let seconds = begin.elapsed().as_secs_f64();
    let mut text = format!("test {name} ... {verdict} <{seconds:.3}s>\n");
    for line in [ended.stdout, ended.stderr]
        .concat()
        .split(|&byte| byte == b'\n')
    {
        if !line.is_empty() {
            text += &format!("    {}\n", String::from_utf8_lossy(line));
        }
    }
    print!("{text}");
    ended.status.success()
}

fn run_alone(checks: Vec<Check>, name: &str) -> ExitCode {
    keep_panics();
    let mut checks = checks.into_iter();
    let check = checks.find(|check| check.name == name);
    match (check.expect("there is such a check").run)() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("{reason}");
            ExitCode::from(101)
        }
    }
}
