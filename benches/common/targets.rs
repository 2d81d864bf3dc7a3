//! The output of a bench: text lines, `BAR` lines for scripts, and everything as JSON.

use core::fmt;
use std::error::Error;
use std::io::{self, Write};
use std::process::{self, Command};

use serde_json::{Map, Value, json};

use super::spread::Spread;

/// A target for a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Less than this value.
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

    /// How many times better than the limit a value is; below 1 it is worse.
    fn within(self, value: f64) -> f64 {
        match self {
            Self::AtMost(limit) | Self::Below(limit) => limit / value,
            Self::AtLeast(limit) => value / limit,
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
    /// Prints a line. If the reader of the output has closed, the bench ends.
    pub(crate) fn say(&self, line: impl fmt::Display) {
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("could not write to standard output: {error}");
                process::exit(1);
            }
            Err(_) => process::exit(0),
        }
    }

    /// Stores a figure for the JSON.
    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    /// Prints `BAR name value limit ok|missed|disturbed`; the value is a median, or a
    /// single figure.
    pub(crate) fn bar(&mut self, name: &str, spread: Spread, limit: Limit, is_disturbed: bool) {
        let value = spread.median;
        let holds = limit.holds(value);
        let verdict = match holds {
            true => "ok",
            false if is_disturbed => "disturbed",
            false => "missed",
        };
        let mut shown = format!("{value:.3}");
        // A value that rounds to the other side of its limit is shown in full.
        if shown.parse().is_ok_and(|shown| limit.holds(shown) != holds) {
            shown = value.to_string();
        }
        let line = format!("BAR {name} {shown} {limit} {verdict}");
        self.say(&line);
        self.bars.push(json!({
            "line": line, "name": name, "value": value, "lower": spread.lower, "upper": spread.upper,
            "limit": limit.to_string(), "within": limit.within(value), "ok": holds,
            "within_lower": limit.within(spread.lower), "within_upper": limit.within(spread.upper),
        }));
    }

    /// Everything, with the current time.
    pub(crate) fn json(&self, quick: bool) -> Result<Value, Box<dyn Error>> {
        let date = Command::new("date")
            .args(["-u", "+%F %H:%M UTC"])
            .output()?;
        let when = String::from_utf8(date.stdout)?;
        Ok(json!({
            "figures": self.figures, "bars": self.bars, "quick": quick, "when": when.trim(),
        }))
    }
}
