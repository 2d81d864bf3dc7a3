//! What sleeping costs: parked and spinning round trips, parked ones over many rings, in
//! async code and in event loops, streams with parking and without, an idle endpoint, and a
//! close while the peer sleeps.
//!
//! ```text
//! cargo bench --bench parked                        about 100 seconds
//! cargo bench --bench parked -- --quick             about 10 seconds, less precise
//! cargo bench --bench parked -- --json parked.json
//! cargo bench --bench parked --features futures     also async endpoints
//! ```
//!
//! Each line `BAR name value limit ok|missed` has a target and the figure of this run.
//! Parked round trips are compared with the bare futex: two words, a store and a wake to
//! send, a load and a wait to receive. It carries four bytes, has no deadline and does not
//! detect a crash.
//!
//! Between two CPUs most of a parked round trip is the time that the kernel (or the host of
//! a virtual machine) takes to wake an idle processor. On one CPU most of it is
//! instructions. On a busy machine `nice -n -20` makes the figures more stable.

mod common;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use quoit::{DoorbellKind, Fences, RingOptions, WaitStrategy};
use serde_json::json;

use common::bench::{self, Bench};
use common::exchange::{Link, round_trip, stream};
use common::interleaved::{Side, Variant, Variants};
use common::message::numbered;
use common::output::Output;
use common::placement::Placement;
use common::spread::{Spread, show_nanos};
use common::targets::Limit;
use common::waits::{self, Selecting};
use common::{close, futex, idle, periodic, sockets};

/// Measures what sleeping costs, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs only these parts
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
}

/// The parts of the bench, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Parked round trips between two CPUs.
    Apart,
    /// Parked round trips over many rings at once, in async code and in event loops.
    Many,
    /// Round trips with spinning endpoints.
    Spinning,
    /// Streams of 8-byte messages.
    Streaming,
    /// Parked round trips on one CPU.
    Together,
    /// An idle endpoint.
    Idle,
    /// A close while the peer sleeps.
    Close,
    /// Messages at a fixed interval.
    Periodic,
}

fn main() -> ExitCode {
    let Arguments { output, only } = Arguments::parse();
    let place = [Path::new("/dev/shm")];
    bench::main(
        "parked",
        (&output, only.is_empty()),
        place,
        |bench, [directory]| {
            let together = Placement::together()?;
            let either = bench.apart.unwrap_or(together);
            for &part in Part::value_variants() {
                if !only.is_empty() && !only.contains(&part) {
                    continue;
                }
                match (part, bench.apart) {
                    (Part::Apart, Some(apart)) => parked(bench, "apart", apart, directory)?,
                    (Part::Many, Some(apart)) => many(bench, apart, directory)?,
                    (Part::Spinning, Some(apart)) => spinning(bench, apart)?,
                    (Part::Streaming, Some(apart)) => streaming(bench, apart)?,
                    (Part::Together, _) => parked(bench, "together", together, directory)?,
                    (Part::Idle, _) => idle(bench, either)?,
                    (Part::Close, _) => close(bench, either)?,
                    (Part::Periodic, Some(apart)) => periodic(bench, apart)?,
                    (_, None) => {}
                }
            }
            rescues(bench)
        },
    )
}

const RING: &str = "quoit";
const SEMAPHORE: &str = "quoit, semaphore";
const FUTEX: &str = "bare futex";
const TRANSPORTS: [&str; 4] = ["pipe", "unix", "tcp", "udp"];
const SPIN_ONLY: &str = "spin only";
const PARKING: &str = "parking";
const SYMMETRIC: &str = "parking, symmetric";

const POLLABLE: &str = "quoit, pollable";
#[cfg(feature = "futures")]
const ASYNC: &str = "quoit, async";
/// The numbers of rings in one wait, and the targets.
const SELECTS: [(usize, f64); 3] = [(1, 1.15), (8, 1.15), (64, 1.25)];

/// The name of the variant for the kernel's part.
fn waitv(count: usize) -> String {
    format!("bare waitv of {count}")
}

/// The name of a `Select` over this many rings.
fn select(count: usize) -> String {
    format!("{RING}, Select of {count}")
}

