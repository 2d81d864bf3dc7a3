//! quoit beside other rings and channels, on the same tasks, in turns.
//!
//! ```text
//! cargo bench --manifest-path benches/rivals/Cargo.toml                    about a minute
//! cargo bench --manifest-path benches/rivals/Cargo.toml -- --only shaq,rtrb --quick
//! ```
//!
//! What lives in one process is measured between two threads, anything else
//! between two processes, and quoit in the same way beside it. All rings have
//! room for 1024 messages of 8 bytes; who may, polls without a pause but the
//! processor's hint. Each file says what of its crate is used.

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

use common::bars::{Limit, Report};
use common::contest::{self, Plan, Scores, Side, Variant};
use common::link::{Link, RoundTrip, Stream};
use common::machine::Machine;
use common::mechanisms::Task;
use common::output::Output;
use common::placement::Placement;
use common::progress::Progress;
use common::rings::Rings;
use common::spread::show_nanos;
use common::tries::Tries;
use common::{ping_pong, rtrb, supervisor};

/// quoit beside other rings and channels, as ratios of slices that take turns.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs these only.
    #[arg(long, value_enum, value_name = "RIVAL", value_delimiter = ',')]
    only: Vec<Rival>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rival {
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
    let prefix = format!("quoit_rivals_{}_", std::process::id());
    let places = [Path::new("/dev/shm"), &std::env::temp_dir()];
    let code = supervisor::supervise(places, |[memory, scratch]| {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("ratios are medians of slices; in brackets, half of them");
        let mut bench = Bench {
            placement: machine.apart().ok_or("the rivals want two processors")?,
            memory: memory.to_owned(),
            scratch: scratch.to_owned(),
            prefix: prefix.clone(),
            rings: Rings::new(memory),
            report: Report::default(),
            progress: Progress::new(),
            quick: arguments.output.quick,
        };
        bench.report.figure("machine", machine.json());
        for &rival in Rival::value_variants() {
            let wanted = arguments.only.is_empty() || arguments.only.contains(&rival);
            if wanted && let Err(error) = bench.run(rival) {
                println!("{}: not measured: {error}", rival.name());
            }
        }
        arguments.output.keep("rivals", &bench.report, false)
    });
    // What iceoryx2 has in shared memory outlives its processes.
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
    code
}

impl Rival {
    fn name(self) -> String {
        let value = self.to_possible_value().expect("none is hidden");
        value.get_name().to_owned()
    }
}

