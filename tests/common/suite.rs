//! The harness of tests that start processes, on libtest-mimic.
//!
//! Each test runs in a separate process, as many at once as there are processors: no test has
//! the threads, descriptors, limits or signal handlers of another. A test's child is the same
//! binary, started with the name of a part.

use std::env;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use super::child;

/// A test, or a part with its arguments, and its name.
type Test = (&'static str, fn());
type Part = (&'static str, fn(&[String]));

/// The tests of a module, and the parts of their children.
pub(crate) struct Suite {
    /// The path of the module, which begins with the binary's name.
    pub(crate) module: &'static str,
    pub(crate) tests: &'static [Test],
    pub(crate) parts: &'static [Part],
}

/// Lists the tests of a module as `SUITE`, and the parts of their children.
/// A test that is missing in the list is an unused function, so the compiler warns.
macro_rules! tests {
    ($($($test:ident)::+),* $(,)? $(; parts: $($($part:ident)::+),* $(,)?)?) => {
        pub(crate) const SUITE: $crate::common::suite::Suite = $crate::common::suite::Suite {
            module: module_path!(),
            tests: &[$((stringify!($($test)::+), $($test)::+)),*],
            parts: &[$($((stringify!($($part)::+), $($part)::+)),*)?],
        };
    };
}
pub(crate) use tests;

/// Generates `main` for the tests of this file, or for those of these modules.
macro_rules! suite {
    (tests: [$($($test:ident)::+),* $(,)?], parts: [$($($part:ident)::+),* $(,)?] $(,)?) => {
        $crate::common::suite::tests! { $($($test)::+),*; parts: $($($part)::+),* }
        $crate::common::suite::suite! { self }
    };
    ($($(#[$condition:meta])* $($module:ident)::+),* $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::common::suite::run(&[$($(#[$condition])* $($module)::+::SUITE),*])
        }
    };
}
pub(crate) use suite;

/// Runs the test or the part with which this process was started, or each test in a process.
pub(crate) fn run(suites: &[Suite]) -> ExitCode {
    if let Some(path) = child::part() {
        play(suites, &path);
        return ExitCode::SUCCESS;
    }
    let tests = suites.iter().flat_map(|suite| {
        let paths = suite.tests.iter();
        paths.map(|(test, _)| format!("{}::{}", suite.module, last(test)))
    });
    let trials = tests.map(|path| {
        let (_, name) = path.split_once("::").expect("the binary's name");
        let name = name.to_owned();
        Trial::test(name, move || passes(&path))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn passes(path: &str) -> Result<(), Failed> {
    let this = env::current_exe().expect("this binary's path");
    let status = Command::new(this).env(child::PART, path).status();
    match status.expect("the test's process starts") {
        status if status.success() => Ok(()),
        status => Err(format!("its process ended with {status}").into()),
    }
}

/// The name at the end of a path.
fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim()
}

/// Runs a test, or a part: of that module, or of one around it.
fn play(suites: &[Suite], path: &str) {
    let (mut module, name) = path.rsplit_once("::").expect("a path");
    loop {
        for suite in suites.iter().filter(|suite| suite.module == module) {
            if let Some((_, test)) = suite.tests.iter().find(|(test, _)| last(test) == name) {
                return test();
            }
            if let Some((_, part)) = suite.parts.iter().find(|(part, _)| last(part) == name) {
                return part(&env::args().skip(1).collect::<Vec<_>>());
            }
        }
        (module, _) = module.rsplit_once("::").expect("a part of this binary");
    }
}