/// A round trip as a variant.
fn trip<L: Link + 'static>(name: &str, open: impl FnMut(Side) -> L + 'static) -> Box<dyn Variant> {
    Box::new(round_trip(name, open))
}

/// Each message is sent to a receiver that sleeps in the kernel.
fn parked(
    bench: &mut Bench,
    place: &str,
    placement: Placement,
    directory: &Path,
) -> Result<(), Box<dyn Error>> {
    let names = [
        format!("{RING} {place}"),
        format!("{RING} semaphore {place}"),
    ];
    let options = RingOptions::new(1024).prefault(true).spin(Duration::ZERO);
    let semaphore = options.clone().doorbell(DoorbellKind::Semaphore);
    let ring = |name: &str, options| bench.rings.link::<u64>(name, options);
    let words =
        |what: &str, patience| futex::wire(&directory.join(format!("{what}-{place}")), patience);
    // The ring's interval of liveness checks.
    let look = Some(Duration::from_millis(100));
    let variants: Variants = vec![
        trip(FUTEX, words("bare", None)?),
        trip(RING, ring(&names[0], &options)),
        trip(SEMAPHORE, ring(&names[1], &semaphore)),
        trip("futex with deadline", words("deadline", look)?),
        trip(TRANSPORTS[0], numbered::<8, _>(sockets::pipes()?)),
        trip(TRANSPORTS[1], numbered::<8, _>(sockets::unix()?)),
        trip(TRANSPORTS[2], numbered::<8, _>(sockets::tcp()?)),
        trip(TRANSPORTS[3], numbered::<8, _>(sockets::udp()?)),
    ];
    let title = format!(
        "parked round trip of 8 bytes, no spinning, CPUs {} and {}",
        placement.lead, placement.partner
    );
    let scores = bench.compare(&title, placement, bench.plan(50, 40, 1), variants)?;
    bench.show(&format!("parked_{place}"), &scores, FUTEX);
    for (variant, ring) in [RING, SEMAPHORE].into_iter().zip(names) {
        woke(bench, variant, &[ring])?;
    }
    let bar = |transport: &str| format!("parked_{place}_over_{transport}");
    if placement.lead != placement.partner {
        bench.bar(
            &bar("futex"),
            scores.ratio(RING, FUTEX),
            Limit::AtMost(1.10),
        );
    }
    for transport in TRANSPORTS {
        let ratio = scores.ratio(RING, transport);
        bench.say(format_args!("  {RING} takes {ratio} of {transport}"));
        bench.bar(&bar(transport), ratio, Limit::Below(1.0));
    }
    Ok(())
}

/// Prints how many messages of these links were sent to a parked receiver.
fn woke(bench: &Bench, variant: &str, links: &[String]) -> Result<(), Box<dyn Error>> {
    let percent = bench.rings.woke(links)? * 100.0;
    bench.say(format_args!(
        "  {variant}: {percent:.1} % of the messages found their receiver parked"
    ));
    Ok(())
}

/// The same as [`parked`], with other kinds of wait. Each receiver gets
/// time to park: a sleep on 64 words takes the kernel longer than a reply.
fn many(bench: &mut Bench, placement: Placement, directory: &Path) -> Result<(), Box<dyn Error>> {
    fn rested<L: Link + 'static>(
        name: &str,
        open: impl FnMut(Side) -> L + 'static,
    ) -> Box<dyn Variant> {
        // The time in which an endpoint is certain to park.
        Box::new(round_trip(name, open).rested(Duration::from_micros(60)))
    }
    let options = RingOptions::new(64).prefault(true).spin(Duration::ZERO);
    let rings = &bench.rings;
    let words = futex::wire(&directory.join("bare-many"), None)?;
    let mut variants = vec![
        rested(FUTEX, words),
        rested(RING, rings.link::<u64>("alone", &options)),
    ];
    for (count, _) in SELECTS {
        let words = futex::wire_many(&directory.join(format!("bare-{count}")), count)?;
        variants.push(rested(&waitv(count), words));
        variants.push(rested(
            &select(count),
            Selecting::open(rings, count, &options),
        ));
    }
    variants.push(rested(POLLABLE, waits::pollable(rings, &options)));
    #[cfg(feature = "futures")]
    variants.push(rested(ASYNC, waits::is_async(rings, &options)));
    let title = "parked round trip of 8 bytes, with other kinds of wait";
    let scores = bench.compare(title, placement, bench.plan(50, 40, 1), variants)?;
    bench.show("parked_many", &scores, FUTEX);
    for (count, limit) in SELECTS {
        let bar = format!("parked_select_{count}_over_futex");
        bench.bar(
            &bar,
            scores.ratio(&select(count), FUTEX),
            Limit::AtMost(limit),
        );
        let of_many = scores.ratio(&select(count), &waitv(count));
        bench.say(format_args!(
            "  of {count}: {of_many} of the bare futex_waitv over the same number of words"
        ));
        woke(bench, &format!("of {count}"), &Selecting::names(count))?;
    }
    bench.say("  async and pollable endpoints: each message wakes the thread quoit-reactor, which wakes the receiver");
    if cfg!(not(feature = "futures")) {
        bench.say("  async endpoints need --features futures");
    }
    Ok(())
}

