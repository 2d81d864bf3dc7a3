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

use std::fs;

use common::bench::{self, Bench, Limit, Outcome, Part};
use common::interleaved::{in_processes, in_threads};
use common::rings::{Rings, polled};
use common::{bare, ping_pong, polling, rtrb};

fn main() -> Outcome {
    // Messages by their length in words and bytes, and records in two threads.
    let parts: [Part; 10] = [
        ("8", &size::<1, 8>),
        ("16", &size::<2, 16>),
        ("24", &size::<3, 24>),
        ("32", &size::<4, 32>),
        ("40", &size::<5, 40>),
        ("64", &size::<8, 64>),
        ("256", &size::<32, 256>),
        ("1024", &size::<128, 1024>),
        ("4096", &size::<512, 4096>),
        ("threads", &threads),
    ];
    bench::main("round_trip", &parts)
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

/// The target for this many bytes, as a ratio to the bare line or to the ideal hand-off.
fn target(size: usize, way: &str) -> Option<([&'static str; 2], f64)> {
    match size {
        8..=40 => Some(([BARE, "bare"], 1.10)),
        64 if way.starts_with("records") => Some(([BARE, "bare"], 1.4)),
        64 => Some(([BARE, "bare"], 1.6)),
        1024 => Some(([IDEAL, "ideal"], 1.15)),
        _ => None,
    }
}

/// Messages of this length, in all ways.
fn size<const WORDS: usize, const SIZE: usize>(bench: &mut Bench, name: &str) -> Outcome {
    let place = bench.places[0].join(name);
    fs::create_dir(&place)?;
    let rings = Rings::new(&place);
    let ideal = bare::wire::<SIZE>(&place.join("ideal"), 64 * SIZE, bare::Lines::Together)?;
    let records = |way| rings.links(way, &polled(64));
    let frames = |way| rings.links(way, &polled(1 << 16));
    let pushed = records(WAYS[0]).map(polling::records::<WORDS>);
    let filled = records(WAYS[1]).map(polling::records_in_place::<WORDS>);
    let sent = frames(WAYS[2]).map(polling::frames::<SIZE, false>);
    let claimed = frames(WAYS[3]).map(polling::frames_in_place::<SIZE>);
    let any = frames(WAYS[4]).map(polling::frames::<SIZE, true>);
    let variants = vec![
        ping_pong::wire(&place).reopened().round_trip(BARE),
        ideal.round_trip(IDEAL),
        pushed.round_trip(WAYS[0]),
        filled.round_trip(WAYS[1]),
        sent.round_trip(WAYS[2]),
        claimed.round_trip(WAYS[3]),
        any.round_trip(WAYS[4]),
    ];
    // Short slices, so that many memory addresses are measured.
    let plan = bench.plan(20, 60, 32);
    let title = format!("round trip of {SIZE} bytes between two spinning processes");
    let scores = in_processes(&title, bench.two()?, plan, variants)?;
    fs::remove_dir_all(&place)?;
    bench.show(&format!("trip_{SIZE}"), &scores, BARE);
    for way in WAYS {
        if let Some(([base, name], limit)) = target(SIZE, way) {
            let bar = format!("trip_{SIZE}_{}_over_{name}", way.replace(' ', "_"));
            bench.target(&scores, &bar, [way, base], Limit("<=", limit));
        }
    }
    Ok(())
}

/// Records of 8 bytes in two threads, compared with rtrb.
fn threads(bench: &mut Bench, _: &str) -> Outcome {
    let (ends_3, ends_4) = (rtrb::v0_3::ends(64), rtrb::v0_4::ends(64));
    let rings = bench.rings.clone();
    let make = || {
        let link = rings.link("threads", &polled(64));
        vec![
            ends_3.open().round_trip(RTRB[0]),
            ends_4.open().round_trip(RTRB[1]),
            link.map(polling::records::<1>).round_trip(QUOIT),
        ]
    };
    let title = "round trip of 8 bytes between two spinning threads";
    let scores = in_threads(title, bench.two()?, bench.plan(50, 40, 32), make)?;
    bench.show("threads", &scores, RTRB[0]);
    let faster = scores.ratio_of_fastest(&RTRB, QUOIT);
    let (bar, is_disturbed) = ("rtrb_over_trip_8", scores.is_disturbed());
    bench.bar(bar, faster, Limit(">=", 1.0), is_disturbed);
    Ok(())
}
