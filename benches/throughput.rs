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
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use quoit::{RingOptions, Shape, WaitStrategy};

use common::bench::{self, Bench};
use common::exchange::{Exchange, Task, round_trip, stream};
use common::interleaved::{Side, Variant, Variants};
use common::memcpy::Memcpy;
use common::message::numbered;
use common::output::Output;
use common::polling::{InPlace, Tries};
use common::rings::Rings;
use common::targets::Limit;
use common::{bare, ping_pong, rtrb};

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
    let Arguments { output, only } = Arguments::parse();
    let place = [Path::new("/dev/shm")];
    bench::main(
        "throughput",
        (&output, only.is_empty()),
        place,
        |bench, [directory]| {
            let is_selected = |part: &&str| only.is_empty() || only.iter().any(|only| only == part);
            for part in PARTS.into_iter().filter(is_selected) {
                match part {
                    "growth" => growth(bench)?,
                    "frames-8" => frames::<8>(bench, directory)?,
                    "frames-64" => frames::<64>(bench, directory)?,
                    "frames-1024" => frames::<1024>(bench, directory)?,
                    "frames-4096" => frames::<4096>(bench, directory)?,
                    "frames-65536" => frames::<65536>(bench, directory)?,
                    slots => records(bench, directory, slots.parse()?)?,
                }
            }
            Ok(())
        },
    )
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

fn options(capacity: u64) -> RingOptions {
    let options = RingOptions::new(capacity).prefault(true);
    options.wait_strategy(WaitStrategy::Spin)
}

/// A ring that is polled.
fn ring<T: Shape + ?Sized>(
    rings: &Rings,
    name: &str,
    capacity: u64,
) -> impl FnMut(Side) -> Tries<T> + use<T> {
    let mut link = rings.link(name, &options(capacity));
    move |side| Tries(link(side))
}

/// A ring that is polled, and filled and read in place.
fn ring_in_place<T: Shape + ?Sized>(
    rings: &Rings,
    name: &str,
    capacity: u64,
) -> impl FnMut(Side) -> InPlace<T> + use<T> {
    let mut link = rings.link(name, &options(capacity));
    move |side| InPlace(link(side))
}

/// Records of 8 bytes, one by one and in batches, in two threads.
fn records(bench: &mut Bench, directory: &Path, capacity: u64) -> Result<(), Box<dyn Error>> {
    let place = directory.join(format!("line-{capacity}"));
    fs::create_dir(&place)?;
    let single = RINGS.map(|ring| format!("{ring} {capacity}"));
    let batch = single.each_ref().map(|name| format!("{name}, by 64"));
    let in_place = format!("quoit {capacity}, in place");
    let slots = capacity as usize;
    let ends_3 = [(); 2].map(|()| rtrb::v0_3::ends(slots));
    let ends_4 = [(); 2].map(|()| rtrb::v0_4::ends(slots));
    let rings = bench.rings.clone();
    let make = || -> Variants {
        let tries = |name: &str| ring::<u64>(&rings, name, capacity);
        let claims = ring_in_place::<[u64; 1]>(&rings, &in_place, capacity);
        vec![
            Box::new(round_trip(LINE, ping_pong::wire(&place))),
            Box::new(stream(&single[1], ends_3[0].link())),
            Box::new(stream(&single[0], tries(&single[0]))),
            Box::new(stream(&single[2], ends_4[0].link())),
            Box::new(Exchange::new(Task::Batches, &batch[1], ends_3[1].link())),
            Box::new(Exchange::new(Task::Batches, &batch[0], tries(&batch[0]))),
            Box::new(Exchange::new(Task::Batches, &batch[2], ends_4[1].link())),
            Box::new(stream(&in_place, claims)),
        ]
    };
    // Several laps per batch, so that each batch needs the consumer.
    let plan = bench.plan(60, 19, (4 * capacity).max(4096));
    let title = format!("stream of 8-byte records in two threads, {capacity} slots");
    let scores = bench.compare_in_threads(&title, plan, make)?;
    bench.show(&format!("records_{capacity}"), &scores, &single[1]);
    for (distance, scores) in scores.by_distance(LINE) {
        if scores.rounds() < ENOUGH_ROUNDS {
            continue;
        }
        bench.say(format_args!("  {distance} in {} rounds", scores.rounds()));
        for ([quoit, rtrb_3, rtrb_4], what) in [(&single, "single"), (&batch, "by_64")] {
            let faster = scores.ratio_of_fastest(&[rtrb_3, rtrb_4], quoit);
            bench.say(format_args!("  {quoit}: {faster} times the faster rtrb"));
            if let Some(limit) = over_rtrb(what, distance, capacity) {
                let name = format!("stream_u64_{what}_{capacity}_over_rtrb_{distance}");
                bench.bar_of(&scores, &name, faster, Limit::AtLeast(limit));
            }
        }
        if let Some(limit) = over_a_line(distance, capacity) {
            let name = format!("stream_u64_{capacity}_over_a_line_{distance}");
            let over_line = scores.ratio(&single[0], LINE);
            bench.bar_of(&scores, &name, over_line, Limit::AtMost(limit));
        }
    }
    Ok(())
}