/// Both endpoints spin and the reply always arrives in time; one pair is allowed to park.
fn spinning(bench: &mut Bench, placement: Placement) -> Result<(), Box<dyn Error>> {
    let options = RingOptions::new(1024).prefault(true);
    let spin = options.clone().wait_strategy(WaitStrategy::Spin);
    let pair = |name: &str, options| -> Box<dyn Variant> {
        Box::new(round_trip(name, bench.rings.link::<u64>("trip", options)).reopened())
    };
    let variants = vec![pair(SPIN_ONLY, &spin), pair(PARKING, &options)];
    let title = "spinning round trip of 8 bytes, with and without parking";
    let scores = bench.compare(title, placement, bench.plan(100, 50, 32), variants)?;
    bench.show("spinning", &scores, SPIN_ONLY);
    let ratio = scores.ratio(PARKING, SPIN_ONLY).median;
    bench.bar(
        "spinning_parking_over_spin_only",
        ratio,
        Limit::AtMost(1.02),
    );
    Ok(())
}

/// A stream with single pushes and single pops.
fn streaming(bench: &mut Bench, placement: Placement) -> Result<(), Box<dyn Error>> {
    let options = RingOptions::new(1024).prefault(true);
    let spin = options.clone().wait_strategy(WaitStrategy::Spin);
    let fences = options.clone().fences(Fences::Symmetric);
    let pair = |name: &str, options| -> Box<dyn Variant> {
        Box::new(stream(name, bench.rings.link::<u64>("stream", options)).reopened())
    };
    let variants = vec![
        pair(SPIN_ONLY, &spin),
        pair(PARKING, &options),
        pair(SYMMETRIC, &fences),
    ];
    let title = "stream of 8-byte messages, single push and pop, to a peer that does not sleep";
    // Four laps per batch, so that each batch needs the consumer.
    let scores = bench.compare(title, placement, bench.plan(100, 40, 4096), variants)?;
    bench.show("streaming", &scores, SPIN_ONLY);
    let throughput = |name| 1.0 / scores.ratio(name, SPIN_ONLY).median;
    let bar = "streaming_parking_over_spin_only";
    bench.bar(bar, throughput(PARKING), Limit::AtLeast(0.97));
    let symmetric = throughput(SYMMETRIC);
    bench.say(format_args!(
        "  with symmetric fences the throughput is {symmetric:.3} of spin only"
    ));
    Ok(())
}

