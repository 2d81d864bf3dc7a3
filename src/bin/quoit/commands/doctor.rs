//! `quoit doctor`: what this machine does for a ring, and to it.

mod container;
mod huge_pages;
mod kernel;
mod memory;
mod processors;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::output::{Colour, Output};
use crate::stop::Stop;

/// Columns of a terminal, and of what stands left of a text.
const WIDTH: usize = 80;
const INDENT: usize = 20;

/// Examines this machine: each finding with its fix
///
/// Changes nothing. "warn" costs time or makes rings fail, "note" may matter.
#[derive(Args)]
pub(crate) struct Doctor {
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
    /// Whether somebody chose.
    chosen: bool,
}

#[derive(Clone, Copy)]
enum Verdict {
    Good,
    Note,
    Warning,
}

struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    fix: Option<String>,
}

impl Doctor {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let machine = Machine::new(self)?;
        let mut findings = memory::findings(&machine);
        findings.extend(huge_pages::findings(&machine));
        findings.extend(kernel::findings(&machine));
        findings.extend(processors::findings(&machine));
        findings.extend(container::findings(&machine));
        let answer = if output.json {
            let values: Vec<_> = findings.iter().map(Finding::value).collect();
            format!("{}\n", json!({"cores": machine.cores, "findings": values}))
        } else {
            findings
                .iter()
                .map(|finding| finding.text(output))
                .collect()
        };
        output.answer(answer.as_bytes())
    }
}

impl Machine {
    fn new(doctor: &Doctor) -> Result<Self, Stop> {
        let root = fs::canonicalize(&doctor.root);
        let doing = format!("examine {}", doctor.root.display());
        let mut machine = Self {
            root: root.map_err(Stop::io(doing))?,
            cores: Vec::new(),
            chosen: doctor.cores.is_some(),
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

    /// What follows `key` in a file of lines.
    fn field(&self, path: &str, key: &str) -> Option<String> {
        let text = self.read(path)?;
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().to_owned())
    }

    /// The cores that this process may use.
    fn allowed(&self) -> Vec<u32> {
        let list = self.field("proc/self/status", "Cpus_allowed_list:");
        cores_of(&list.unwrap_or_default())
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

    fn word(&self) -> (&'static str, Colour) {
        match self.verdict {
            Verdict::Good => ("ok", Colour::Green),
            Verdict::Note => ("note", Colour::Yellow),
            Verdict::Warning => ("warn", Colour::Red),
        }
    }

    fn value(&self) -> Value {
        json!({
            "check": self.check,
            "verdict": self.word().0,
            "found": self.found,
            "fix": self.fix,
        })
    }

    fn text(&self, output: &Output) -> String {
        let (word, colour) = self.word();
        let word = output.paint(colour, &format!("{word:<4}"));
        let found = wrapped(&self.found);
        let mut text = format!("{word}  {:<13} {found}\n", self.check);
        if let Some(fix) = &self.fix {
            let fix = wrapped(&format!("fix: {fix}"));
            text += &format!("{:INDENT$}{fix}\n", "");
        }
        text
    }
}

/// The words in lines that leave room for what stands left of them.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= WIDTH - INDENT {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join(&format!("\n{:INDENT$}", ""))
}
