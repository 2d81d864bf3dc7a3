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

use common::interleaved::{self, Plan, Scores, Variant};
use common::link::{RoundTrip, Stream};
use common::machine::Machine;
use common::message::numbered;
use common::output::Output;
use common::placement::Placement;
use common::progress::Progress;
use common::rings::Rings;
use common::spread::show_nanos;
use common::targets::{Limit, Report};
#[cfg(feature = "futures")]
use common::waits::Async;
use common::waits::{Polling, Selecting};
use common::{close, futex, idle, periodic, sockets, supervisor};

/// Measures what sleeping costs, as ratios of interleaved slices
#[derive(Debug, Clone, Parser)]
struct Arguments {
    #[command(flatten)]
    output: Output,
    /// Runs only these parts
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
}

/// The parts of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Parked round trips between two CPUs.
    Apart,
    /// Parked round trips on one CPU.
    Together,
    /// Parked round trips over many rings at once, in async code and in event loops.
    Many,
    /// Round trips with spinning endpoints.
    Spinning,
    /// Streams of 8-byte messages.
    Streaming,
    /// An idle endpoint.
    Idle,
    /// A close while the peer sleeps.
    Close,
    /// Messages at a fixed interval.
    Periodic,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    supervisor::supervise([Path::new("/dev/shm")], |[directory]| {
        let mut bench = Bench {
            rings: Rings::new(directory),
            report: Report::default(),
            progress: Progress::new(),
            quick: arguments.output.quick,
            only: arguments.only.clone(),
        };
        bench.run(directory)?;
        arguments
            .output
            .keep("parked", &bench.report, arguments.only.is_empty())
    })
}

struct Bench {
    rings: Rings,
    report: Report,
    progress: Progress,
    quick: bool,
    only: Vec<Part>,
}

/// The variants of a comparison.
type Variants = Vec<Box<dyn Variant>>;

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
const SELECTS: [(usize, Limit); 3] = [
    (1, Limit::AtMost(1.15)),
    (8, Limit::AtMost(1.15)),
    (64, Limit::AtMost(1.25)),
];

/// The time in which an endpoint is certain to park.
const REST: Duration = Duration::from_micros(60);

/// The name of the variant for the kernel's part.
fn waitv(count: usize) -> String {
    format!("bare waitv of {count}")
}

/// The name of a `Select` over this many rings.
fn select(count: usize) -> String {
    format!("{RING}, Select of {count}")
}

impl Bench {
    fn run(&mut self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let machine = Machine::find()?;
        println!("{}", machine.line());
        println!("a figure is the median of slices; in brackets, their interquartile range");
        self.report.figure("machine", machine.json());
        let together = Placement::together()?;
        if let Some(apart) = machine.apart() {
            self.part(Part::Apart, |bench| bench.parked("apart", apart, directory))?;
            self.part(Part::Many, |bench| bench.many(apart, directory))?;
            self.part(Part::Spinning, |bench| bench.spinning(apart))?;
            self.part(Part::Streaming, |bench| bench.streaming(apart))?;
        }
        self.part(Part::Together, |bench| {
            bench.parked("together", together, directory)
        })?;
        let placement = machine.apart().unwrap_or(together);
        self.part(Part::Idle, |bench| bench.idle(placement))?;
        self.part(Part::Close, |bench| bench.close(placement))?;
        if let Some(apart) = machine.apart() {
            self.part(Part::Periodic, |bench| bench.periodic(apart))?;
        }
        self.rescues()
    }

    /// Runs a part, if it is selected.
    fn part(
        &mut self,
        part: Part,
        run: impl FnOnce(&mut Self) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        if self.only.is_empty() || self.only.contains(&part) {
            run(self)
        } else {
            Ok(())
        }
    }

    /// The plan of a comparison with slices of this many milliseconds.
    fn plan(&self, slice: u64, rounds: usize, batch: u64) -> Plan {
        Plan::new(self.quick, slice, rounds, batch)
    }

