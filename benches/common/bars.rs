//! What a bench has to say: lines for people, `BAR` lines for scripts, and all
//! of it as JSON.

use core::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

/// A promise about a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Below, not at.
    Below(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Below(limit) => value < limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<={limit}"),
            Self::AtLeast(limit) => write!(f, ">={limit}"),
            Self::Below(limit) => write!(f, "<{limit}"),
        }
    }
}

/// The figures of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Map<String, Value>,
    bars: Vec<Value>,
}

impl Report {
    /// Keeps a figure for the file.
    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    /// Prints `BAR name value limit ok|short`.
    pub(crate) fn bar(&mut self, name: &str, value: f64, limit: Limit) {
        let holds = limit.holds(value);
        let verdict = if holds { "ok" } else { "short" };
        let mut shown = format!("{value:.3}");
        // What lies so close to its limit is shown in full.
        if shown.parse().is_ok_and(|shown| limit.holds(shown) != holds) {
            shown = value.to_string();
        }
        println!("BAR {name} {shown} {limit} {verdict}");
        self.bars.push(json!({
            "name": name, "value": value, "limit": limit.to_string(), "ok": holds,
        }));
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "figures": self.figures, "bars": self.bars })
    }

    /// Writes everything to `path`.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, format!("{:#}\n", self.json()))
    }
}
