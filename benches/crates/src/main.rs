//! quoit compared with other rings and channels on the same tasks, in interleaved slices.
//!
//! ```text
//! cargo bench --manifest-path benches/crates/Cargo.toml                    about a minute
//! cargo bench --manifest-path benches/crates/Cargo.toml -- --only shaq,rtrb --quick
//! ```
//!
//! Crates that work in one process are measured between two threads, all others between two
//! processes, and quoit in the same way. All rings have room for 1024 messages of 8 bytes.
//! If the API allows it, endpoints poll with only the processor's hint between two polls.
//! Each file says which part of its crate is used.

#[path = "../../common/mod.rs"]
mod common;
mod crossbeam;
mod iceoryx;
mod ipc;
mod mpsc;
mod pair;
mod ring_buf;
mod ringfire;
mod shaq;
mod shmem_ipc;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use quoit::{RingOptions, WaitStrategy};

use common::interleaved::{self, Plan, Scores, Side, Variant};
use common::link::{Link, RoundTrip, Stream};
use common::machine::Machine;
use common::mechanisms::Task;
use common::output::Output;
use common::placement::Placement;
use common::polling::Tries;
use common::progress::Progress;
use common::rings::Rings;
use common::spread::show_nanos;
use common::targets::{Limit, Report};
use common::{ping_pong, rtrb, supervisor};

/// Compares quoit with other rings and channels, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs only these
    #[arg(long, value_enum, value_name = "CRATE", value_delimiter = ',')]
    only: Vec<Other>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Other {
    Rtrb,
    Ringbuf,
    CrossbeamChannel,
    Mpsc,
    Shaq,
    Iceoryx2,
    Ringfire,
    ShmemIpc,
    IpcChannel,
}

const CAPACITY: usize = 1024;
const QUOIT: &str = "quoit";
const BARE: &str = "bare cache line";
const TASKS: [Task; 2] = [Task::Trips, Task::Streams];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let prefix = format!("quoit_crates_{}_", std::process::id());
    let places = [Path::new("/dev/shm"), &std::env::temp_dir()];
    let code = supervisor::supervise(places, |[memory, scratch]| {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("ratios are medians of slices; in brackets, their interquartile range");
        let mut bench = Bench {
            placement: machine
                .apart()
                .ok_or("the comparison needs two processors")?,
            memory: memory.to_owned(),
            scratch: scratch.to_owned(),
            prefix: prefix.clone(),
            rings: Rings::new(memory),
            report: Report::default(),
            progress: Progress::new(),
            quick: arguments.output.quick,
        };
        bench.report.figure("machine", machine.json());
        for &other in Other::value_variants() {
            let wanted = arguments.only.is_empty() || arguments.only.contains(&other);
            if wanted && let Err(error) = bench.run(other) {
                println!("{}: not measured: {error}", other.name());
            }
        }
        arguments.output.keep("crates", &bench.report, false)
    });
    // iceoryx2 leaves files in shared memory.
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
    code
}

impl Other {
    fn name(self) -> String {
        let value = self.to_possible_value().expect("no value is hidden");
        value.get_name().to_owned()
    }
}

/// Opens an endpoint, in the process or thread that uses it.
type Open<L> = Box<dyn FnMut(Side) -> L>;

struct Bench {
    placement: Placement,
    memory: PathBuf,
    scratch: PathBuf,
    prefix: String,
    rings: Rings,
    report: Report,
    progress: Progress,
    quick: bool,
}

impl Bench {
    fn run(&mut self, other: Other) -> Result<(), Box<dyn Error>> {
        for task in TASKS {
            let place = self.memory.join(format!("{}-{task:?}", other.name()));
            fs::create_dir(&place)?;
            match other {
                Other::Rtrb => {
                    let ends = rtrb::v0_4::Ends::new(CAPACITY);
                    self.threads(other, task, || Box::new(ends.link()))?;
                }
                Other::Ringbuf => {
                    let pair = ring_buf::pair(CAPACITY);
                    self.threads(other, task, || Box::new(pair.link()))?;
                }
                Other::CrossbeamChannel => {
                    let pair = crossbeam::pair(CAPACITY);
                    self.threads(other, task, || Box::new(pair.link()))?;
                }
                Other::Mpsc => {
                    let pair = mpsc::pair(CAPACITY);
                    self.threads(other, task, || Box::new(pair.link()))?;
                }
                Other::Shaq => {
                    let pair = shaq::pair(&place, CAPACITY)?;
                    self.processes(other, task, Box::new(pair.link()))?;
                }
                Other::Iceoryx2 => {
                    let files = self.scratch.join(format!("{task:?}"));
                    let prefix = format!("{}{task:?}_", self.prefix);
                    let open = iceoryx::wire(&files, &prefix, CAPACITY)?;
                    self.processes(other, task, Box::new(open))?;
                }
                Other::Ringfire => {
                    let pair = ringfire::pair(&place, CAPACITY as u64)?;
                    self.processes(other, task, Box::new(pair.link()))?;
                }
                Other::ShmemIpc => {
                    let pair = shmem_ipc::pair(CAPACITY)?;
                    self.processes(other, task, Box::new(pair.link()))?;
                }
                Other::IpcChannel => {
                    let pair = ipc::pair()?;
                    self.processes(other, task, Box::new(pair.link()))?;
                }
            }
        }
        Ok(())
    }

