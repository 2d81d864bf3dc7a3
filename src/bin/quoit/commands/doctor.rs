//! `quoit doctor`: what this machine does for a ring, and to it.

mod checks;
mod finding;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::finding::{Finding, Machine, Verdict};
use crate::names::cores;
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

    /// The cores of the two endpoints, as in 2,4; by default all that are allowed
    #[arg(long, value_name = "CORES", value_parser = chosen)]
    cores: Option<Cores>,

    /// Where /proc, /sys and the rest are: a host's root within a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// One value of an option.
#[derive(Clone)]
struct Cores(Vec<u32>);

fn chosen(text: &str) -> Result<Cores, String> {
    cores(text).map(Cores)
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
        if output.json {
            let cores = &machine.cores;
            let answer =
                json!({"cores": cores, "warnings": warnings, "notes": notes, "findings": findings});
            output.answer(format!("{answer}\n"))?;
        } else {
            let [warned, noted] = [(warnings, "warning"), (notes, "note")].map(counted);
            let colour = match warnings {
                0 => Colour::Green,
                _ => Colour::Red,
            };
            let more = match self.all {
                true => "",
                false => " (--all shows notes and what is well)",
            };
            let verdict = output.paint(colour, &format!("{warned}, {noted}"));
            let shown = |finding: &&Finding| self.all || finding.verdict == Verdict::Warning;
            let shown = findings.iter().filter(shown);
            let findings: String = shown.map(|finding| finding.text(output)).collect();
            output.answer(format!("{verdict}{more}\n{findings}"))?;
        }
        match warnings {
            0 => Ok(()),
            _ => Err(Stop::Warned),
        }
    }
}

fn counted((count, what): (usize, &str)) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
