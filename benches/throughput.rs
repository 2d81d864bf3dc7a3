//! Throughput: records compared with the ring of the crate rtrb, and frames compared with a
//! bare hand-off.
//!
//! ```text
//! cargo bench --bench throughput                        under three minutes
//! cargo bench --bench throughput -- --quick             about ten seconds, less precise
//! cargo bench --bench throughput -- --json throughput.json
//! cargo bench --bench throughput -- --only 64,frames-1024
//! ```
//!
//! rtrb works in one process, so that comparison uses two threads, also for quoit's rings,
//! which are in shared memory. Two versions of rtrb are measured, and each round counts the
//! faster one. Frames go between two processes. Every endpoint tries, gives the processor
//! one hint, and tries again.
//!
//! Each round also measures a bare cache line. It shows whether the two processors are
//! *near*, with a cache in common, or *far*; a virtual processor may move. The ratio of a
//! message to that line's round trip does not depend on another crate.
//!
//! Each line `BAR name value limit ok|missed|disturbed` has a target and the figure of this
//! run. It is disturbed if it missed the target while other processes took the processors.

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quoit::{RingOptions, WaitStrategy};

use common::batches::Batches;
use common::interleaved::{self, Plan, Variant};
use common::link::{RoundTrip, Stream};
use common::machine::Machine;
use common::memcpy::Memcpy;
use common::message::numbered;
use common::output::Output;
use common::placement::Placement;
use common::polling::{InPlace, Tries};
use common::progress::Progress;
use common::rings::Rings;
use common::targets::{Limit, Report};
use common::{bare, ping_pong, rtrb, supervisor};

/// Measures throughput, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs only these parts
    #[arg(long, value_parser = PARTS, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
}

/// The parts of the bench: records by the slots of their ring, the cost of a million slots,
/// frames by their length in bytes.
const PARTS: [&str; 11] = [
    "64",
    "128",
    "256",
    "1024",
    "16384",
    "growth",
    "frames-8",
    "frames-64",
    "frames-1024",
    "frames-4096",
    "frames-65536",
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    supervisor::supervise([Path::new("/dev/shm")], |[directory]| {
        let mut bench = Bench {
            directory: directory.to_owned(),
            rings: Rings::new(directory),
            report: Report::default(),
            progress: Progress::new(),
            quick: arguments.output.quick,
            only: arguments.only.clone(),
        };
        bench.run()?;
        let whole = arguments.only.is_empty();
        arguments.output.keep("throughput", &bench.report, whole)
    })
}

struct Bench {
    directory: PathBuf,
    rings: Rings,
    report: Report,
    progress: Progress,
    quick: bool,
    only: Vec<String>,
}

const SMALL: u64 = 1 << 10;
const MIDDLE: u64 = 1 << 14;
const LARGE: u64 = 1 << 20;
/// The least number of near or far rounds for a median.
const ENOUGH_ROUNDS: usize = 5;
/// Bytes of the rings of frames.
const BYTES: u64 = 1 << 20;

const LINE: &str = "bare line, round trip";
const BARE: &str = "bare hand-off";
const IDEAL: &str = "ideal hand-off";
const FRAMES: &str = "quoit, claim and peek";
const COPIED: &str = "quoit, push and pop";
const MEMCPY: &str = "memcpy, one core";

/// The rings of records that are compared.
const RINGS: [&str; 3] = ["quoit", "rtrb 0.3", "rtrb 0.4"];

/// The target of a stream of records, as a ratio to the faster rtrb.
fn over_rtrb(what: &str, distance: &str, capacity: u64) -> Option<f64> {
    Some(match (what, distance, capacity) {
        ("single", "near", 64) => 0.95,
        ("single", "far", 64) | ("by_64", _, 64) => 1.0,
        ("single", _, 128) => 1.2,
        ("single", _, 256) => 1.3,
        ("single", "near", SMALL) => 1.15,
        ("single", "far", SMALL) => 1.9,
        ("single", "near", MIDDLE) => 2.5,
        ("single", "far", MIDDLE) => 4.0,
        ("by_64", ..) => 1.25,
        _ => return None,
    })
}

