//! Throughput: records compared with the ring of the crate rtrb, and frames compared with a
//! bare hand-off.
//!
//! ```text
//! cargo bench --bench throughput                        under three minutes
//! cargo bench --bench throughput -- --quick             about ten seconds, less precise
//! cargo bench --bench throughput -- --json throughput.json
//! cargo bench --bench throughput -- --only 64,frames-1k
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

use std::fs;

use common::bench::{self, Bench, Limit, Outcome, Part};
use common::exchange::Task;
use common::interleaved::{in_processes, in_threads};
use common::rings::polled;
use common::{bare, ping_pong, polling, rtrb};

fn main() -> Outcome {
    // Records by the slots of their ring, the cost of a million slots, frames by their length in
    // bytes.
    let parts: [Part; 11] = [
        ("64", &records([0.95, 1.0], 1.0, Some([0.045, 0.025]))),
        ("128", &records([1.2, 1.2], 1.25, None)),
        ("256", &records([1.3, 1.3], 1.25, None)),
        ("1024", &records([1.15, 1.9], 1.25, Some([0.025, 0.012]))),
        ("16384", &records([2.5, 4.0], 1.25, Some([0.025, 0.012]))),
        ("growth", &growth),
        ("frames-8", &frames::<8>),
        ("frames-64", &frames::<64>),
        ("frames-1k", &frames::<1024>),
        ("frames-4k", &frames::<4096>),
        ("frames-64k", &frames::<65536>),
    ];
    bench::main("throughput", &parts)
}

const SMALL: u64 = 1 << 10;
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

/// Records of 8 bytes, one by one and in batches, in two threads. The targets are ratios to the
/// faster rtrb, of single records near and far and of batches, and of a record near and far to the
/// round trip of a bare line.
fn records(
    single_limits: [f64; 2],
    batch_limit: f64,
    line_limits: Option<[f64; 2]>,
) -> impl Fn(&mut Bench, &str) -> Outcome {
    move |bench, part| {
        let capacity: u64 = part.parse()?;
        let place = bench.places[0].join(format!("line-{capacity}"));
        fs::create_dir(&place)?;
        let single = ["quoit", "rtrb 0.3", "rtrb 0.4"].map(|ring| format!("{ring} {capacity}"));
        let batch = single.each_ref().map(|name| format!("{name}, by 64"));
        let in_place = format!("quoit {capacity}, in place");
        let slots = capacity as usize;
        let (single_3, single_4) = (rtrb::v0_3::ends(slots), rtrb::v0_4::ends(slots));
        let (batch_3, batch_4) = (rtrb::v0_3::batches(slots), rtrb::v0_4::batches(slots));
        let (rings, options) = (bench.rings.clone(), polled(capacity));
        let make = || {
            let records = rings.link(&single[0], &options).map(polling::records::<1>);
            let batches = rings.link(&batch[0], &options).map(polling::batches);
            let claims = rings.link(&in_place, &options);
            vec![
                ping_pong::wire(&place).round_trip(LINE),
                single_3.open().stream(&single[1]),
                records.stream(&single[0]),
                single_4.open().stream(&single[2]),
                batch_3.open().variant(&batch[1], Task::BATCHES),
                batches.variant(&batch[0], Task::BATCHES),
                batch_4.open().variant(&batch[2], Task::BATCHES),
                claims.map(polling::records_in_place::<1>).stream(&in_place),
            ]
        };
        // Several laps per batch, so that each batch needs the consumer.
        let plan = bench.plan(60, 19, (4 * capacity).max(4096));
        let title = format!("stream of 8-byte records in two threads, {capacity} slots");
        let scores = in_threads(&title, bench.two()?, plan, make)?;
        bench.show(&format!("records_{capacity}"), &scores, &single[1]);
        for (index, (distance, scores)) in scores.by_distance(LINE).into_iter().enumerate() {
            if scores.rounds() < ENOUGH_ROUNDS {
                continue;
            }
            bench.say(format_args!("  {distance} in {} rounds", scores.rounds()));
            let targets = [
                (&single, "single", single_limits[index]),
                (&batch, "by_64", batch_limit),
            ];
            for ([quoit, rtrb_3, rtrb_4], what, limit) in targets {
                let faster = scores.ratio_of_fastest(&[rtrb_3, rtrb_4], quoit);
                bench.say(format_args!("  {quoit}: {faster} times the faster rtrb"));
                let bar = format!("stream_u64_{what}_{capacity}_over_rtrb_{distance}");
                bench.bar(&bar, faster, Limit(">=", limit), scores.is_disturbed());
            }
            if let Some(limits) = line_limits {
                let bar = format!("stream_u64_{capacity}_over_a_line_{distance}");
                let limit = Limit("<=", limits[index]);
                bench.target(&scores, &bar, [&single[0], LINE], limit);
            }
        }
        Ok(())
    }
}

/// The additional cost of a ring of a million slots, compared with a thousand.
fn growth(bench: &mut Bench, _: &str) -> Outcome {
    let names = [SMALL, LARGE].map(|slots| format!("quoit, {slots} slots"));
    let [small, large] = names.each_ref().map(String::as_str);
    let rings = bench.rings.clone();
    let make = || {
        let variants = [(small, SMALL), (large, LARGE)].map(|(name, slots)| {
            let records = rings.link(name, &polled(slots)).map(polling::records::<1>);
            records.stream(name)
        });
        variants.into()
    };
    let title = "stream of 8-byte records in two threads, a thousand and a million slots";
    let scores = in_threads(title, bench.two()?, bench.plan(100, 15, 2 * LARGE), make)?;
    bench.show("growth", &scores, small);
    let (bar, limit) = ("stream_cost_of_size", Limit("<=", 1.15));
    bench.target(&scores, bar, [large, small], limit);
    Ok(())
}

/// Frames, filled and read in place, between two processes.
fn frames<const SIZE: usize>(bench: &mut Bench, name: &str) -> Outcome {
    let size = name.trim_start_matches("frames-");
    let wire = |name: &str, lines| {
        let path = bench.places[0].join(format!("{name}-{size}"));
        bare::wire::<SIZE>(&path, BYTES as usize, lines)
    };
    let names = ["in place", "copied"].map(|name| format!("frames {size}, {name}"));
    let [claimed, copied] = names.map(|name| bench.rings.link(&name, &polled(BYTES)));
    let variants = vec![
        wire("bare", bare::Lines::AsTheyCome)?.stream(BARE),
        wire("ideal", bare::Lines::Together)?.stream(IDEAL),
        claimed.map(polling::frames_in_place::<SIZE>).stream(FRAMES),
        copied.map(polling::frames::<SIZE, false>).stream(COPIED),
    ];
    let plan = bench.plan(80, 21, 4 * BYTES / SIZE as u64);
    let title = format!("stream of frames of {SIZE} bytes, {BYTES} bytes of ring");
    let scores = in_processes(&title, bench.two()?, plan, variants)?;
    bench.show(&format!("frames_{size}"), &scores, BARE);
    for (name, variant, limit) in [("copied", COPIED, 0.97), ("in_place", FRAMES, 0.93)] {
        if matches!(SIZE, 1024 | 65536) {
            let bar = format!("stream_{size}_{name}_over_bare");
            bench.target(&scores, &bar, [BARE, variant], Limit(">=", limit));
        }
    }
    Ok(())
}
