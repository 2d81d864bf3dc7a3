//! Variants that take turns.
//!
//! The bench's process leads; a forked partner has the far end of every
//! variant. In each round every variant has one slice, in an order that moves
//! on by one from round to round. A slice begins with a warm-up that is not
//! measured.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::child::{Child, Outcome};
use super::placement::{Placement, pin};
use super::progress::Progress;
use super::spread::{Spread, show_nanos};
use super::switches;

/// Which of the two processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Lead,
    Partner,
}

/// Something to measure, in two processes or threads.
pub(crate) trait Variant {
    fn name(&self) -> &str;
    /// Takes this process's end and leaves the other to the other process.
    fn open(&mut self, side: Side);
    /// Gets ready for a slice; the other process does the same.
    fn prepare(&mut self);
    /// One slice: how long each batch took, in nanoseconds.
    fn lead(&mut self, plan: &Plan) -> Histogram<u64>;
    /// The partner's part of one slice.
    fn follow(&mut self);
}

/// How a contest is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How long a slice is measured.
    pub(crate) slice: Duration,
    /// How long each slice runs before.
    pub(crate) warm_up: Duration,
    pub(crate) rounds: usize,
    /// Operations between two looks at the clock. Few, so that most batches
    /// are over before somebody else wants the processor: a slice's figure is
    /// the median of its batches.
    pub(crate) batch: u64,
}

impl Plan {
    /// Rounds of slices of so many milliseconds; quick ones are a fourth as
    /// many of a fourth the length.
    pub(crate) fn new(quick: bool, slice: u64, rounds: usize, batch: u64) -> Self {
        let share = if quick { 4 } else { 1 };
        let slice = Duration::from_millis(slice) / share;
        Self {
            slice,
            warm_up: slice / 10,
            rounds: rounds.div_ceil(share as usize),
            batch,
        }
    }
}

/// A histogram of nanoseconds up to a minute, exact to a tenth of a percent.
pub(crate) fn nanos() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("fixed bounds are valid")
}

/// What was measured of one variant.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) name: String,
    batch: f64,
    /// Nanoseconds of one operation in each slice: the median of its batches.
    slices: Vec<f64>,
    /// The same as means.
    means: Vec<f64>,
    /// Every batch of every slice.
    batches: Histogram<u64>,
}

impl Score {
    /// The median of the slices.
    pub(crate) fn nanos(&self) -> f64 {
        Spread::of(self.slices.iter().copied()).median
    }

    /// Operations that were measured.
    pub(crate) fn operations(&self) -> u64 {
        self.batches.len() * self.batch as u64
    }

    /// Which share of the operations took at most how many nanoseconds, with ever
    /// finer steps towards the slowest.
    fn percentiles(&self) -> Value {
        let steps = self.batches.iter_quantiles(5);
        let point = |share: f64, nanos: u64| json!([share * 100.0, nanos]);
        steps
            .map(|step| point(step.quantile_iterated_to(), step.value_iterated_to()))
            .collect()
    }

    fn quantile(&self, share: f64) -> f64 {
        self.batches.value_at_quantile(share) as f64 / self.batch
    }
}

/// Nanoseconds of a bare line there and back from which on two processors share no cache.
const FAR: f64 = 200.0;
/// Times in a second that others may take a processor before a verdict is worth nothing.
pub(crate) const DISTURBED: f64 = 100.0;

/// What was measured of all.
#[derive(Debug)]
pub(crate) struct Scores {
    title: String,
    scores: Vec<Score>,
    /// How often in a second somebody else took a processor from either
    /// process: how far the machine was the bench's own. `None` on one
    /// processor, which the two take from each other.
    preempted: Option<f64>,
}

impl Scores {
    /// On one processor the two take it from each other, which says nothing.
    fn on(mut self, placement: Placement) -> Self {
        self.preempted = self
            .preempted
            .filter(|_| placement.lead != placement.partner);
        self
    }

    pub(crate) fn of(&self, name: &str) -> &Score {
        let score = self.scores.iter().find(|score| score.name == name);
        score.unwrap_or_else(|| panic!("no variant is called {name}"))
    }

    /// How long `name` took beside `other` in each round.
    pub(crate) fn ratio(&self, name: &str, other: &str) -> Spread {
        Spread::of(self.ratios(name, other))
    }

