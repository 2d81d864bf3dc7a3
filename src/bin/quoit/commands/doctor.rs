//! `quoit doctor`: what this machine does for a ring, and to it.

mod checks;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::output::{Colour, Output, columns, wrapped};
use crate::stop::Stop;

/// Columns of what is no terminal, and of what stands left of a text.
const WIDTH: u16 = 80;
const INDENT: usize = 21;

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

/// The files of a machine.
struct Machine {
    root: PathBuf,
    /// The chosen cores, or all that this process may use.
    cores: Vec<u32>,
}

/// The worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Verdict {
    #[serde(rename = "warn")]
    Warning,
    #[serde(rename = "note")]
    Note,
    #[serde(rename = "ok")]
    Good,
}

#[derive(Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    fix: Option<String>,
}

impl Doctor {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let machine = Machine::new(self)?;
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

impl Machine {
    fn new(doctor: &Doctor) -> Result<Self, Stop> {
        let root = fs::canonicalize(&doctor.root);
        let doing = format!("examine {}", doctor.root.display());
        let mut machine = Self {
            root: root.map_err(Stop::io(doing))?,
            cores: Vec::new(),
        };
        machine.cores = match &doctor.cores {
            Some(Cores(cores)) => cores.clone(),
            None => machine.allowed(),
        };
        Ok(machine)
    }

    /// What a file says, if it is there.
    fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The cores that this process may use.
    fn allowed(&self) -> Vec<u32> {
        let status = self.read("proc/self/status").unwrap_or_default();
        let mut lines = status.lines();
        let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        cores_of(list.unwrap_or_default().trim())
    }
}

/// The numbers of a list such as `0-3,8`, as far as there are such cores.
fn cores_of(list: &str) -> Vec<u32> {
    /// More than any kernel knows.
    const MOST: u32 = 1 << 16;
    let mut cores = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse(), last.parse::<u32>()) {
            cores.extend(first..=last.min(MOST));
        }
    }
    cores
}

impl Finding {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            verdict: Verdict::Good,
            found: found.into(),
            fix: None,
        }
    }

    fn note(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            fix: Some(fix.into()),
            ..Self::good(check, found)
        }
    }

    fn warning(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warning,
            ..Self::note(check, found, fix)
        }
    }

    fn text(&self, output: &Output) -> String {
        let (word, colour) = match self.verdict {
            Verdict::Warning => ("warn", Colour::Red),
            Verdict::Note => ("note", Colour::Yellow),
            Verdict::Good => ("ok  ", Colour::Green),
        };
        let columns = usize::from(columns().unwrap_or(WIDTH));
        let (word, check) = (output.paint(colour, word), self.check);
        let found = wrapped(&self.found, columns, INDENT);
        let mut text = format!("{word}  {check:<14} {found}\n");
        if let Some(fix) = &self.fix {
            let fix = wrapped(&format!("fix: {fix}"), columns, INDENT);
            text += &format!("{:INDENT$}{fix}\n", "");
        }
        text
    }
}