    /// quoit's endpoints for a comparison.
    fn ring(&self, other: Other, task: Task) -> Open<Tries<u64>> {
        let options = RingOptions::new(CAPACITY as u64).prefault(true);
        let options = options.wait_strategy(WaitStrategy::Spin);
        let name = format!("quoit, {}, {task:?}", other.name());
        let mut link = self.rings.link(&name, &options);
        Box::new(move |side| Tries(link(side)))
    }

    fn plan(&self, task: Task) -> Plan {
        let batch = match task {
            Task::Trips => 16,
            Task::Streams => 4 * CAPACITY as u64,
        };
        Plan::new(self.quick, 60, 24, batch)
    }

    fn threads<L: Link + 'static>(
        &mut self,
        other: Other,
        task: Task,
        link: impl Fn() -> Open<L> + Sync,
    ) -> Result<(), Box<dyn Error>> {
        let (name, plan) = (other.name(), self.plan(task));
        let make = || {
            vec![
                entry(task, &name, link()),
                entry(task, QUOIT, self.ring(other, task)),
            ]
        };
        let title = title(other, task);
        let scores =
            interleaved::run_in_threads(&title, self.placement, &plan, make, &self.progress)?;
        self.print(other, task, "threads", &scores);
        Ok(())
    }

    fn processes<L: Link + 'static>(
        &mut self,
        other: Other,
        task: Task,
        open: Open<L>,
    ) -> Result<(), Box<dyn Error>> {
        let (name, plan) = (other.name(), self.plan(task));
        let mut variants = vec![
            entry(task, &name, open),
            entry(task, QUOIT, self.ring(other, task)),
        ];
        if task == Task::Trips {
            let place = self.memory.join(format!("{name}-bare"));
            fs::create_dir(&place)?;
            variants.push(Box::new(RoundTrip::new(BARE, ping_pong::wire(&place))));
        }
        let title = title(other, task);
        let scores = interleaved::run(&title, self.placement, &plan, variants, &self.progress)?;
        self.print(other, task, "processes", &scores);
        Ok(())
    }

    fn print(&mut self, other: Other, task: Task, between: &str, scores: &Scores) {
        let name = other.name();
        let nanos = |name: &str| show_nanos(scores.of(name).nanos());
        let (theirs, ours) = (nanos(&name), nanos(QUOIT));
        let times = scores.ratio(&name, QUOIT);
        println!(
            "{:28} between two {between:10}{theirs:>10}, quoit {ours:>9}: {times} times quoit's",
            title(other, task)
        );
        self.report
            .figure(&format!("{name}_{}", task.figure(8)), scores.json());
        match (other, task) {
            (Other::Shaq, Task::Streams) => {
                self.report
                    .bar("stream_over_shaq", times, Limit::AtLeast(3.0));
            }
            (Other::Iceoryx2, Task::Trips) => {
                let least = scores.ratio(BARE, &name);
                println!("  the round trip of a bare cache line takes {least} of iceoryx2's time");
                let ratio = scores.ratio(QUOIT, &name);
                self.report
                    .bar("trip_over_iceoryx2", ratio, Limit::AtMost(0.2));
            }
            _ => {}
        }
    }
}

fn title(other: Other, task: Task) -> String {
    let task = match task {
        Task::Trips => "round trip",
        Task::Streams => "stream",
    };
    format!("{:18}{task}", other.name())
}

fn entry<L: Link + 'static>(task: Task, name: &str, open: Open<L>) -> Box<dyn Variant> {
    match task {
        Task::Trips => Box::new(RoundTrip::new(name, open)),
        Task::Streams => Box::new(Stream::new(name, open)),
    }
}
