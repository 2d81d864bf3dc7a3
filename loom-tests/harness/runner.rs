//! `main` of the models, on libtest-mimic. Each check runs in a separate process, as many at
//! once as there are processors. In threads they would contend for the address space: loom
//! maps memory in each execution.
//!
//! Numbers of executions and tables belong to the proof, so a check that passes prints them
//! as well, at the end.

use std::env;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

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

/// Runs the checks that the command line selects.
pub(crate) fn run(checks: Vec<Check>) -> ExitCode {
    if let [Some(alone), Some(name)] = [1, 2].map(|place| env::args().nth(place)) {
        if alone == ALONE {
            return run_alone(checks, &name);
        }
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let trial = |check: Check| {
        let (name, reports) = (check.name, Arc::clone(&reports));
        Trial::test(name.clone(), move || {
            let report = passes(&name)?;
            reports
                .lock()
                .expect("no thread panics with it")
                .push(report);
            Ok(())
        })
    };
    // The slowest checks are last in the list, so start them first.
    let trials = checks.into_iter().rev().map(trial).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    for report in &*reports.lock().expect("no thread panics with it") {
        println!("{report}");
    }
    conclusion.exit_code()
}

/// Runs a check in a process. Returns its name, its seconds and what it printed.
fn passes(name: &str) -> Result<String, Failed> {
    let begin = Instant::now();
    let program = env::current_exe().expect("the program has a path");
    let ended = Command::new(program).args([ALONE, name]).output();
    let ended = ended.expect("the program starts again");
    let printed = [ended.stdout, ended.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let lines = printed.lines().filter(|line| !line.is_empty());
    let text: String = lines.map(|line| format!("    {line}\n")).collect();
    match ended.status.success() {
        true => Ok(format!(
            "{name}, {:.3} s:\n{text}",
            begin.elapsed().as_secs_f64()
        )),
        false => Err(text.into()),
    }
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