    /// How many times as long as `name` the fastest of `rivals` took in each round.
    pub(crate) fn ratio_of_fastest(&self, rivals: &[&str], name: &str) -> Spread {
        let ratios = rivals.iter().map(|rival| self.ratios(rival, name));
        let fastest = ratios.reduce(|fastest, ratios| {
            let both = fastest.into_iter().zip(ratios);
            both.map(|(a, b)| a.min(b)).collect()
        });
        Spread::of(fastest.expect("at least one rival"))
    }

    fn ratios(&self, name: &str, other: &str) -> Vec<f64> {
        let (name, other) = (self.of(name), self.of(other));
        let slices = name.slices.iter().zip(&other.slices);
        slices.map(|(a, b)| a / b).collect()
    }

    /// The rounds in which a bare line, `line`, took less than [`FAR`] nanoseconds there
    /// and back, and the others. A virtual processor may move between two rounds.
    pub(crate) fn by_distance(&self, line: &str) -> [(&'static str, Self); 2] {
        let line = &self.of(line).slices;
        [("near", false), ("far", true)].map(|(name, is_far)| {
            let is_there = |round: usize| (line[round] >= FAR) == is_far;
            (name, self.only(is_there))
        })
    }

    fn only(&self, is_there: impl Fn(usize) -> bool) -> Self {
        let pick = |slices: &[f64]| {
            let rounds = slices.iter().enumerate();
            let there = rounds.filter(|(round, _)| is_there(*round));
            there.map(|(_, &slice)| slice).collect()
        };
        let scores = self.scores.iter().map(|score| Score {
            name: score.name.clone(),
            batch: score.batch,
            slices: pick(&score.slices),
            means: pick(&score.means),
            batches: score.batches.clone(),
        });
        Self {
            title: self.title.clone(),
            scores: scores.collect(),
            preempted: self.preempted,
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.scores.first().map_or(0, |score| score.slices.len())
    }

    /// Whether others took the processors so often that no verdict holds.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.preempted.is_some_and(|count| count > DISTURBED)
    }

    /// One line for each variant, with its ratio to `base`, and one on the machine; in
    /// 80 columns.
    pub(crate) fn table(&self, base: &str) -> String {
        let one_by_one = self.scores.iter().all(|score| score.batch == 1.0);
        let head = match one_by_one {
            true => format!("{:>11}{:>11}{:>11}", "time", "p99", "p99.9"),
            false => format!("{:>11}{:>12}", "time", "per second"),
        };
        let mut table = format!("  {:24}{head}  of {base}\n", "");
        for score in &self.scores {
            table += &format!("  {:24}{:>11}", score.name, show_nanos(score.nanos()));
            let ratio = self.ratio(&score.name, base);
            table += &match one_by_one {
                true => format!(
                    "{:>11}{:>11}  {:.3}\n",
                    show_nanos(score.quantile(0.99)),
                    show_nanos(score.quantile(0.999)),
                    ratio.median
                ),
                false => format!("{:>10.1} M  {ratio}\n", 1e3 / score.nanos()),
            };
        }
        table + &self.preempted()
    }

    /// How far the machine was the bench's own.
    pub(crate) fn preempted(&self) -> String {
        let line =
            |count| format!("  meanwhile others took a CPU from the two {count:.0} times a second");
        self.preempted.map_or_else(String::new, line)
    }

    pub(crate) fn json(&self) -> Value {
        let scores = self.scores.iter().map(|score| {
            let value = json!({
                "nanoseconds": score.nanos(),
                "operations": score.operations(),
                "batch": score.batch,
                "p50": score.quantile(0.5),
                "p99": score.quantile(0.99),
                "p999": score.quantile(0.999),
                "slices": score.slices,
                "means": score.means,
            });
            let mut value = value;
            if score.batch == 1.0 {
                value["percentiles"] = score.percentiles();
            }
            (score.name.clone(), value)
        });
        let order: Vec<&str> = self.scores.iter().map(|score| &*score.name).collect();
        json!({
            "title": self.title,
            "preempted_per_second": self.preempted,
            "order": order,
            "variants": Value::Object(scores.collect()),
        })
    }
}

/// Ends a process whose partner has failed: it would wait for ever.
struct Alarm {
    lead: libc::pid_t,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // SAFETY: the call takes no memory; the lead lives, or this process
            // would have died with it.
            unsafe { libc::kill(self.lead, libc::SIGKILL) };
        }
    }
}