    /// Each message is sent to a receiver that sleeps in the kernel.
    fn parked(
        &mut self,
        name: &str,
        placement: Placement,
        directory: &Path,
    ) -> Result<(), Box<dyn Error>> {
        let ring_name = format!("{RING} {name}");
        let semaphore_name = format!("{RING} semaphore {name}");
        let options = RingOptions::new(1024).prefault(true).spin(Duration::ZERO);
        let semaphore = options.clone().doorbell(DoorbellKind::Semaphore);
        let words =
            |what: &str, patience| futex::wire(&directory.join(format!("{what}-{name}")), patience);
        // The ring's interval of liveness checks.
        let look = Some(Duration::from_millis(100));
        let variants: Variants = vec![
            Box::new(RoundTrip::new(FUTEX, words("bare", None)?)),
            Box::new(RoundTrip::new(RING, self.rings.link(&ring_name, &options))),
            Box::new(RoundTrip::new(
                SEMAPHORE,
                self.rings.link(&semaphore_name, &semaphore),
            )),
            Box::new(RoundTrip::new(
                "futex with deadline",
                words("deadline", look)?,
            )),
            Box::new(RoundTrip::new(
                TRANSPORTS[0],
                numbered::<8, _>(sockets::pipes()?),
            )),
            Box::new(RoundTrip::new(
                TRANSPORTS[1],
                numbered::<8, _>(sockets::unix()?),
            )),
            Box::new(RoundTrip::new(
                TRANSPORTS[2],
                numbered::<8, _>(sockets::tcp()?),
            )),
            Box::new(RoundTrip::new(
                TRANSPORTS[3],
                numbered::<8, _>(sockets::udp()?),
            )),
        ];
        let title = format!(
            "parked round trip of 8 bytes, no spinning, CPUs {} and {}",
            placement.lead, placement.partner
        );
        let plan = self.plan(50, 40, 1);
        let scores = interleaved::run(&title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(FUTEX));
        self.report.figure(&format!("parked_{name}"), scores.json());
        for (name, ring) in [(RING, ring_name), (SEMAPHORE, semaphore_name)] {
            let woke = self.rings.woke(&ring)? * 100.0;
            println!("  {name}: {woke:.1} % of the messages found their receiver parked");
        }
        let bar = |transport: &str| format!("parked_{name}_over_{transport}");
        if placement.lead != placement.partner {
            let ratio = scores.ratio(RING, FUTEX);
            self.report.bar(&bar("futex"), ratio, Limit::AtMost(1.10));
        }
        for transport in TRANSPORTS {
            let ratio = scores.ratio(RING, transport);
            println!("  {RING} takes {ratio} of {transport}");
            self.report.bar(&bar(transport), ratio, Limit::Below(1.0));
        }
        Ok(())
    }

    /// The same as [`parked`](Self::parked), with other kinds of wait. Each receiver gets
    /// time to park: a sleep on 64 words takes the kernel longer than a reply.
    fn many(&mut self, placement: Placement, directory: &Path) -> Result<(), Box<dyn Error>> {
        let options = RingOptions::new(64).prefault(true).spin(Duration::ZERO);
        let words = futex::wire(&directory.join("bare-many"), None)?;
        let rings = &self.rings;
        let mut variants: Variants = vec![
            Box::new(RoundTrip::new(FUTEX, words).rested(REST)),
            Box::new(RoundTrip::new(RING, rings.link("alone", &options)).rested(REST)),
        ];
        for (count, _) in SELECTS {
            let words = futex::wire_many(&directory.join(format!("bare-{count}")), count)?;
            variants.push(Box::new(RoundTrip::new(&waitv(count), words).rested(REST)));
            let link = Selecting::open(rings, count, &options);
            variants.push(Box::new(RoundTrip::new(&select(count), link).rested(REST)));
        }
        let polling = Polling::open(rings, "pollable", &options);
        variants.push(Box::new(RoundTrip::new(POLLABLE, polling).rested(REST)));
        #[cfg(feature = "futures")]
        {
            let link = Async::open(rings, "async", &options);
            variants.push(Box::new(RoundTrip::new(ASYNC, link).rested(REST)));
        }
        let title = "parked round trip of 8 bytes, with other kinds of wait";
        let plan = self.plan(50, 40, 1);
        let scores = interleaved::run(title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(FUTEX));
        self.report.figure("parked_many", scores.json());
        for (count, limit) in SELECTS {
            let ratio = scores.ratio(&select(count), FUTEX);
            let bar = format!("parked_select_{count}_over_futex");
            self.report.bar(&bar, ratio, limit);
            let of_many = scores.ratio(&select(count), &waitv(count));
            println!(
                "  of {count}: {of_many} of the bare futex_waitv over the same number of words"
            );
            let woke = self.rings.all_woke(&Selecting::names(count))? * 100.0;
            println!("  of {count}: {woke:.1} % of the messages found their receiver parked");
        }
        println!(
            "  async and pollable endpoints: each message wakes the thread quoit-reactor, which wakes the receiver"
        );
        if cfg!(not(feature = "futures")) {
            println!("  async endpoints need --features futures");
        }
        Ok(())
    }

