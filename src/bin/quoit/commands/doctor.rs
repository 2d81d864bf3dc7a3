//! `quoit doctor`: what this machine does for a ring, and to it.

mod checks;
mod finding;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::finding::{Finding, Machine, Verdict};
use crate::output::{Colour, Output};
use crate::stop::Stop;

/// Examines this machine: each finding with its fix, the worst first
///
/// Changes nothing. "warn" costs time or makes rings fail, and makes the exit code 9;
/// "note" may matter.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Show notes and what is well, too
    #[arg(long)]
    all: bool,

    /// The cores of the two ends, as in 2,4; by default all that are allowed
    #[arg(long, value_name = "CORES", value_parser = chosen)]
    cores: Option<Cores>,

    /// Where /proc, /sys and the rest lie: a host's root within a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Some cores, each once.
#[derive(Clone)]
struct Cores(Vec<u32>);

/// `2,4`
fn chosen(text: &str) -> Result<Cores, String> {
    let numbers = text.split(',').map(|number| number.trim().parse());
    let numbers: Result<Vec<u32>, _> = numbers.collect();
    let numbers = numbers.map_err(|_| "numbers, as in 2,4".to_owned())?;
    let mut once = numbers.clone();
    once.sort_unstable();
    once.dedup();
    match once.len() == numbers.len() {
        true => Ok(Cores(numbers)),
        false => Err("each end wants a core of its own".to_owned()),
    }
}

impl Doctor {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let cores = self.cores.as_ref().map(|Cores(cores)| cores.clone());
        let machine = Machine::new(&self.root, cores)?;
        let mut findings = checks::findings(&machine);
        findings.sort_by_key(|finding| finding.verdict);
        let count = |verdict| {
            let found = findings.iter().filter(|finding| finding.verdict == verdict);
            found.count()
        };
        let (warnings, notes) = (count(Verdict::Warning), count(Verdict::Note));
        let answer = if output.json {
            let cores = &machine.cores;
            let values =
                json!({"cores": cores, "warnings": warnings, "notes": notes, "findings": findings});
            format!("{values}\n")
        } else {
            let verdict = format!(
                "{}, {}",
                counted(warnings, "warning"),
                counted(notes, "note")
            );
            let colour = match warnings {
                0 => Colour::Green,
                _ => Colour::Red,
            };
            let more = match self.all {
                true => "",
                false => " (--all shows notes and what is well)",
            };
            let mut text = format!("{}{more}\n", output.paint(colour, &verdict));
            let shown = |finding: &&Finding| self.all || finding.verdict == Verdict::Warning;
            for finding in findings.iter().filter(shown) {
                text += &finding.text(output);
            }
            text
        };
        output.answer(answer.as_bytes())?;
        match warnings {
            0 => Ok(()),
            _ => Err(Stop::Warned),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