/// Lets the variants take turns, the lead and its partner on these processors.
pub(crate) fn run(
    title: &str,
    placement: Placement,
    plan: &Plan,
    mut variants: Vec<Box<dyn Variant>>,
    progress: &Progress,
) -> Result<Scores, Box<dyn Error>> {
    // SAFETY: the call takes no memory.
    let lead = unsafe { libc::getpid() };
    let mut partner = Child::fork(|control| {
        let _alarm = Alarm { lead };
        follow(placement.partner, control, &mut variants)
    })?;
    let tasks = [lead, partner.pid()];
    pin(placement.lead)?;
    let scores = rounds(title, plan, variants, &mut partner.control, tasks, progress)?;
    partner.succeed()?;
    Ok(scores.on(placement))
}

/// As [`run`], with a thread as the partner: for what cannot leave its process.
/// Each of the two makes its own variants.
pub(crate) fn run_in_threads(
    title: &str,
    placement: Placement,
    plan: &Plan,
    make: impl Fn() -> Vec<Box<dyn Variant>> + Sync,
    progress: &Progress,
) -> Result<Scores, Box<dyn Error>> {
    // SAFETY: the call takes no memory.
    let lead = unsafe { libc::getpid() };
    let (mut control, partners) = UnixStream::pair()?;
    let (tell, told) = mpsc::channel();
    let make = &make;
    thread::scope(|scope| {
        scope.spawn(move || {
            let _alarm = Alarm { lead };
            // SAFETY: the call takes no memory.
            tell.send(unsafe { libc::gettid() })
                .expect("it is waited for");
            let followed = follow(placement.partner, partners, &mut make());
            followed.expect("the lead is there");
        });
        let tasks = [lead, told.recv()?];
        pin(placement.lead)?;
        let scores = rounds(title, plan, make(), &mut control, tasks, progress)?;
        drop(control);
        Ok(scores.on(placement))
    })
}

/// The lead's life. The two tasks are asked who took their processors.
fn rounds(
    title: &str,
    plan: &Plan,
    mut variants: Vec<Box<dyn Variant>>,
    control: &mut UnixStream,
    tasks: [libc::pid_t; 2],
    progress: &Progress,
) -> Result<Scores, Box<dyn Error>> {
    for variant in &mut variants {
        variant.open(Side::Lead);
    }
    let mut scores: Vec<Score> = variants
        .iter()
        .map(|variant| Score {
            name: variant.name().to_owned(),
            batch: plan.batch as f64,
            slices: Vec::with_capacity(plan.rounds),
            means: Vec::with_capacity(plan.rounds),
            batches: nanos(),
        })
        .collect();
    let count = variants.len();
    let preempted = || -> io::Result<u64> {
        Ok(switches::involuntary(tasks[0])? + switches::involuntary(tasks[1])?)
    };
    let (begin, before) = (Instant::now(), preempted()?);
    // The first round warms up what a slice's own warm-up does not: it is not
    // kept.
    for round in 0..=plan.rounds {
        progress.show(title, round, plan.rounds);
        for turn in 0..count {
            let index = (round + turn) % count;
            control.write_all(&[index as u8])?;
            control.read_exact(&mut [0])?;
            variants[index].prepare();
            control.write_all(&[0])?;
            let batches = variants[index].lead(plan);
            control.read_exact(&mut [0])?;
            if round > 0 {
                let median = batches.value_at_quantile(0.5) as f64;
                scores[index].slices.push(median / plan.batch as f64);
                scores[index].means.push(batches.mean() / plan.batch as f64);
                scores[index].batches.add(&batches)?;
            }
        }
    }
    let preempted = (preempted()? - before) as f64 / begin.elapsed().as_secs_f64();
    progress.clear();
    Ok(Scores {
        title: title.to_owned(),
        scores,
        preempted: Some(preempted),
    })
}

/// The partner's life: one slice for each number that comes.
fn follow(
    cpu: usize,
    mut control: impl Read + Write,
    variants: &mut [Box<dyn Variant>],
) -> Outcome {
    pin(cpu).expect("the partner can be pinned");
    for variant in variants.iter_mut() {
        variant.open(Side::Partner);
    }
    let mut index = [0];
    loop {
        match control.read_exact(&mut index) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let variant = &mut variants[usize::from(index[0])];
        variant.prepare();
        control.write_all(&index)?;
        control.read_exact(&mut [0])?;
        variant.follow();
        control.write_all(&index)?;
    }
}