    /// Both endpoints spin and the reply always arrives in time; one pair is allowed to park.
    fn spinning(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let options = RingOptions::new(1024).prefault(true);
        let pair = |name: &str, options: &RingOptions| -> Box<dyn Variant> {
            let link = self.rings.link("trip", options);
            Box::new(RoundTrip::new(name, link).reopened())
        };
        let variants = vec![
            pair(
                SPIN_ONLY,
                &options.clone().wait_strategy(WaitStrategy::Spin),
            ),
            pair(PARKING, &options),
        ];
        let plan = self.plan(100, 50, 32);
        let title = "spinning round trip of 8 bytes, with and without parking";
        let scores = interleaved::run(title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(SPIN_ONLY));
        self.report.figure("spinning", scores.json());
        let ratio = scores.ratio(PARKING, SPIN_ONLY).median;
        self.report.bar(
            "spinning_parking_over_spin_only",
            ratio,
            Limit::AtMost(1.02),
        );
        Ok(())
    }

    /// A stream with single pushes and single pops.
    fn streaming(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        // Four laps per batch, so that each batch needs the consumer.
        let options = RingOptions::new(1024).prefault(true);
        let pair = |name: &str, options: &RingOptions| -> Box<dyn Variant> {
            let link = self.rings.link("stream", options);
            Box::new(Stream::new(name, link).reopened())
        };
        let variants = vec![
            pair(
                SPIN_ONLY,
                &options.clone().wait_strategy(WaitStrategy::Spin),
            ),
            pair(PARKING, &options),
            pair(SYMMETRIC, &options.clone().fences(Fences::Symmetric)),
        ];
        let plan = self.plan(100, 40, 4096);
        let title = "stream of 8-byte messages, single push and pop, to a peer that does not sleep";
        let scores = interleaved::run(title, placement, &plan, variants, &self.progress)?;
        println!();
        println!("{title}");
        println!("{}", scores.table(SPIN_ONLY));
        self.report.figure("streaming", scores.json());
        let throughput = |scores: &Scores, name| 1.0 / scores.ratio(name, SPIN_ONLY).median;
        let parking = throughput(&scores, PARKING);
        self.report.bar(
            "streaming_parking_over_spin_only",
            parking,
            Limit::AtLeast(0.97),
        );
        let symmetric = throughput(&scores, SYMMETRIC);
        println!("  with symmetric fences the throughput is {symmetric:.3} of spin only");
        Ok(())
    }

