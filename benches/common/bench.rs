//! What every bench does: it finds the machine, compares variants, prints tables and `BAR` lines
//! for scripts, and keeps its figures as JSON.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Duration;
use std::{fmt, fs};

use clap::Parser;
use serde_json::{Map, Value, json};

use super::interleaved::Plan;
use super::placement::{self, Placement};
pub(crate) use super::process::Outcome;
use super::process::supervise;
use super::rings::Rings;
use super::scores::{Scores, Spread};

/// Measures quoit, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Takes a tenth of the time, with less precise figures
    #[arg(long)]
    quick: bool,
    /// Runs only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
    /// Writes all figures to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// An argument that cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A bench: where it measures, and what it has found.
pub(crate) struct Bench {
    /// Directories; the rings are in the first.
    pub(crate) places: Vec<PathBuf>,
    pub(crate) rings: Rings,
    pub(crate) quick: bool,
    /// Two processors, if there are two.
    pub(crate) apart: Option<Placement>,
    figures: Map<String, Value>,
    bars: Vec<Value>,
}

/// A part of a bench: its name, and what it does, which gets the name.
pub(crate) type Part<'a> = (&'a str, &'a dyn Fn(&mut Bench, &str) -> Outcome);

/// The directory of rings in shared memory.
pub(crate) const MEMORY: &str = "/dev/shm";

/// A target for a figure: `<=` or `>=`, and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) &'static str, pub(crate) f64);

impl Limit {
    fn holds(self, value: f64) -> bool {
        value == self.1 || (value < self.1) == (self.0 == "<=")
    }
}

/// Runs the parts of a bench, with rings in shared memory.
pub(crate) fn main(name: &str, parts: &[Part]) -> Outcome {
    run(name, &Options::parse(), &[], parts)
}

/// The same with more directories, each a temporary one in one of these places. If all parts run,
/// the bench `verdict` gets the figures.
pub(crate) fn run(name: &str, options: &Options, disks: &[&Path], parts: &[Part]) -> Outcome {
    let names: Vec<_> = parts.iter().map(|part| part.0).collect();
    if let Some(unknown) = options.only.iter().find(|only| !names.contains(&&***only)) {
        return Err(format!("no part {unknown}, but {}", names.join(", ")).into());
    }
    let places = [&[Path::new(MEMORY)], disks].concat();
    supervise(&places, |places| {
        let apart = Placement::apart()?;
        let mut bench = Bench {
            rings: Rings::new(&places[0]),
            places,
            quick: options.quick,
            apart,
            figures: Map::new(),
            bars: Vec::new(),
        };
        let machine = placement::machine(apart)?;
        bench.say(&machine);
        bench.say("a figure is the median of slices; in brackets, their interquartile range");
        bench.figure("machine", machine.into());
        for (name, part) in parts {
            if options.only.is_empty() || options.only.iter().any(|only| only == name) {
                match part(&mut bench, name) {
                    Err(error) if apart.is_none() => bench.say(format_args!("{name}: {error}")),
                    outcome => outcome?,
                }
            }
        }
        bench.keep(name, options)
    })
}

impl Bench {
    /// Two processors. Without them the part is skipped.
    pub(crate) fn two(&self) -> Result<Placement, &'static str> {
        self.apart.ok_or("not measured: it needs two processors")
    }

    /// Rounds of slices of this many milliseconds; a quick run divides both by four.
    pub(crate) fn plan(&self, slice: u64, rounds: usize, batch: u64) -> Plan {
        let share = if self.quick { 4 } else { 1 };
        let slice = Duration::from_millis(slice) / share;
        Plan {
            slice,
            warm_up: slice / 10,
            rounds: rounds.div_ceil(share as usize),
            batch,
            rest: Duration::ZERO,
        }
    }

    /// Prints the table, with ratios to `base`, and stores the figure.
    pub(crate) fn show(&mut self, figure: &str, scores: &Scores, base: &str) {
        self.say(scores.table(base));
        self.figure(figure, scores.json());
    }

    /// Prints a line. If the reader of the output has closed, the bench ends.
    pub(crate) fn say(&self, line: impl fmt::Display) {
        match writeln!(io::stdout(), "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
            Err(error) => panic!("could not write to standard output: {error}"),
        }
    }

    /// Stores a figure for the JSON.
    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    /// Checks the ratio of two variants.
    pub(crate) fn target(
        &mut self,
        scores: &Scores,
        bar: &str,
        [variant, base]: [&str; 2],
        limit: Limit,
    ) {
        let ratio = scores.ratio(variant, base);
        self.bar(bar, ratio, limit, scores.is_disturbed());
    }

    /// Prints `BAR name value limit ok|missed|disturbed`; the value is a median, or a single
    /// figure. If other processes took the processors, a missed target is inconclusive.
    pub(crate) fn bar(&mut self, name: &str, spread: Spread, limit: Limit, is_disturbed: bool) {
        let (median, holds) = (spread.median, limit.holds(spread.median));
        let verdict = match holds {
            true => "ok",
            false if is_disturbed => "disturbed",
            false => "missed",
        };
        let mut shown = format!("{median:.3}");
        // A value that rounds to the other side of its limit is shown in full.
        if shown.parse().is_ok_and(|shown| limit.holds(shown) != holds) {
            shown = median.to_string();
        }
        let limit = format!("{}{}", limit.0, limit.1);
        let line = format!("BAR {name} {shown} {limit} {verdict}");
        self.say(&line);
        self.bars.push(json!({
            "line": line, "name": name, "value": median, "lower": spread.lower,
            "upper": spread.upper, "limit": limit, "verdict": verdict,
        }));
    }

    /// Writes the requested file, and keeps the figures of a whole run.
    fn keep(&self, name: &str, options: &Options) -> Outcome {
        let mut date = Command::new("date");
        let when = String::from_utf8(date.args(["-u", "+%F %H:%M UTC"]).output()?.stdout)?;
        let run = json!({
            "figures": self.figures, "bars": self.bars, "quick": self.quick, "when": when.trim(),
        });
        let kept = options.only.is_empty().then(|| kept(name));
        for path in kept.iter().chain(&options.json) {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, format!("{run:#}\n"))?;
        }
        Ok(())
    }
}

/// The file of a bench's kept figures, in the target directory.
pub(crate) fn kept(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("quoit-bench");
    directory.join(name).with_extension("json")
}
