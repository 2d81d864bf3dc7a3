//! The ways to bring a message to another process, on the same task: round
//! trips and streams of messages of four sizes, between two CPUs.
//!
//! ```text
//! cargo bench --bench transports                        under three minutes
//! cargo bench --bench transports -- --quick             under half a minute, rougher
//! cargo bench --bench transports -- --only streams --size 64 --json transports.json
//! ```
//!
//! Rings carry records of 8 bytes, and frames of more. A ring that spins takes
//! a processor for itself; one that is parked does not spin at all, so that each
//! message finds its receiver asleep, as with the kernel's own mechanisms. A
//! ring that is asked for nothing spins for 20 µs and then parks.
//!
//! Each line `BAR name value limit ok|short` is a promise of the crate and the
//! figure of this run.

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use common::bars::{Limit, Report};
use common::contest::{self, Plan, Scores};
use common::machine::Machine;
use common::mechanisms::{
    self, Entry, PARKED, PIPE, SINGLE_TRIPS, SLOT, SPINNING, TCP, Task, UDP, UNIX,
};
use common::output::Output;
use common::placement::Placement;
use common::progress::Progress;
use common::spread::show_nanos;
use common::supervisor;

/// Round trips and streams over what carries messages between processes.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs these parts only.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Task>,
    /// Sends messages of so many bytes only.
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = size)]
    size: Vec<usize>,
    /// Where the ring lies that is a file on a disk.
    #[arg(long, value_name = "DIRECTORY", default_value = env!("CARGO_TARGET_TMPDIR"))]
    disk: PathBuf,
}

fn size(bytes: &str) -> Result<usize, String> {
    match bytes.parse() {
        Ok(size) if SIZES.contains(&size) => Ok(size),
        _ => Err(format!("one of {SIZES:?}")),
    }
}

/// The lengths of the messages.
const SIZES: [usize; 4] = [8, 64, 1024, 65536];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let places = [Path::new("/dev/shm"), &arguments.disk];
    supervisor::supervise(places, |[memory, disk]| {
        let mut bench = Bench {
            memory,
            disk,
            arguments: &arguments,
            report: Report::default(),
            progress: Progress::new(),
        };
        bench.run()?;
        let whole = arguments.only.is_empty() && arguments.size.is_empty();
        arguments.output.keep("transports", &bench.report, whole)
    })
}

impl Arguments {
    fn wants(&self, task: Task, size: usize) -> bool {
        let task = self.only.is_empty() || self.only.contains(&task);
        task && (self.size.is_empty() || self.size.contains(&size))
    }
}

/// Whose single round trips are looked at.
const SHOWN: [&str; 7] = [PIPE, UNIX, TCP, UDP, SLOT, SPINNING, PARKED];

struct Bench<'a> {
    memory: &'a Path,
    disk: &'a Path,
    arguments: &'a Arguments,
    report: Report,
    progress: Progress,
}

impl Bench<'_> {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("a figure is the median of slices; a ratio, of the ratios of slices of one round");
        self.report.figure("machine", machine.json());
        let Some(placement) = machine.apart() else {
            return Ok(());
        };
        self.size::<{ SIZES[0] }>(placement)?;
        self.size::<{ SIZES[1] }>(placement)?;
        self.size::<{ SIZES[2] }>(placement)?;
        self.size::<{ SIZES[3] }>(placement)
    }

    /// Both tasks with messages of one size.
    fn size<const SIZE: usize>(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        if self.arguments.wants(Task::Trips, SIZE) {
            // So few that a batch over a slow mechanism is over soon, and so
            // many that the clock takes no part of those over a fast one.
            let scores = self.contest::<SIZE>(Task::Trips, placement, 8)?;
            if SIZE == 8 {
                self.bars(&scores);
                self.single_trips::<SIZE>(placement)?;
            }
        }
        if self.arguments.wants(Task::Streams, SIZE) {
            let batch = if SIZE > 4096 { 16 } else { 256 };
            self.contest::<SIZE>(Task::Streams, placement, batch)?;
        }
        Ok(())
    }

    fn contest<const SIZE: usize>(
        &mut self,
        task: Task,
        placement: Placement,
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
        let plan = Plan::new(self.arguments.output.quick, 50, 25, batch);
        let scores = contest::run(&title, placement, &plan, variants, &self.progress)?;
        let figures = match task {
            Task::Trips => String::new(),
            Task::Streams => format!("{:>13}{:>15}", "MB/s", "messages/s"),
        };
        println!("\n{title:32}{:>8}{figures}  of spinning  of parked", "time");
        let mut figure = scores.json();
        for (name, row) in rows {
            match row {
                Ok(()) => println!("  {name:24}{}", line::<SIZE>(task, &scores, name)),
                Err(reason) => {
                    println!("  {name:24}not measured: {reason}");
                    figure["not_measured"][name] = reason.into();
                }
            }
        }
        scores.print_preempted();
        self.report.figure(&task.figure(SIZE), figure);
        Ok(scores)
    }

    /// How long single round trips took, with a look at the clock for each.
    fn single_trips<const SIZE: usize>(
        &mut self,
        placement: Placement,
    ) -> Result<(), Box<dyn Error>> {
        let [memory, disk] = [self.memory, self.disk].map(|place| place.join("single"));
        fs::create_dir(&memory)?;
        fs::create_dir(&disk)?;
        let mut variants = Vec::new();
        for Entry { name, variant } in mechanisms::all::<SIZE>(Task::Trips, &memory, &disk) {
            if SHOWN.contains(&name) {
                variants.push(variant?);
            }
        }
        let plan = Plan::new(self.arguments.output.quick, 100, 20, 1);
        let title = format!("single round trips of {SIZE} bytes");
        let scores = contest::run(&title, placement, &plan, variants, &self.progress)?;
        println!("\n{title}, with a look at the clock for each");
        scores.print(SPINNING);
        self.report.figure(SINGLE_TRIPS, scores.json());
        Ok(())
    }

    /// The promises about round trips of 8 bytes.
    fn bars(&mut self, scores: &Scores) {
        let pipe = scores.ratio(PIPE, SPINNING);
        self.report
            .bar("trip_pipe_over_spinning", pipe, Limit::AtLeast(100.0));
        for (name, transport) in [("pipe", PIPE), ("unix", UNIX), ("tcp", TCP), ("udp", UDP)] {
            let ratio = scores.ratio(PARKED, transport);
            let bar = format!("trip_parked_over_{name}");
            self.report.bar(&bar, ratio, Limit::Below(1.0));
        }
    }
}

/// What was measured of one mechanism.
fn line<const SIZE: usize>(task: Task, scores: &Scores, name: &str) -> String {
    let nanos = scores.of(name).nanos();
    let mut line = format!("{:>14}", show_nanos(nanos));
    if task == Task::Streams {
        let megabytes = SIZE as f64 * 1e3 / nanos;
        line += &format!("{megabytes:>13.1}{:>15.0}", 1e9 / nanos);
    }
    for (base, width) in [(SPINNING, 13), (PARKED, 11)] {
        let ratio = scores.ratio(name, base).median;
        line += &format!("{ratio:>width$.3}");
    }
    line
}
