//! What every bench does: it finds the machine, compares variants, prints, and keeps its figures.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use super::interleaved::{Contest, Plan, Scores, Variants};
use super::machine::Machine;
use super::output::Output;
use super::placement::Placement;
use super::progress::Progress;
use super::rings::Rings;
use super::spread::Spread;
use super::supervisor::supervise;
use super::targets::{Limit, Report};

/// A bench: where it measures, and what it has found.
pub(crate) struct Bench {
    pub(crate) rings: Rings,
    pub(crate) progress: Progress,
    pub(crate) quick: bool,
    /// Two processors, if there are two.
    pub(crate) apart: Option<Placement>,
    pub(crate) report: Report,
}

/// Runs a bench with temporary directories in these places; the rings are in the first. A run is
/// `whole` if it measures everything: then its figures are kept for the bench `verdict`.
pub(crate) fn main<const N: usize>(
    name: &str,
    (output, whole): (&Output, bool),
    places: [&Path; N],
    run: impl FnOnce(&mut Bench, [&Path; N]) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    supervise(places, |places| {
        let machine = Machine::find()?;
        let mut bench = Bench {
            rings: Rings::new(places[0]),
            progress: Progress::new(),
            quick: output.quick,
            apart: machine.apart,
            report: Report::default(),
        };
        bench.say(machine.line);
        bench.say("a figure is the median of slices; in brackets, their interquartile range");
        bench.figure("machine", machine.json);
        run(&mut bench, places)?;
        output.keep(name, &bench.report, whole)
    })
}

impl Bench {
    /// Two processors, or an error: this bench needs two.
    pub(crate) fn two(&self) -> Result<Placement, Box<dyn Error>> {
        Ok(self.apart.ok_or("spinning endpoints need two processors")?)
    }

    /// Rounds of slices of this many milliseconds.
    pub(crate) fn plan(&self, slice: u64, rounds: usize, batch: u64) -> Plan {
        Plan::new(self.quick, slice, rounds, batch)
    }

    /// Measures the variants between two processes.
    pub(crate) fn compare(
        &self,
        title: &str,
        placement: Placement,
        plan: Plan,
        variants: Variants,
    ) -> Result<Scores, Box<dyn Error>> {
        self.contest(title, placement, plan).in_processes(variants)
    }

    /// Measures the variants between two threads.
    pub(crate) fn compare_in_threads(
        &self,
        title: &str,
        plan: Plan,
        make: impl Fn() -> Variants + Sync,
    ) -> Result<Scores, Box<dyn Error>> {
        self.contest(title, self.two()?, plan).in_threads(make)
    }

    fn contest<'a>(&'a self, title: &'a str, placement: Placement, plan: Plan) -> Contest<'a> {
        Contest {
            title,
            placement,
            plan,
            progress: &self.progress,
        }
    }

    /// Prints the table, with ratios to `base`, and stores the figure.
    pub(crate) fn show(&mut self, figure: &str, scores: &Scores, base: &str) {
        self.say(format_args!("\n{}\n{}", scores.title, scores.table(base)));
        self.figure(figure, scores.json());
    }

    pub(crate) fn say(&self, line: impl fmt::Display) {
        self.report.say(line);
    }

    pub(crate) fn figure(&mut self, name: &str, value: Value) {
        self.report.figure(name, value);
    }

    pub(crate) fn bar(&mut self, name: &str, value: impl Into<Spread>, limit: Limit) {
        self.report.bar(name, value.into(), limit, false);
    }

    /// The same for a figure of these scores: if other processes took the processors, a
    /// missed target is inconclusive.
    pub(crate) fn bar_of(&mut self, scores: &Scores, name: &str, value: Spread, limit: Limit) {
        self.report.bar(name, value, limit, scores.is_disturbed());
    }
}
