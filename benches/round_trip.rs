//! Round trips while both endpoints spin: records and frames of 8 to 4096 bytes compared
//! with a bare cache line in each direction, and records of 8 bytes compared with the ring
//! of the crate rtrb.
//!
//! ```text
//! cargo bench --bench round_trip                        about a minute
//! cargo bench --bench round_trip -- --quick             a few seconds, less precise
//! cargo bench --bench round_trip -- --json round_trip.json
//! cargo bench --bench round_trip -- --only 8,1024
//! ```
//!
//! rtrb works in one process, so that comparison uses two threads, also for quoit's ring.
//! All else is between two processes. Every endpoint tries, gives the processor one hint,
//! and tries again.
//!
//! Each line `BAR name value limit ok|missed|disturbed` has a target and the figure of this
//! run.

mod common;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quoit::{RingOptions, WaitStrategy};

use common::interleaved::{self, Plan, Side, Variant};
use common::link::RoundTrip;
use common::machine::Machine;
use common::message::numbered;
use common::output::Output;
use common::placement::Placement;
use common::polling::{AnyLength, InPlace, Tries};
use common::progress::Progress;
use common::rings::{RingLink, Rings};
use common::targets::{Limit, Report};
use common::{bare, ping_pong, rtrb, supervisor};

/// Measures round trips, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs only these parts
    #[arg(long, value_parser = PARTS, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
}

/// The parts of the bench: messages by their length in bytes, and records in two threads.
const PARTS: [&str; 10] = [
    "8", "16", "24", "32", "40", "64", "256", "1024", "4096", "threads",
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
        arguments.output.keep("round_trip", &bench.report, whole)
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

type Variants = Vec<Box<dyn Variant>>;

const BARE: &str = "bare cache line";
const IDEAL: &str = "ideal hand-off";
const RTRB: [&str; 2] = ["rtrb 0.3, threads", "rtrb 0.4, threads"];
const QUOIT: &str = "quoit, threads";

/// The ways to send a message.
const WAYS: [&str; 5] = [
    "records",
    "records in place",
    "frames",
    "frames in place",
    "frames of any length",
];

/// The target for this many bytes, as a ratio to the bare line.
fn over_bare(size: usize, way: &str) -> Option<f64> {
    match size {
        8..=40 => Some(1.10),
        64 if way.starts_with("records") => Some(1.4),
        64 => Some(1.6),
        _ => None,
    }
}

impl Bench {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("a figure is the median of slices; in brackets, their interquartile range");
        self.report.figure("machine", machine.json());
        let Some(placement) = machine.apart() else {
            return Err("round trips of spinning endpoints need two processors".into());
        };
        self.size::<1, 8>(placement)?;
        self.size::<2, 16>(placement)?;
        self.size::<3, 24>(placement)?;
        self.size::<4, 32>(placement)?;
        self.size::<5, 40>(placement)?;
        self.size::<8, 64>(placement)?;
        self.size::<32, 256>(placement)?;
        self.size::<128, 1024>(placement)?;
        self.size::<512, 4096>(placement)?;
        self.threads(placement)
    }

    fn includes(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    fn options(capacity: u64) -> RingOptions {
        RingOptions::new(capacity)
            .prefault(true)
            .wait_strategy(WaitStrategy::Spin)
    }

    /// Messages of this length, in all four ways.
    fn size<const WORDS: usize, const SIZE: usize>(
        &mut self,
        placement: Placement,
    ) -> Result<(), Box<dyn Error>> {
        if !self.includes(&SIZE.to_string()) {
            return Ok(());
        }
        let place = self.directory.join(SIZE.to_string());
        fs::create_dir(&place)?;
        let rings = Rings::new(&place);
        let bare = ping_pong::wire(&place);
        let records = |way: &str| -> Box<dyn FnMut(Side) -> RingLink<[u64; WORDS]>> {
            Box::new(rings.links(way, &Self::options(64)))
        };
        let frames = |way: &str| -> Box<dyn FnMut(Side) -> RingLink<[u8]>> {
            Box::new(rings.links(way, &Self::options(1 << 16)))
        };
        let [mut pushed, mut filled] = [records(WAYS[0]), records(WAYS[1])];
        let [mut sent, mut claimed, mut any] = [WAYS[2], WAYS[3], WAYS[4]].map(frames);
        let sent = numbered::<SIZE, _>(move |side| Tries::<[u8]>(sent(side)));
        let claimed = numbered::<SIZE, _>(move |side| InPlace::<[u8]>(claimed(side)));
        let any = numbered::<SIZE, _>(move |side| AnyLength(any(side)));
        let ideal = place.join("ideal");
        let ideal = bare::wire(&ideal, 64 * SIZE, SIZE, bare::Lines::Together)?;
        let variants: Variants = vec![
            Box::new(RoundTrip::new(BARE, bare).reopened()),
            Box::new(RoundTrip::new(IDEAL, numbered::<SIZE, _>(ideal))),
            Box::new(RoundTrip::new(WAYS[0], move |side| Tries(pushed(side))).reopened()),
            Box::new(RoundTrip::new(WAYS[1], move |side| InPlace(filled(side))).reopened()),
            Box::new(RoundTrip::new(WAYS[2], sent).reopened()),
            Box::new(RoundTrip::new(WAYS[3], claimed).reopened()),
            Box::new(RoundTrip::new(WAYS[4], any).reopened()),
        ];
        // Short slices, so that many memory addresses are measured.
        let plan = Plan::new(self.quick, 20, 60, 32);
        let title = format!("round trip of {SIZE} bytes between two spinning processes");
        let scores = interleaved::run(&title, placement, &plan, variants, &self.progress)?;
        fs::remove_dir_all(&place)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(BARE));
        self.report.figure(&format!("trip_{SIZE}"), scores.json());
        self.report.is_disturbed = scores.is_disturbed();
        for way in WAYS {
            let name = format!("trip_{SIZE}_{}", way.replace(' ', "_"));
            if let Some(limit) = over_bare(SIZE, way) {
                let name = format!("{name}_over_bare");
                let ratio = scores.ratio(way, BARE);
                self.report.bar(&name, ratio, Limit::AtMost(limit));
            }
            if SIZE == 1024 {
                let name = format!("{name}_over_ideal");
                let ratio = scores.ratio(way, IDEAL);
                self.report.bar(&name, ratio, Limit::AtMost(1.15));
            }
        }
        self.report.is_disturbed = false;
        Ok(())
    }

    /// Records of 8 bytes in two threads, compared with rtrb.
    fn threads(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        if !self.includes("threads") {
            return Ok(());
        }
        let (ends_3, ends_4) = (rtrb::v0_3::Ends::new(64), rtrb::v0_4::Ends::new(64));
        let make = || -> Variants {
            let mut link = self.rings.link("threads", &Self::options(64));
            vec![
                Box::new(RoundTrip::new(RTRB[0], ends_3.link())),
                Box::new(RoundTrip::new(RTRB[1], ends_4.link())),
                Box::new(RoundTrip::new(QUOIT, move |side| Tries::<u64>(link(side)))),
            ]
        };
        let plan = Plan::new(self.quick, 50, 40, 32);
        let title = "round trip of 8 bytes between two spinning threads";
        let scores = interleaved::run_in_threads(title, placement, &plan, make, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(RTRB[0]));
        self.report.figure("threads", scores.json());
        self.report.is_disturbed = scores.is_disturbed();
        let faster = scores.ratio_of_fastest(&RTRB, QUOIT);
        self.report
            .bar("rtrb_over_trip_8", faster, Limit::AtLeast(1.0));
        self.report.is_disturbed = false;
        Ok(())
    }
}