/// How an end is made, in the process or thread that has it.
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
    fn run(&mut self, rival: Rival) -> Result<(), Box<dyn Error>> {
        for task in TASKS {
            let place = self.memory.join(format!("{}-{task:?}", rival.name()));
            fs::create_dir(&place)?;
            match rival {
                Rival::Rtrb => {
                    let ends = rtrb::v0_4::Ends::new(CAPACITY);
                    self.threads(rival, task, || Box::new(ends.link()))?;
                }
                Rival::Ringbuf => {
                    let pair = ring_buf::pair(CAPACITY);
                    self.threads(rival, task, || Box::new(pair.link()))?;
                }
                Rival::CrossbeamChannel => {
                    let pair = crossbeam::pair(CAPACITY);
                    self.threads(rival, task, || Box::new(pair.link()))?;
                }
                Rival::Mpsc => {
                    let pair = mpsc::pair(CAPACITY);
                    self.threads(rival, task, || Box::new(pair.link()))?;
                }
                Rival::Shaq => {
                    let pair = shaq::pair(&place, CAPACITY)?;
                    self.processes(rival, task, Box::new(pair.link()))?;
                }
                Rival::Iceoryx2 => {
                    let files = self.scratch.join(format!("{task:?}"));
                    let prefix = format!("{}{task:?}_", self.prefix);
                    let open = iceoryx::wire(&files, &prefix, CAPACITY)?;
                    self.processes(rival, task, Box::new(open))?;
                }
                Rival::Ringfire => {
                    let pair = ringfire::pair(&place, CAPACITY as u64)?;
                    self.processes(rival, task, Box::new(pair.link()))?;
                }
                Rival::ShmemIpc => {
                    let pair = shmem_ipc::pair(CAPACITY)?;
                    self.processes(rival, task, Box::new(pair.link()))?;
                }
                Rival::IpcChannel => {
                    let pair = ipc::pair()?;
                    self.processes(rival, task, Box::new(pair.link()))?;
                }
            }
        }
        Ok(())
    }

    /// quoit's ends for a contest.
    fn ring(&self, rival: Rival, task: Task) -> Open<Tries<u64>> {
        let options = RingOptions::new(CAPACITY as u64).prefault(true);
        let options = options.wait_strategy(WaitStrategy::Spin);
        let name = format!("quoit, {}, {task:?}", rival.name());
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
        rival: Rival,
        task: Task,
        link: impl Fn() -> Open<L> + Sync,
    ) -> Result<(), Box<dyn Error>> {
        let (name, plan) = (rival.name(), self.plan(task));
        let make = || {
            vec![
                entry(task, &name, link()),
                entry(task, QUOIT, self.ring(rival, task)),
            ]
        };
        let title = title(rival, task);
        let scores = contest::run_in_threads(&title, self.placement, &plan, make, &self.progress)?;
        self.tell(rival, task, "threads", &scores);
        Ok(())
    }

    fn processes<L: Link + 'static>(
        &mut self,
        rival: Rival,
        task: Task,
        open: Open<L>,
    ) -> Result<(), Box<dyn Error>> {
        let (name, plan) = (rival.name(), self.plan(task));
        let mut variants = vec![
            entry(task, &name, open),
            entry(task, QUOIT, self.ring(rival, task)),
        ];
        if task == Task::Trips {
            let place = self.memory.join(format!("{name}-bare"));
            fs::create_dir(&place)?;
            variants.push(Box::new(RoundTrip::new(BARE, ping_pong::wire(&place))));
        }
        let title = title(rival, task);
        let scores = contest::run(&title, self.placement, &plan, variants, &self.progress)?;
        self.tell(rival, task, "processes", &scores);
        Ok(())
    }

    fn tell(&mut self, rival: Rival, task: Task, between: &str, scores: &Scores) {
        let name = rival.name();
        let nanos = |name: &str| show_nanos(scores.of(name).nanos());
        let (theirs, ours) = (nanos(&name), nanos(QUOIT));
        let times = scores.ratio(&name, QUOIT);
        println!(
            "{:28} between two {between:10}{theirs:>10}, quoit {ours:>9}: {times} times quoit's",
            title(rival, task)
        );
        self.report
            .figure(&format!("{name}_{}", task.figure(8)), scores.json());
        match (rival, task) {
            (Rival::Shaq, Task::Streams) => {
                self.report
                    .bar("stream_over_shaq", times, Limit::AtLeast(3.0));
            }
            (Rival::Iceoryx2, Task::Trips) => {
                let least = scores.ratio(BARE, &name);
                println!("  a bare cache line there and back takes {least} of iceoryx2's time");
                let ratio = scores.ratio(QUOIT, &name);
                self.report
                    .bar("trip_over_iceoryx2", ratio, Limit::AtMost(0.2));
            }
            _ => {}
        }
    }
}

fn title(rival: Rival, task: Task) -> String {
    let task = match task {
        Task::Trips => "round trip",
        Task::Streams => "stream",
    };
    format!("{:18}{task}", rival.name())
}

fn entry<L: Link + 'static>(task: Task, name: &str, open: Open<L>) -> Box<dyn Variant> {
    match task {
        Task::Trips => Box::new(RoundTrip::new(name, open)),
        Task::Streams => Box::new(Stream::new(name, open)),
    }
}
