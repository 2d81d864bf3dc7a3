//! IPC mechanisms compared on the same tasks: round trips and streams of messages of four
//! sizes, between two CPUs.
//!
//! ```text
//! cargo bench --bench transports                        under three minutes
//! cargo bench --bench transports -- --quick             under half a minute, less precise
//! cargo bench --bench transports -- --only streams --size 64 --json transports.json
//! cargo bench --bench transports -- --all               also the other mechanisms of the system
//! ```
//!
//! Rings carry records for 8 bytes, and frames for more. A spinning endpoint keeps a
//! processor busy. A parked one does not spin at all, so each message is sent to a sleeping
//! receiver, as with the kernel's own mechanisms. By default a ring spins for 20 µs and
//! then parks.
//!
//! Each line `BAR name value limit ok|missed` has a target and the figure of this run.

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use common::bench::{self, Bench};
use common::interleaved::Scores;
use common::mechanisms::{self, PARKED, PIPE, SINGLE_TRIPS, SLOT, SPINNING, TCP, Task, UDP, UNIX};
use common::output::Output;
use common::placement::Placement;
use common::spread::show_nanos;
use common::targets::Limit;

/// Measures round trips and streams over IPC mechanisms
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Measures all mechanisms: also FIFO, Unix datagrams, message queue, semaphores, eventfd, signal
    #[arg(long)]
    all: bool,
    /// Runs only these parts
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Task>,
    /// Sends only messages of this many bytes
    #[arg(long, value_name = "BYTES", value_delimiter = ',', value_parser = size)]
    size: Vec<usize>,
    /// The directory of the ring that is a file on a disk
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

/// Mechanisms whose round trips are timed one by one.
const SHOWN: [&str; 7] = [PIPE, UNIX, TCP, UDP, SLOT, SPINNING, PARKED];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let whole = arguments.only.is_empty() && arguments.size.is_empty();
    let places = [Path::new("/dev/shm"), &arguments.disk];
    bench::main(
        "transports",
        (&arguments.output, whole),
        places,
        |bench, places| {
            let Some(placement) = bench.apart else {
                return Ok(());
            };
            let mut comparison = Comparison {
                arguments: &arguments,
                bench,
                places,
                placement,
            };
            comparison.size::<{ SIZES[0] }>()?;
            comparison.size::<{ SIZES[1] }>()?;
            comparison.size::<{ SIZES[2] }>()?;
            comparison.size::<{ SIZES[3] }>()
        },
    )
}

struct Comparison<'a> {
    arguments: &'a Arguments,
    bench: &'a mut Bench,
    /// In shared memory, and on a disk.
    places: [&'a Path; 2],
    placement: Placement,
}

impl Comparison<'_> {
    /// Both tasks with messages of one size.
    fn size<const SIZE: usize>(&mut self) -> Result<(), Box<dyn Error>> {
        let Arguments { only, size, .. } = self.arguments;
        if !size.is_empty() && !size.contains(&SIZE) {
            return Ok(());
        }
        if only.is_empty() || only.contains(&Task::Trips) {
            // Few enough for a short batch over a slow mechanism, and enough to hide the
            // clock's cost over a fast one.
            let scores = self.compare::<SIZE>(Task::Trips, 8)?;
            if SIZE == 8 {
                self.bars(&scores);
                self.single_trips::<SIZE>()?;
            }
        }
        if only.is_empty() || only.contains(&Task::Streams) {
            let batch = if SIZE > 4096 { 16 } else { 256 };
            self.compare::<SIZE>(Task::Streams, batch)?;
        }
        Ok(())
    }

    /// Compares the mechanisms with messages of one size, this many in a batch.
    fn compare<const SIZE: usize>(
        &mut self,
        task: Task,
        batch: u64,
    ) -> Result<Scores, Box<dyn Error>> {
        let title = match task {
            Task::Trips => format!("round trip of {SIZE} bytes"),
            Task::Streams => format!("stream of {SIZE}-byte messages"),
        };
        let (mut rows, mut variants) = (Vec::new(), Vec::new());
        let [memory, disk] = self.places;
        for (name, variant) in mechanisms::find::<SIZE>(task, self.arguments.all, memory, disk) {
            rows.push((name, variant.map(|variant| variants.push(variant))));
        }
        let bench = &mut *self.bench;
        let scores = bench.compare(&title, self.placement, bench.plan(50, 25, batch), variants)?;
        let figures = match task {
            Task::Trips => String::new(),
            Task::Streams => format!("{:>9}{:>12}", "MB/s", "messages/s"),
        };
        bench.say(format_args!(
            "\n{title:32}{:>5}{figures} of spinning of parked",
            "time"
        ));
        let mut figure = scores.json();
        for (name, row) in rows {
            let line = match row {
                Ok(()) => line::<SIZE>(task, &scores, name),
                Err(reason) => {
                    figure["not_measured"][name] = reason.clone().into();
                    format!("not measured: {reason}")
                }
            };
            bench.say(format_args!("  {name:24}{line}"));
        }
        bench.say(scores.preempted());
        bench.figure(&task.figure(SIZE), figure);
        Ok(scores)
    }

    /// Times round trips one by one.
    fn single_trips<const SIZE: usize>(&mut self) -> Result<(), Box<dyn Error>> {
        let [memory, disk] = self.places.map(|place| place.join("single"));
        fs::create_dir(&memory)?;
        fs::create_dir(&disk)?;
        let found = mechanisms::find::<SIZE>(Task::Trips, self.arguments.all, &memory, &disk);
        let shown = found.into_iter().filter(|(name, _)| SHOWN.contains(name));
        let variants = shown
            .map(|(_, variant)| variant)
            .collect::<Result<_, _>>()?;
        let title = format!("single round trips of {SIZE} bytes");
        let bench = &mut *self.bench;
        let scores = bench.compare(&title, self.placement, bench.plan(100, 20, 1), variants)?;
        bench.say(format_args!("\n{title}, each timed individually"));
        bench.say(scores.table(SPINNING));
        bench.figure(SINGLE_TRIPS, scores.json());
        Ok(())
    }

    /// The targets for round trips of 8 bytes.
    fn bars(&mut self, scores: &Scores) {
        let pipe = scores.ratio(PIPE, SPINNING);
        let bench = &mut *self.bench;
        bench.bar("trip_pipe_over_spinning", pipe, Limit::AtLeast(100.0));
        for (name, transport) in [("pipe", PIPE), ("unix", UNIX), ("tcp", TCP), ("udp", UDP)] {
            let bar = format!("trip_parked_over_{name}");
            bench.bar(&bar, scores.ratio(PARKED, transport), Limit::Below(1.0));
        }
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
