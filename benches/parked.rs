//! What sleeping costs: parked and spinning round trips, parked ones over many rings, in
//! async code and in event loops, streams with parking and without, an idle endpoint, and
//! messages at a fixed interval.
//!
//! ```text
//! cargo bench --bench parked                        about two minutes
//! cargo bench --bench parked -- --quick             about 20 seconds, less precise
//! cargo bench --bench parked -- --json parked.json
//! cargo bench --bench parked --features futures     also async endpoints
//! ```
//!
//! Each line `BAR name value limit ok|missed|disturbed` has a target and the figure of this run.
//! Parked round trips are compared with the bare futex: two words, a store and a wake to
//! send, a load and a wait to receive. It carries four bytes, has no deadline and does not
//! detect a crash.
//!
//! The table shows how often the lead slept: once in each round trip if all receivers were parked.
//! Each message to an async or a pollable endpoint wakes the thread quoit-reactor, which wakes the
//! receiver.
//!
//! Between two CPUs most of a parked round trip is the time that the kernel (or the host of
//! a virtual machine) takes to wake an idle processor. On one CPU most of it is
//! instructions. On a busy machine `nice -n -20` makes the figures more stable.

mod common;

use std::time::Duration;

use quoit::{DoorbellKind, Fences, RingOptions, WaitStrategy};
use socket2::Type;

use common::bench::{self, Bench, Limit, Outcome, Part};
use common::interleaved::in_processes;
use common::periodic::TASK;
use common::placement::{Placement, together};
use common::rings::{polled, sleeping};
use common::scores::Spread;
use common::{futex, system, waits};

fn main() -> Outcome {
    let parts: [Part; 7] = [
        ("apart", &|bench, part| parked(bench, part, bench.two()?)),
        ("many", &many),
        ("spinning", &with_parking),
        ("streaming", &with_parking),
        ("together", &|bench, part| parked(bench, part, together()?)),
        ("periodic", &at_intervals),
        ("rescues", &rescues),
    ];
    bench::main("parked", &parts)
}

const RING: &str = "quoit";
const SEMAPHORE: &str = "quoit, semaphore";
const FUTEX: &str = "bare futex";
const TRANSPORTS: [&str; 4] = ["pipe", "unix", "tcp", "udp"];
const SPIN_ONLY: &str = "spin only";
const PARKING: &str = "parking";

/// The numbers of rings in one wait, and the targets.
const SELECTS: [(usize, f64); 3] = [(1, 1.15), (8, 1.15), (64, 1.25)];

/// Each message is sent to a receiver that sleeps in the kernel.
fn parked(bench: &mut Bench, place: &str, placement: Placement) -> Outcome {
    let names = [RING, SEMAPHORE].map(|name| format!("{name} {place}"));
    let options = sleeping(1024);
    let semaphore = options.clone().doorbell(DoorbellKind::Semaphore);
    let ring = |name: &str, options| bench.rings.link(name, options).map(waits::records);
    let words = futex::wire(&bench.places[0].join(format!("bare-{place}")))?;
    let variants = vec![
        words.round_trip(FUTEX),
        ring(&names[0], &options).round_trip(RING),
        ring(&names[1], &semaphore).round_trip(SEMAPHORE),
        system::pipes::<8>()?.round_trip(TRANSPORTS[0]),
        system::unix::<8>(Type::STREAM)?.round_trip(TRANSPORTS[1]),
        system::tcp::<8>()?.round_trip(TRANSPORTS[2]),
        system::udp::<8>()?.round_trip(TRANSPORTS[3]),
    ];
    let title = format!("parked round trip of 8 bytes, no spinning, CPUs {place}");
    let scores = in_processes(&title, placement, bench.plan(50, 40, 1), variants)?;
    bench.show(&format!("parked_{place}"), &scores, FUTEX);
    let bar = |transport: &str| format!("parked_{place}_over_{transport}");
    if placement.is_apart() {
        bench.target(&scores, &bar("futex"), [RING, FUTEX], Limit("<=", 1.10));
    }
    for transport in TRANSPORTS {
        bench.target(
            &scores,
            &bar(transport),
            [RING, transport],
            Limit("<=", 1.0),
        );
    }
    Ok(())
}

