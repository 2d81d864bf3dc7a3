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
//! The sources say which calls of each crate are used.

#[path = "../../common/mod.rs"]
mod common;
mod iceoryx;
mod links;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use quoit::{RingOptions, WaitStrategy};

use common::bench::{self, Bench};
use common::exchange::{Exchange, Link, Task, round_trip};
use common::interleaved::{Plan, Scores, Side, Variants};
use common::output::Output;
use common::polling::Tries;
use common::rings::Rings;
use common::spread::show_nanos;
use common::targets::Limit;
use common::{ping_pong, rtrb};

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

fn main() -> ExitCode {
    let Arguments { output, only } = Arguments::parse();
    let prefix = format!("quoit_crates_{}_", std::process::id());
    let places = [Path::new("/dev/shm"), &std::env::temp_dir()];
    let code = bench::main("crates", (&output, false), places, |bench, places| {
        for &other in Other::value_variants() {
            let wanted = only.is_empty() || only.contains(&other);
            if wanted && let Err(error) = compare(bench, other, places, &prefix) {
                bench.say(format_args!("{}: not measured: {error}", other.name()));
            }
        }
        Ok(())
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

fn compare(
    bench: &mut Bench,
    other: Other,
    [memory, scratch]: [&Path; 2],
    prefix: &str,
) -> Result<(), Box<dyn Error>> {
    for (task, what) in [(Task::RoundTrip, "trips"), (Task::Stream, "streams")] {
        let place = memory.join(format!("{}-{what}", other.name()));
        fs::create_dir(&place)?;
        let mut contest = Contest {
            bench: &mut *bench,
            other,
            task,
            what,
            place: &place,
        };
        match other {
            Other::Rtrb => {
                let ends = rtrb::v0_4::ends(CAPACITY);
                contest.threads(|| ends.link())?;
            }
            Other::Ringbuf => {
                let ends = links::ringbuf();
                contest.threads(|| ends.link())?;
            }
            Other::CrossbeamChannel => {
                let ends = links::crossbeam();
                contest.threads(|| ends.link())?;
            }
            Other::Mpsc => {
                let ends = links::mpsc();
                contest.threads(|| ends.link())?;
            }
            Other::Shaq => contest.processes(links::shaq(&place)?.link())?,
            Other::Ringfire => contest.processes(links::ringfire(&place)?.link())?,
            Other::ShmemIpc => contest.processes(links::shmem_ipc()?.link())?,
            Other::IpcChannel => contest.processes(links::ipc_channel()?.link())?,
            Other::Iceoryx2 => {
                let prefix = format!("{prefix}{what}_");
                contest.processes(iceoryx::wire(&scratch.join(what), &prefix)?)?;
            }
        }
    }
    Ok(())
}

/// One task with one crate.
struct Contest<'a> {
    bench: &'a mut Bench,
    other: Other,
    task: Task,
    /// The task, in the names of figures.
    what: &'static str,
    place: &'a Path,
}

impl Contest<'_> {
    fn threads<L: Link + 'static, O: FnMut(Side) -> L + 'static>(
        &mut self,
        open: impl Fn() -> O + Sync,
    ) -> Result<(), Box<dyn Error>> {
        let (name, task, rings) = (self.other.name(), self.task, self.bench.rings.clone());
        let quoit = format!("quoit-{name}-{}", self.what);
        let make = || -> Variants {
            vec![
                Box::new(Exchange::new(task, &name, open())),
                Box::new(Exchange::new(task, QUOIT, ring(&rings, &quoit))),
            ]
        };
        let scores = self
            .bench
            .compare_in_threads(&self.title(), self.plan(), make)?;
        self.print("threads", &scores);
        Ok(())
    }

    fn processes<L: Link + 'static>(
        &mut self,
        open: impl FnMut(Side) -> L + 'static,
    ) -> Result<(), Box<dyn Error>> {
        let (name, task) = (self.other.name(), self.task);
        let quoit = ring(&self.bench.rings, &format!("quoit-{name}-{}", self.what));
        let mut variants: Variants = vec![
            Box::new(Exchange::new(task, &name, open)),
            Box::new(Exchange::new(task, QUOIT, quoit)),
        ];
        if self.what == "trips" {
            variants.push(Box::new(round_trip(BARE, ping_pong::wire(self.place))));
        }
        let (two, plan) = (self.bench.two()?, self.plan());
        let scores = self.bench.compare(&self.title(), two, plan, variants)?;
        self.print("processes", &scores);
        Ok(())
    }

    fn plan(&self) -> Plan {
        let batch = match self.task {
            Task::RoundTrip => 16,
            _ => 4 * CAPACITY as u64,
        };
        self.bench.plan(60, 24, batch)
    }

    fn title(&self) -> String {
        let task = match self.task {
            Task::RoundTrip => "round trip",
            _ => "stream",
        };
        format!("{:18}{task}", self.other.name())
    }

    fn print(&mut self, between: &str, scores: &Scores) {
        let (name, title) = (self.other.name(), self.title());
        let bench = &mut *self.bench;
        let [theirs, ours] = [&*name, QUOIT].map(|name| show_nanos(scores.of(name).nanos()));
        let times = scores.ratio(&name, QUOIT);
        bench.say(format_args!(
            "{title:28} between two {between:10}{theirs:>10}, quoit {ours:>9}: {times} times quoit's"
        ));
        bench.figure(&format!("{name}_{}_8", self.what), scores.json());
        match (self.other, self.task) {
            (Other::Shaq, Task::Stream) => {
                bench.bar("stream_over_shaq", times, Limit::AtLeast(3.0));
            }
            (Other::Iceoryx2, Task::RoundTrip) => {
                let least = scores.ratio(BARE, &name);
                bench.say(format_args!(
                    "  the round trip of a bare cache line takes {least} of iceoryx2's time"
                ));
                let ratio = scores.ratio(QUOIT, &name);
                bench.bar("trip_over_iceoryx2", ratio, Limit::AtMost(0.2));
            }
            _ => {}
        }
    }
}

/// quoit's endpoints for a comparison.
fn ring(rings: &Rings, name: &str) -> impl FnMut(Side) -> Tries<u64> + use<> {
    let options = RingOptions::new(CAPACITY as u64).prefault(true);
    let mut link = rings.link(name, &options.wait_strategy(WaitStrategy::Spin));
    move |side| Tries(link(side))
}
