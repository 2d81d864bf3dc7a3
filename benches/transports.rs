//! IPC mechanisms compared on the same tasks: round trips and streams of messages of four
//! sizes, between two CPUs.
//!
//! ```text
//! cargo bench --bench transports                        under three minutes
//! cargo bench --bench transports -- --quick             under half a minute, less precise
//! cargo bench --bench transports -- --only streams --size 64 --json transports.json
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
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use common::comparison::Comparison;
use common::interleaved::Scores;
use common::machine::Machine;
use common::mechanisms::{PARKED, PIPE, SPINNING, TCP, Task, UDP, UNIX};
use common::output::Output;
use common::progress::Progress;
use common::supervisor;
use common::targets::{Limit, Report};

/// Measures round trips and streams over IPC mechanisms
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let places = [Path::new("/dev/shm"), &arguments.disk];
    supervisor::supervise(places, |[memory, disk]| {
        let mut report = Report::default();
        let machine = Machine::find()?;
        report.say(machine.line());
        report
            .say("a figure is the median of slices; a ratio, of the ratios of slices of one round");
        report.figure("machine", machine.json());
        if let Some(placement) = machine.apart() {
            let comparison = Comparison {
                memory,
                disk,
                placement,
                quick: arguments.output.quick,
                report: &mut report,
                progress: &Progress::new(),
            };
            let arguments = &arguments;
            Bench {
                arguments,
                comparison,
            }
            .run()?;
        }
        let whole = arguments.only.is_empty() && arguments.size.is_empty();
        arguments.output.keep("transports", &report, whole)
    })
}

impl Arguments {
    fn includes(&self, task: Task, size: usize) -> bool {
        let task = self.only.is_empty() || self.only.contains(&task);
        task && (self.size.is_empty() || self.size.contains(&size))
    }
}

struct Bench<'a> {
    arguments: &'a Arguments,
    comparison: Comparison<'a>,
}

impl Bench<'_> {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        self.size::<{ SIZES[0] }>()?;
        self.size::<{ SIZES[1] }>()?;
        self.size::<{ SIZES[2] }>()?;
        self.size::<{ SIZES[3] }>()
    }

    /// Both tasks with messages of one size.
    fn size<const SIZE: usize>(&mut self) -> Result<(), Box<dyn Error>> {
        if self.arguments.includes(Task::Trips, SIZE) {
            // Few enough for a short batch over a slow mechanism, and enough to hide the
            // clock's cost over a fast one.
            let scores = self.comparison.compare::<SIZE>(Task::Trips, 8)?;
            if SIZE == 8 {
                self.bars(&scores);
                self.comparison.single_trips::<SIZE>()?;
            }
        }
        if self.arguments.includes(Task::Streams, SIZE) {
            let batch = if SIZE > 4096 { 16 } else { 256 };
            self.comparison.compare::<SIZE>(Task::Streams, batch)?;
        }
        Ok(())
    }

    /// The targets for round trips of 8 bytes.
    fn bars(&mut self, scores: &Scores) {
        let report = &mut *self.comparison.report;
        let pipe = scores.ratio(PIPE, SPINNING);
        report.bar("trip_pipe_over_spinning", pipe, Limit::AtLeast(100.0));
        for (name, transport) in [("pipe", PIPE), ("unix", UNIX), ("tcp", TCP), ("udp", UDP)] {
            let ratio = scores.ratio(PARKED, transport);
            let bar = format!("trip_parked_over_{name}");
            report.bar(&bar, ratio, Limit::Below(1.0));
        }
    }
}