/// The same as [`parked`], with other kinds of wait. Each receiver gets
/// time to park: a sleep on 64 words takes the kernel longer than a reply.
fn many(bench: &mut Bench, _: &str) -> Outcome {
    let options = sleeping(64);
    let (rings, place) = (&bench.rings, &bench.places[0]);
    let waitv = |count| format!("bare waitv of {count}");
    let select = |count| format!("{RING}, Select of {count}");
    let link = |name| rings.link(name, &options);
    let words = futex::wire(&place.join("bare-many"))?;
    let mut variants = vec![
        words.round_trip(FUTEX),
        link("alone").map(waits::records).round_trip(RING),
        link("pollable")
            .map(waits::pollable)
            .round_trip("quoit, pollable"),
    ];
    for (count, _) in SELECTS {
        let words = futex::wire_many(&place.join(format!("bare-{count}")), count)?;
        variants.push(words.round_trip(&waitv(count)));
        variants.push(waits::select(rings, count, &options).round_trip(&select(count)));
    }
    #[cfg(feature = "futures")]
    variants.push(link("async").map(waits::tasks).round_trip("quoit, async"));
    let mut plan = bench.plan(50, 40, 1);
    // The time in which an endpoint is certain to park.
    plan.rest = Duration::from_micros(60);
    let title = "parked round trip of 8 bytes, with other kinds of wait";
    let scores = in_processes(title, bench.two()?, plan, variants)?;
    bench.show("parked_many", &scores, FUTEX);
    for (count, limit) in SELECTS {
        let bar = format!("parked_select_{count}_over_futex");
        bench.target(&scores, &bar, [&select(count), FUTEX], Limit("<=", limit));
    }
    Ok(())
}

/// Both endpoints spin, and the peer always answers in time; two pairs are allowed to park. Round
/// trips, or a stream with single pushes and single pops.
fn with_parking(bench: &mut Bench, part: &str) -> Outcome {
    let is_stream = part == "streaming";
    let options = RingOptions::new(1024).prefault(true);
    let symmetric = options.clone().fences(Fences::Symmetric);
    let pairs = [
        (SPIN_ONLY, &polled(1024)),
        (PARKING, &options),
        ("parking, symmetric", &symmetric),
    ];
    let variants = pairs.map(|(name, options)| {
        let link = bench.rings.link(part, options).reopened();
        let link = link.map(waits::records);
        match is_stream {
            false => link.round_trip(name),
            true => link.stream(name),
        }
    });
    // In a stream four laps per batch, so that each batch needs the consumer.
    let plan = bench.plan(100, 40, if is_stream { 4096 } else { 32 });
    let title = format!("{part}: messages of 8 bytes to peers that do not sleep");
    let scores = in_processes(&title, bench.two()?, plan, variants.into())?;
    bench.show(part, &scores, SPIN_ONLY);
    let limit = Limit("<=", if is_stream { 1.03 } else { 1.02 });
    let bar = format!("{part}_parking_over_spin_only");
    bench.target(&scores, &bar, [PARKING, SPIN_ONLY], limit);
    Ok(())
}

/// Consumers with each wait strategy, one message per interval. Control loops (1 kHz) and audio
/// (blocks of 128 at 48 kHz) send such messages; in ten seconds an endpoint is idle.
fn at_intervals(bench: &mut Bench, _: &str) -> Outcome {
    use WaitStrategy::{Adaptive, Park, Spin};
    for (what, nanos, slice, rounds) in [
        ("1 kHz", 1_000_000, 1000, 3),
        ("48 kHz, 128", 2_666_667, 1000, 3),
        ("idle", 2_500_000_000, 10_000, 1),
    ] {
        let mut plan = bench.plan(slice, rounds, 1);
        plan.rest = Duration::from_nanos(nanos);
        let variants = [Spin, Park, Adaptive].map(|strategy| {
            let options = RingOptions::new(64).wait_strategy(strategy);
            let link = bench.rings.link(&format!("{strategy:?} {what}"), &options);
            link.variant(&format!("{strategy:?}"), TASK)
        });
        let title = format!("messages at a fixed interval, {what}: taken after the push");
        let scores = in_processes(&title, bench.two()?, plan, variants.into())?;
        bench.show(&format!("periodic {what}"), &scores, "Spin");
    }
    Ok(())
}

/// Rescues: sleeps after a lost wake-up, which a timeout ended.
fn rescues(bench: &mut Bench, _: &str) -> Outcome {
    let (rescues, rings) = bench.rings.rescues()?;
    bench.say(format!("\nrescues on the bench's {rings} rings: {rescues}"));
    let rescues = Spread::of([rescues as f64]);
    bench.bar("rescues", rescues, Limit("<=", 0.0), false);
    Ok(())
}