/// The additional cost of a ring of a million slots, compared with a thousand.
fn growth(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let name = |slots: u64| format!("quoit, {slots} slots");
    let rings = bench.rings.clone();
    let make = || -> Variants {
        let slots = [SMALL, LARGE].map(|slots| (name(slots), slots)).into_iter();
        slots
            .map(|(name, slots)| -> Box<dyn Variant> {
                Box::new(stream(&name, ring::<u64>(&rings, &name, slots)))
            })
            .collect()
    };
    let title = "stream of 8-byte records in two threads, a thousand and a million slots";
    let scores = bench.compare_in_threads(title, bench.plan(100, 15, 2 * LARGE), make)?;
    bench.show("growth", &scores, &name(SMALL));
    let grown = scores.ratio(&name(LARGE), &name(SMALL));
    bench.bar_of(&scores, "stream_cost_of_size", grown, Limit::AtMost(1.15));
    Ok(())
}

/// Frames, filled and read in place, between two processes.
fn frames<const SIZE: usize>(bench: &mut Bench, directory: &Path) -> Result<(), Box<dyn Error>> {
    let size = match SIZE {
        ..1024 => SIZE.to_string(),
        _ => format!("{}k", SIZE / 1024),
    };
    let wire = |name: &str, lines| {
        let path = directory.join(format!("{name}-{size}"));
        bare::wire(&path, BYTES as usize, SIZE, lines)
    };
    let bare = wire("bare", bare::Lines::AsTheyCome)?;
    let ideal = wire("ideal", bare::Lines::Together)?;
    let in_place = ring_in_place::<[u8]>(&bench.rings, &format!("frames {size}"), BYTES);
    let copied = ring::<[u8]>(&bench.rings, &format!("frames {size}, copied"), BYTES);
    let variants: Variants = vec![
        Box::new(stream(BARE, numbered::<SIZE, _>(bare))),
        Box::new(stream(IDEAL, numbered::<SIZE, _>(ideal))),
        Box::new(stream(FRAMES, numbered::<SIZE, _>(in_place))),
        Box::new(stream(COPIED, numbered::<SIZE, _>(copied))),
        Box::new(Memcpy {
            name: MEMCPY,
            buffer: vec![1; BYTES as usize],
            message: vec![2; SIZE],
        }),
    ];
    let plan = bench.plan(80, 21, 4 * BYTES / SIZE as u64);
    let title = format!("stream of frames of {SIZE} bytes, {BYTES} bytes of ring");
    let scores = bench.compare(&title, bench.two()?, plan, variants)?;
    bench.show(&format!("frames_{size}"), &scores, BARE);
    for (name, variant, limit) in [("copied", COPIED, 0.97), ("in_place", FRAMES, 0.93)] {
        let ratio = scores.ratio(BARE, variant);
        bench.say(format_args!("  {variant}: {ratio} times the bare hand-off"));
        if matches!(SIZE, 1024 | 65536) {
            let name = format!("stream_{size}_{name}_over_bare");
            bench.bar_of(&scores, &name, ratio, Limit::AtLeast(limit));
        }
    }
    Ok(())
}