/// The target for a record of a stream, as a ratio to the round trip of a bare line.
fn over_a_line(distance: &str, capacity: u64) -> Option<f64> {
    Some(match (distance, capacity) {
        ("near", 64) => 0.045,
        ("far", 64) => 0.025,
        ("near", SMALL..) => 0.025,
        ("far", SMALL..) => 0.012,
        _ => return None,
    })
}

impl Bench {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("a figure is the median of slices; in brackets, their interquartile range");
        self.report.figure("machine", machine.json());
        let Some(placement) = machine.apart() else {
            return Err("throughput needs two processors".into());
        };
        for capacity in [64, 128, 256, SMALL, MIDDLE] {
            if self.includes(&capacity.to_string()) {
                self.records(placement, capacity)?;
            }
        }
        if self.includes("growth") {
            self.growth(placement)?;
        }
        self.frames::<8>(placement, "8")?;
        self.frames::<64>(placement, "64")?;
        self.frames::<1024>(placement, "1k")?;
        self.frames::<4096>(placement, "4k")?;
        self.frames::<65536>(placement, "64k")
    }

    fn includes(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    fn options(capacity: u64) -> RingOptions {
        RingOptions::new(capacity)
            .prefault(true)
            .wait_strategy(WaitStrategy::Spin)
    }

    /// Records of 8 bytes, one by one and in batches, in two threads.
    fn records(&mut self, placement: Placement, capacity: u64) -> Result<(), Box<dyn Error>> {
        let place = self.directory.join(format!("line-{capacity}"));
        fs::create_dir(&place)?;
        let single = RINGS.map(|ring| format!("{ring} {capacity}"));
        let batch = single.each_ref().map(|name| format!("{name}, by 64"));
        let in_place = format!("quoit {capacity}, in place");
        let slots = capacity as usize;
        let ends_3 = [(); 2].map(|()| rtrb::v0_3::Ends::new(slots));
        let ends_4 = [(); 2].map(|()| rtrb::v0_4::Ends::new(slots));
        let make = || -> Vec<Box<dyn Variant>> {
            let ring = |name: &str| self.ring(name, capacity);
            let in_place_ring = self.ring_in_place(&in_place, capacity);
            vec![
                Box::new(RoundTrip::new(LINE, ping_pong::wire(&place))),
                Box::new(Stream::new(&single[1], ends_3[0].link())),
                Box::new(Stream::new(&single[0], ring(&single[0]))),
                Box::new(Stream::new(&single[2], ends_4[0].link())),
                Box::new(Batches::new(&batch[1], ends_3[1].link())),
                Box::new(Batches::new(&batch[0], ring(&batch[0]))),
                Box::new(Batches::new(&batch[2], ends_4[1].link())),
                Box::new(Stream::new(&in_place, in_place_ring)),
            ]
        };
        // Several laps per batch, so that each batch needs the consumer.
        let plan = Plan::new(self.quick, 60, 19, (4 * capacity).max(4096));
        let title = format!("stream of 8-byte records in two threads, {capacity} slots");
        let scores = interleaved::run_in_threads(&title, placement, &plan, make, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(&single[1]));
        self.report
            .figure(&format!("records_{capacity}"), scores.json());
        self.report.is_disturbed = scores.is_disturbed();
        for (distance, scores) in scores.by_distance(LINE) {
            if scores.rounds() < ENOUGH_ROUNDS {
                continue;
            }
            println!("  {distance} in {} rounds", scores.rounds());
            for ([quoit, rtrb_3, rtrb_4], what) in [(&single, "single"), (&batch, "by_64")] {
                let faster = scores.ratio_of_fastest(&[rtrb_3, rtrb_4], quoit);
                println!("  {quoit}: {faster} times the faster rtrb");
                if let Some(limit) = over_rtrb(what, distance, capacity) {
                    let name = format!("stream_u64_{what}_{capacity}_over_rtrb_{distance}");
                    self.report.bar(&name, faster, Limit::AtLeast(limit));
                }
            }
            let over_line = scores.ratio(&single[0], LINE);
            if let Some(limit) = over_a_line(distance, capacity) {
                let name = format!("stream_u64_{capacity}_over_a_line_{distance}");
                self.report.bar(&name, over_line, Limit::AtMost(limit));
            }
        }
        self.report.is_disturbed = false;
        Ok(())
    }

    fn ring(
        &self,
        name: &str,
        capacity: u64,
    ) -> impl FnMut(interleaved::Side) -> Tries<u64> + use<> {
        let mut link = self.rings.link(name, &Self::options(capacity));
        move |side| Tries(link(side))
    }

    fn ring_in_place(
        &self,
        name: &str,
        capacity: u64,
    ) -> impl FnMut(interleaved::Side) -> InPlace<[u64; 1]> + use<> {
        let mut link = self.rings.link(name, &Self::options(capacity));
        move |side| InPlace(link(side))
    }

    /// The additional cost of a ring of a million slots, compared with a thousand.
    fn growth(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let name = |slots: u64| format!("quoit, {slots} slots");
        let make = || -> Vec<Box<dyn Variant>> {
            let ring = |slots: u64| -> Box<dyn Variant> {
                Box::new(Stream::new(&name(slots), self.ring(&name(slots), slots)))
            };
            vec![ring(SMALL), ring(LARGE)]
        };
        let plan = Plan::new(self.quick, 100, 15, 2 * LARGE);
        let title = "stream of 8-byte records in two threads, a thousand and a million slots";
        let scores = interleaved::run_in_threads(title, placement, &plan, make, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(&name(SMALL)));
        self.report.figure("growth", scores.json());
        self.report.is_disturbed = scores.is_disturbed();
        let grown = scores.ratio(&name(LARGE), &name(SMALL));
        let limit = Limit::AtMost(1.15);
        self.report.bar("stream_cost_of_size", grown, limit);
        self.report.is_disturbed = false;
        Ok(())
    }

    /// Frames, filled and read in place, between two processes.
    fn frames<const SIZE: usize>(
        &mut self,
        placement: Placement,
        size: &str,
    ) -> Result<(), Box<dyn Error>> {
        if !self.includes(&format!("frames-{SIZE}")) {
            return Ok(());
        }
        let wire = |name: &str, lines| {
            let path = self.directory.join(format!("{name}-{size}"));
            bare::wire(&path, BYTES as usize, SIZE, lines)
        };
        let bare = wire("bare", bare::Lines::AsTheyCome)?;
        let ideal = wire("ideal", bare::Lines::Together)?;
        let mut link = self
            .rings
            .link(&format!("frames {size}"), &Self::options(BYTES));
        let frames = move |side| InPlace::<[u8]>(link(side));
        let mut link = self
            .rings
            .link(&format!("frames {size}, copied"), &Self::options(BYTES));
        let copied = move |side| Tries::<[u8]>(link(side));
        let variants: Vec<Box<dyn Variant>> = vec![
            Box::new(Stream::new(BARE, numbered::<SIZE, _>(bare))),
            Box::new(Stream::new(IDEAL, numbered::<SIZE, _>(ideal))),
            Box::new(Stream::new(FRAMES, numbered::<SIZE, _>(frames))),
            Box::new(Stream::new(COPIED, numbered::<SIZE, _>(copied))),
            Box::new(Memcpy::new(MEMCPY, BYTES as usize, SIZE)),
        ];
        let plan = Plan::new(self.quick, 80, 21, 4 * BYTES / SIZE as u64);
        let title = format!("stream of frames of {SIZE} bytes, {BYTES} bytes of ring");
        let scores = interleaved::run(&title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(BARE));
        self.report.figure(&format!("frames_{size}"), scores.json());
        self.report.is_disturbed = scores.is_disturbed();
        for (name, variant, limit) in [("copied", COPIED, 0.97), ("in_place", FRAMES, 0.93)] {
            let ratio = scores.ratio(BARE, variant);
            println!("  {variant}: {ratio} times the bare hand-off");
            if matches!(SIZE, 1024 | 65536) {
                let name = format!("stream_{size}_{name}_over_bare");
                self.report.bar(&name, ratio, Limit::AtLeast(limit));
            }
        }
        self.report.is_disturbed = false;
        Ok(())
    }
}
