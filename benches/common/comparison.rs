//! Mechanisms compared on the same task.

use std::error::Error;
use std::fs;
use std::path::Path;

use super::interleaved::{self, Plan, Scores};
use super::mechanisms::{
    self, Entry, PARKED, PIPE, SINGLE_TRIPS, SLOT, SPINNING, TCP, Task, UDP, UNIX,
};
use super::placement::Placement;
use super::progress::Progress;
use super::spread::show_nanos;
use super::targets::Report;

/// Mechanisms whose round trips are timed one by one.
const SHOWN: [&str; 7] = [PIPE, UNIX, TCP, UDP, SLOT, SPINNING, PARKED];

/// Where and how they are compared, and the report.
pub(crate) struct Comparison<'a> {
    pub(crate) memory: &'a Path,
    pub(crate) disk: &'a Path,
    pub(crate) placement: Placement,
    pub(crate) quick: bool,
    pub(crate) report: &'a mut Report,
    pub(crate) progress: &'a Progress,
}

impl Comparison<'_> {
    /// Compares all mechanisms with messages of one size, this many in a batch.
    pub(crate) fn compare<const SIZE: usize>(
        &mut self,
        task: Task,
        batch: u64,
    ) -> Result<Scores, Box<dyn Error>> {
        let title = match task {
            Task::Trips => format!("round trip of {SIZE} bytes"),
            Task::Streams => format!("stream of {SIZE}-byte messages"),
        };
        let mut rows = Vec::new();
        let mut variants = Vec::new();
        for Entry { name, variant } in mechanisms::all::<SIZE>(task, self.memory, self.disk) {
            rows.push((name, variant.map(|variant| variants.push(variant))));
        }
        let plan = Plan::new(self.quick, 50, 25, batch);
        let scores = interleaved::run(&title, self.placement, &plan, variants, self.progress)?;
        let figures = match task {
            Task::Trips => String::new(),
            Task::Streams => format!("{:>9}{:>12}", "MB/s", "messages/s"),
        };
        let head = format!("\n{title:32}{:>5}{figures} of spinning of parked", "time");
        self.report.say(head);
        let mut figure = scores.json();
        for (name, row) in rows {
            self.report.say(match &row {
                Ok(()) => format!("  {name:24}{}", line::<SIZE>(task, &scores, name)),
                Err(reason) => format!("  {name:24}not measured: {reason}"),
            });
            if let Err(reason) = row {
                figure["not_measured"][name] = reason.into();
            }
        }
        self.report.say(scores.preempted());
        self.report.figure(&task.figure(SIZE), figure);
        Ok(scores)
    }

    /// Times round trips one by one.
    pub(crate) fn single_trips<const SIZE: usize>(&mut self) -> Result<(), Box<dyn Error>> {
        let [memory, disk] = [self.memory, self.disk].map(|place| place.join("single"));
        fs::create_dir(&memory)?;
        fs::create_dir(&disk)?;
        let mut variants = Vec::new();
        for Entry { name, variant } in mechanisms::all::<SIZE>(Task::Trips, &memory, &disk) {
            if SHOWN.contains(&name) {
                variants.push(variant?);
            }
        }
        let plan = Plan::new(self.quick, 100, 20, 1);
        let title = format!("single round trips of {SIZE} bytes");
        let scores = interleaved::run(&title, self.placement, &plan, variants, self.progress)?;
        let head = format!("\n{title}, each timed individually");
        self.report.say(head);
        self.report.say(scores.table(SPINNING));
        self.report.figure(SINGLE_TRIPS, scores.json());
        Ok(())
    }
}

/// The line of one mechanism.
fn line<const SIZE: usize>(task: Task, scores: &Scores, name: &str) -> String {
    let nanos = scores.of(name).nanos();
    let mut line = format!("{:>11}", show_nanos(nanos));
    if task == Task::Streams {
        let megabytes = SIZE as f64 * 1e3 / nanos;
        line += &format!("{megabytes:>9.1}{:>12.0}", 1e9 / nanos);
    }
    for (base, width) in [(SPINNING, 12), (PARKED, 10)] {
        let ratio = scores.ratio(name, base).median;
        line += &format!("{ratio:>width$.3}");
    }
    line
}