/// A consumer that gets no messages.
fn idle(bench: &mut Bench, placement: Placement) -> Result<(), Box<dyn Error>> {
    let doorbells = [DoorbellKind::Futex, DoorbellKind::Semaphore];
    let length = Duration::from_secs(if bench.quick { 2 } else { 10 });
    let cpu = placement.partner;
    let idles = idle::measure(&bench.rings, &doorbells, cpu, length, &bench.progress)?;
    bench.say(format_args!(
        "\nan idle consumer over {} s",
        length.as_secs()
    ));
    for (doorbell, idle) in doorbells.iter().zip(&idles) {
        let [parks, switches] = [idle.parks, idle.switches].map(|count| count / idle.seconds);
        let percent = idle.cpu_seconds / idle.seconds * 100.0;
        bench.say(format_args!(
            "  {doorbell:?}: {parks:.1} sleeps/s, {switches:.1} switches/s, {percent:.4} % of a CPU"
        ));
        let name = format!("idle_{doorbell:?}").to_lowercase();
        let bar = format!("{name}_wake_ups_per_second");
        bench.bar(&bar, switches, Limit::AtMost(11.0));
        bench.bar(&format!("{name}_cpu_percent"), percent, Limit::Below(0.1));
        let value = json!({
            "seconds": idle.seconds, "parks": idle.parks,
            "switches": idle.switches, "cpu_seconds": idle.cpu_seconds,
        });
        bench.figure(&name, value);
    }
    Ok(())
}

/// One message per period to a consumer with each wait strategy. Control loops (1 kHz)
/// and audio (blocks of 128 at 48 kHz) send such messages.
fn periodic(bench: &mut Bench, placement: Placement) -> Result<(), Box<dyn Error>> {
    let strategies = [
        WaitStrategy::Spin,
        WaitStrategy::Park,
        WaitStrategy::Adaptive,
    ];
    let rounds = if bench.quick { 1 } else { 3 };
    let length = Duration::from_secs(1);
    for (name, period) in [
        ("1 kHz", Duration::from_millis(1)),
        ("48 kHz/128", Duration::from_nanos(2_666_667)),
    ] {
        bench.say(format_args!(
            "\nmessages at a fixed interval, {name}: median of {rounds} slices"
        ));
        let mut slices = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            for (slices, strategy) in slices.iter_mut().zip(strategies) {
                let slice = periodic::measure(&bench.rings, strategy, period, length, placement);
                slices.push(slice?);
            }
        }
        for (slices, strategy) in slices.iter().zip(strategies) {
            let median = |figure: fn(&periodic::Periodic) -> f64| {
                Spread::of(slices.iter().map(figure)).median
            };
            let (p50, p99) = (median(|one| one.late_p50), median(|one| one.late_p99));
            let (push, cpu) = (median(|one| one.push_p50), median(|one| one.cpu_percent));
            bench.say(format_args!(
                "  {:9} received {} after the push (p99 {}), push {}, consumer {cpu:.1} % of a CPU",
                format!("{strategy:?}:"),
                show_nanos(p50),
                show_nanos(p99),
                show_nanos(push)
            ));
            let value = json!({
                "late_p50": p50, "late_p99": p99, "push_p50": push, "cpu_percent": cpu,
            });
            bench.figure(&format!("periodic {name} {strategy:?}"), value);
        }
    }
    Ok(())
}

/// The producer closes while the consumer sleeps.
fn close(bench: &mut Bench, placement: Placement) -> Result<(), Box<dyn Error>> {
    let count = if bench.quick { 20 } else { 200 };
    let closes = close::measure(&bench.rings, placement, count, &bench.progress)?;
    let close::Closes {
        nanos,
        woken,
        unclear,
    } = closes;
    bench.say(format_args!(
        "\nclose to a consumer that sleeps in pop: {} median, {} worst of {}; {woken} by a wake, not by a timeout ({unclear} more were too late to tell)",
        show_nanos(nanos.median),
        show_nanos(nanos.worst),
        nanos.count
    ));
    let share = woken as f64 / nanos.count as f64;
    bench.bar("close_woke_the_sleeper", share, Limit::AtLeast(1.0));
    let value = json!({
        "nanoseconds": nanos.json(), "worst": nanos.worst, "woken": woken, "unclear": unclear,
    });
    bench.figure("close", value);
    Ok(())
}

/// Rescues: sleeps after a lost wake-up, which a timeout ended.
fn rescues(bench: &mut Bench) -> Result<(), Box<dyn Error>> {
    let (rescues, rings) = bench.rings.rescues()?;
    bench.say(format_args!(
        "\nrescues on the bench's {rings} rings: {rescues}"
    ));
    bench.bar("rescues", rescues as f64, Limit::AtMost(0.0));
    Ok(())
}
