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
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use quoit::{RingOptions, WaitStrategy};

use common::bench::{self, Bench};
use common::exchange::round_trip;
use common::interleaved::{Side, Variants};
use common::message::numbered;
use common::output::Output;
use common::polling::{AnyLength, InPlace, Tries};
use common::rings::{RingLink, Rings};
use common::targets::Limit;
use common::{bare, ping_pong, rtrb};

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
    let Arguments { output, only } = Arguments::parse();
    let place = [Path::new("/dev/shm")];
    bench::main(
        "round_trip",
        (&output, only.is_empty()),
        place,
        |bench, [directory]| {
            let is_selected = |part: &&str| only.is_empty() || only.iter().any(|only| only == part);
            for part in PARTS.into_iter().filter(is_selected) {
                match part {
                    "8" => size::<1, 8>(bench, directory)?,
                    "16" => size::<2, 16>(bench, directory)?,
                    "24" => size::<3, 24>(bench, directory)?,
                    "32" => size::<4, 32>(bench, directory)?,
                    "40" => size::<5, 40>(bench, directory)?,
                    "64" => size::<8, 64>(bench, directory)?,
                    "256" => size::<32, 256>(bench, directory)?,
                    "1024" => size::<128, 1024>(bench, directory)?,
                    "4096" => size::<512, 4096>(bench, directory)?,
                    _ => threads(bench)?,
                }
            }
            Ok(())
        },
    )
}

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

fn options(capacity: u64) -> RingOptions {
    let options = RingOptions::new(capacity).prefault(true);
    options.wait_strategy(WaitStrategy::Spin)
}

/// Messages of this length, in all ways.
fn size<const WORDS: usize, const SIZE: usize>(
    bench: &mut Bench,
    directory: &Path,
) -> Result<(), Box<dyn Error>> {
    let place = directory.join(SIZE.to_string());
    fs::create_dir(&place)?;
    let rings = Rings::new(&place);
    let records = |way: &str| -> Box<dyn FnMut(Side) -> RingLink<[u64; WORDS]>> {
        Box::new(rings.links(way, &options(64)))
    };
    let frames = |way: &str| -> Box<dyn FnMut(Side) -> RingLink<[u8]>> {
        Box::new(rings.links(way, &options(1 << 16)))
    };
    let [mut pushed, mut filled] = [records(WAYS[0]), records(WAYS[1])];
    let [mut sent, mut claimed, mut any] = [WAYS[2], WAYS[3], WAYS[4]].map(frames);
    let sent = numbered::<SIZE, _>(move |side| Tries::<[u8]>(sent(side)));
    let claimed = numbered::<SIZE, _>(move |side| InPlace::<[u8]>(claimed(side)));
    let any = numbered::<SIZE, _>(move |side| AnyLength(any(side)));
    let ideal = bare::wire(&place.join("ideal"), 64 * SIZE, SIZE, bare::Lines::Together)?;
    let variants: Variants = vec![
        Box::new(round_trip(BARE, ping_pong::wire(&place)).reopened()),
        Box::new(round_trip(IDEAL, numbered::<SIZE, _>(ideal))),
        Box::new(round_trip(WAYS[0], move |side| Tries(pushed(side))).reopened()),
        Box::new(round_trip(WAYS[1], move |side| InPlace(filled(side))).reopened()),
        Box::new(round_trip(WAYS[2], sent).reopened()),
        Box::new(round_trip(WAYS[3], claimed).reopened()),
        Box::new(round_trip(WAYS[4], any).reopened()),
    ];
    // Short slices, so that many memory addresses are measured.
    let plan = bench.plan(20, 60, 32);
    let title = format!("round trip of {SIZE} bytes between two spinning processes");
    let scores = bench.compare(&title, bench.two()?, plan, variants)?;
    fs::remove_dir_all(&place)?;
    bench.show(&format!("trip_{SIZE}"), &scores, BARE);
    for way in WAYS {
        let name = format!("trip_{SIZE}_{}", way.replace(' ', "_"));
        if let Some(limit) = over_bare(SIZE, way) {
            let (name, ratio) = (format!("{name}_over_bare"), scores.ratio(way, BARE));
            bench.bar_of(&scores, &name, ratio, Limit::AtMost(limit));
        }
        if SIZE == 1024 {
            let (name, ratio) = (format!("{name}_over_ideal"), scores.ratio(way, IDEAL));
            bench.bar_of(&scores, &name, ratio, Limit::AtMost(1.15));
        }
    }
    Ok(())
}

/// Records of 8 bytes in two threads, compared with rtrb.
fn threads(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let (ends_3, ends_4) = (rtrb::v0_3::ends(64), rtrb::v0_4::ends(64));
    let rings = bench.rings.clone();
    let make = || -> Variants {
        let mut link = rings.link("threads", &options(64));
        vec![
            Box::new(round_trip(RTRB[0], ends_3.link())),
            Box::new(round_trip(RTRB[1], ends_4.link())),
            Box::new(round_trip(QUOIT, move |side| Tries::<u64>(link(side)))),
        ]
    };
    let title = "round trip of 8 bytes between two spinning threads";
    let scores = bench.compare_in_threads(title, bench.plan(50, 40, 32), make)?;
    bench.show("threads", &scores, RTRB[0]);
    let faster = scores.ratio_of_fastest(&RTRB, QUOIT);
    bench.bar_of(&scores, "rtrb_over_trip_8", faster, Limit::AtLeast(1.0));
    Ok(())
}
