//! What is found on a machine, and where.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::names::cores;
use crate::output::{Colour, Output, columns, wrapped};
use crate::stop::Stop;

/// Columns of what is no terminal, and of what is left of a text.
const WIDTH: u16 = 80;
const INDENT: usize = 21;

/// The files of a machine.
pub(super) struct Machine {
    pub(super) root: PathBuf,
    /// The chosen cores, or all that this process may use.
    pub(super) cores: Vec<u32>,
}

/// The worst first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Verdict {
    #[serde(rename = "warn")]
    Warning,
    #[serde(rename = "note")]
    Note,
    #[serde(rename = "ok")]
    Good,
}

#[derive(Serialize)]
pub(super) struct Finding {
    check: &'static str,
    pub(super) verdict: Verdict,
    found: String,
    fix: Option<String>,
}

impl Machine {
    pub(super) fn new(root: &Path, cores: Option<Vec<u32>>) -> Result<Self, Stop> {
        let doing = format!("examine {}", root.display());
        let root = fs::canonicalize(root);
        let mut machine = Self {
            root: root.map_err(Stop::io(doing))?,
            cores: Vec::new(),
        };
        machine.cores = cores.unwrap_or_else(|| machine.allowed());
        Ok(machine)
    }

    /// What a file says, if it exists.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The cores that this process may use.
    pub(super) fn allowed(&self) -> Vec<u32> {
        let status = self.read("proc/self/status").unwrap_or_default();
        let mut lines = status.lines();
        let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        cores(list.unwrap_or_default()).unwrap_or_default()
    }
}

/// A verdict, what was found, and the fix.
pub(super) type Found = (Verdict, String, Option<String>);

pub(super) fn good(found: impl Into<String>) -> Found {
    (Verdict::Good, found.into(), None)
}

pub(super) fn note(found: impl Into<String>, fix: impl Into<String>) -> Found {
    (Verdict::Note, found.into(), Some(fix.into()))
}

pub(super) fn warning(found: impl Into<String>, fix: impl Into<String>) -> Found {
    (Verdict::Warning, found.into(), Some(fix.into()))
}

impl Finding {
    pub(super) fn of(check: &'static str, (verdict, found, fix): Found) -> Self {
        Self {
            check,
            verdict,
            found,
            fix,
        }
    }

    pub(super) fn text(&self, output: &Output) -> String {
        let (word, colour) = match self.verdict {
            Verdict::Warning => ("warn", Colour::Red),
            Verdict::Note => ("note", Colour::Yellow),
            Verdict::Good => ("ok  ", Colour::Green),
        };
        let columns = usize::from(columns().unwrap_or(WIDTH));
        let (word, check) = (output.paint(colour, word), self.check);
        let fix = self.fix.as_ref().map(|fix| format!("fix: {fix}"));
        let mut lines = wrapped(&self.found, columns, INDENT);
        lines.extend(fix.iter().flat_map(|fix| wrapped(fix, columns, INDENT)));
        let lines = lines.join(&format!("\n{:INDENT$}", ""));
        format!("{word}  {check:<14} {lines}\n")
    }
}