    /// A consumer that gets no messages.
    fn idle(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let doorbells = [DoorbellKind::Futex, DoorbellKind::Semaphore];
        let length = Duration::from_secs(if self.quick { 2 } else { 10 });
        let cpu = placement.partner;
        let idles = idle::measure(&self.rings, &doorbells, cpu, length, &self.progress)?;
        println!();
        println!("an idle consumer over {} s", length.as_secs());
        for (doorbell, idle) in doorbells.iter().zip(&idles) {
            println!(
                "  {doorbell:?}: {:.1} sleeps/s, {:.1} switches/s, {:.4} % of a CPU",
                idle.parks_per_second(),
                idle.switches_per_second(),
                idle.cpu_percent()
            );
            let name = format!("idle_{doorbell:?}").to_lowercase();
            let wake_ups = idle.switches_per_second();
            self.report.bar(
                &format!("{name}_wake_ups_per_second"),
                wake_ups,
                Limit::AtMost(11.0),
            );
            let percent = idle.cpu_percent();
            self.report
                .bar(&format!("{name}_cpu_percent"), percent, Limit::Below(0.1));
            let value = json!({
                "seconds": idle.seconds, "parks": idle.parks,
                "switches": idle.switches, "cpu_seconds": idle.cpu_seconds,
            });
            self.report.figure(&name, value);
        }
        Ok(())
    }

    /// One message per period to a consumer with each wait strategy. Control loops (1 kHz)
    /// and audio (blocks of 128 at 48 kHz) send such messages.
    fn periodic(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let strategies = [
            WaitStrategy::Spin,
            WaitStrategy::Park,
            WaitStrategy::Adaptive,
        ];
        let rounds = if self.quick { 1 } else { 3 };
        let length = Duration::from_secs(1);
        println!();
        for (name, period) in [
            ("1 kHz", Duration::from_millis(1)),
            ("48 kHz/128", Duration::from_nanos(2_666_667)),
        ] {
            println!("messages at a fixed interval, {name}: median of {rounds} slices");
            let mut slices = [const { Vec::new() }; 3];
            for _ in 0..rounds {
                for (slices, strategy) in slices.iter_mut().zip(strategies) {
                    let slice = periodic::measure(&self.rings, strategy, period, length, placement);
                    slices.push(slice?);
                }
            }
            for (slices, strategy) in slices.iter().zip(strategies) {
                let median = |figure: fn(&periodic::Periodic) -> f64| {
                    let mut figures: Vec<f64> = slices.iter().map(figure).collect();
                    figures.sort_by(f64::total_cmp);
                    figures[figures.len() / 2]
                };
                let (p50, p99) = (median(|one| one.late_p50), median(|one| one.late_p99));
                let (push, cpu) = (median(|one| one.push_p50), median(|one| one.cpu_percent));
                println!(
                    "  {:9} received {} after the push (p99 {}), push {}, consumer {cpu:.1} % of a CPU",
                    format!("{strategy:?}:"),
                    show_nanos(p50),
                    show_nanos(p99),
                    show_nanos(push)
                );
                let value = json!({
                    "late_p50": p50, "late_p99": p99, "push_p50": push, "cpu_percent": cpu,
                });
                self.report
                    .figure(&format!("periodic {name} {strategy:?}"), value);
            }
        }
        Ok(())
    }

    /// The producer closes while the consumer sleeps.
    fn close(&mut self, placement: Placement) -> Result<(), Box<dyn Error>> {
        let count = if self.quick { 20 } else { 200 };
        let closes = close::measure(&self.rings, placement, count, &self.progress)?;
        let nanos = closes.nanos;
        println!();
        println!(
            "close to a consumer that sleeps in pop: {} median, {} worst of {}; {} by a wake, not by a timeout ({} more were too late to tell)",
            show_nanos(nanos.median),
            show_nanos(nanos.worst),
            nanos.count,
            closes.woken,
            closes.unclear
        );
        let share = closes.woken as f64 / nanos.count as f64;
        self.report
            .bar("close_woke_the_sleeper", share, Limit::AtLeast(1.0));
        let value = json!({
            "nanoseconds": nanos.json(), "worst": nanos.worst,
            "woken": closes.woken, "unclear": closes.unclear,
        });
        self.report.figure("close", value);
        Ok(())
    }

    /// Rescues: sleeps after a lost wake-up, which a timeout ended.
    fn rescues(&mut self) -> Result<(), Box<dyn Error>> {
        let (rescues, rings) = self.rings.rescues()?;
        println!();
        println!("rescues on the bench's {rings} rings: {rescues}");
        self.report
            .bar("rescues", rescues as f64, Limit::AtMost(0.0));
        Ok(())
    }
}
