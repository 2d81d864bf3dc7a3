//! Variants measured in interleaved slices.
//!
//! The bench's process leads; a forked partner has the other endpoint of every variant. In
//! each round every variant has one slice, in an order that rotates by one per round. A
//! slice begins with an unmeasured warm-up.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::process::{Pid, Signal, getpid, kill_process};
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

impl Side {
    /// What this process sends with and receives with, of what the lead does.
    pub(crate) fn ways<T>(self, [out, back]: [T; 2]) -> [T; 2] {
        match self {
            Self::Lead => [out, back],
            Self::Partner => [back, out],
        }
    }
}

/// A variant: something to measure, in two processes or threads.
pub(crate) trait Variant {
    fn name(&self) -> &str;
    /// Takes this process's endpoint and leaves the other one to the partner.
    fn open(&mut self, _side: Side) {}
    /// Prepares a slice; the partner does the same.
    fn prepare(&mut self) {}
    /// The lead's part of one slice: the nanoseconds of each batch.
    fn lead(&mut self, plan: &Plan) -> Histogram<u64>;
    /// The partner's part of one slice.
    fn follow(&mut self) {}
}

/// The variants of a comparison.
pub(crate) type Variants = Vec<Box<dyn Variant>>;

/// The plan of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The measured time of a slice.
    pub(crate) slice: Duration,
    /// The warm-up of each slice.
    pub(crate) warm_up: Duration,
    pub(crate) rounds: usize,
    /// Operations between two clock reads. Few, so that most batches finish without
    /// preemption: a slice's figure is the median of its batches.
    pub(crate) batch: u64,
}

impl Plan {
    /// Rounds of slices of this many milliseconds; a quick run divides both by four.
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

/// The measurements of one variant.
#[derive(Debug, Clone)]
pub(crate) struct Score {
    name: String,
    batch: f64,
    /// Nanoseconds per operation in each slice: the median of its batches.
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

    fn quantile(&self, share: f64) -> f64 {
        self.batches.value_at_quantile(share) as f64 / self.batch
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "nanoseconds": self.nanos(),
            "operations": self.batches.len() * self.batch as u64,
            "batch": self.batch,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
            "p999": self.quantile(0.999),
            "slices": self.slices,
            "means": self.means,
        });
        if self.batch == 1.0 {
            // With finer steps towards the slowest.
            let steps = self.batches.iter_quantiles(5);
            let points = steps.map(|step| {
                json!([
                    step.quantile_iterated_to() * 100.0,
                    step.value_iterated_to()
                ])
            });
            value["percentiles"] = points.collect();
        }
        value
    }
}

/// From this round trip of a bare line on, in nanoseconds, two processors share no cache.
const FAR: f64 = 200.0;
/// From this many involuntary context switches per second on, a verdict is inconclusive.
pub(crate) const DISTURBED: f64 = 100.0;

/// The measurements of all variants.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    pub(crate) title: String,
    scores: Vec<Score>,
    /// Involuntary context switches per second of the two processes: how busy the machine
    /// was with other work. `None` on one processor, where the two preempt each other.
    preempted: Option<f64>,
}

impl Scores {
    pub(crate) fn of(&self, name: &str) -> &Score {
        let score = self.scores.iter().find(|score| score.name == name);
        score.unwrap_or_else(|| panic!("there is no variant {name}"))
    }

    /// The ratio of `name` to `other` in each round.
    pub(crate) fn ratio(&self, name: &str, other: &str) -> Spread {
        Spread::of(self.ratios(name, other))
    }

    /// The ratio of the fastest of `others` to `name` in each round.
    pub(crate) fn ratio_of_fastest(&self, others: &[&str], name: &str) -> Spread {
        let ratios = others.iter().map(|other| self.ratios(other, name));
        let fastest = ratios.reduce(|fastest, ratios| {
            let both = fastest.into_iter().zip(ratios);
            both.map(|(a, b)| a.min(b)).collect()
        });
        Spread::of(fastest.expect("at least one variant"))
    }

    fn ratios(&self, name: &str, other: &str) -> Vec<f64> {
        let (name, other) = (self.of(name), self.of(other));
        let slices = name.slices.iter().zip(&other.slices);
        slices.map(|(a, b)| a / b).collect()
    }

    /// The rounds in which the round trip of a bare line, `line`, took less than [`FAR`]
    /// nanoseconds, and the other rounds. A virtual processor may move between two rounds.
    pub(crate) fn by_distance(&self, line: &str) -> [(&'static str, Self); 2] {
        let line = &self.of(line).slices;
        [("near", false), ("far", true)].map(|(name, is_far)| {
            let is_there = |round: usize| (line[round] >= FAR) == is_far;
            (name, self.only(is_there))
        })
    }

    fn only(&self, is_there: impl Fn(usize) -> bool) -> Self {
        let mut scores = self.clone();
        for score in &mut scores.scores {
            for slices in [&mut score.slices, &mut score.means] {
                let mut rounds = 0..;
                slices.retain(|_| rounds.next().is_some_and(&is_there));
            }
        }
        scores
    }

    pub(crate) fn rounds(&self) -> usize {
        self.scores.first().map_or(0, |score| score.slices.len())
    }

    /// Whether preemption makes every verdict inconclusive.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.preempted.is_some_and(|count| count > DISTURBED)
    }

    /// One line for each variant, with its ratio to `base`, and one line about preemption;
    /// in 80 columns.
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

    /// The line about preemption.
    pub(crate) fn preempted(&self) -> String {
        let line = |count| format!("  involuntary context switches: {count:.0} per second");
        self.preempted.map_or_else(String::new, line)
    }

    pub(crate) fn json(&self) -> Value {
        let variants = self
            .scores
            .iter()
            .map(|score| (score.name.clone(), score.json()));
        let order: Vec<&str> = self.scores.iter().map(|score| &*score.name).collect();
        json!({
            "title": self.title,
            "preempted_per_second": self.preempted,
            "order": order,
            "variants": Value::Object(variants.collect()),
        })
    }
}

/// Ends a process whose partner has failed: it would wait forever.
struct Alarm(Pid);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = kill_process(self.0, Signal::KILL);
        }
    }
}

/// What is compared, and how.
#[derive(Clone, Copy)]
pub(crate) struct Contest<'a> {
    pub(crate) title: &'a str,
    pub(crate) placement: Placement,
    pub(crate) plan: Plan,
    pub(crate) progress: &'a Progress,
}

impl Contest<'_> {
    /// Measures the variants in interleaved slices, the lead and its partner on the two
    /// processors.
    pub(crate) fn in_processes(&self, mut variants: Variants) -> Result<Scores, Box<dyn Error>> {
        let lead = getpid();
        let mut partner = Child::fork(|control| {
            let _alarm = Alarm(lead);
            follow(self.placement.partner, control, &mut variants)
        })?;
        let tasks = [lead, partner.pid()];
        pin(self.placement.lead)?;
        let scores = self.rounds(variants, &mut partner.control, tasks)?;
        partner.succeed()?;
        Ok(scores)
    }

    /// The same with a thread as the partner, for variants that work in one process
    /// only. Each of the two threads builds its own variants.
    pub(crate) fn in_threads(
        &self,
        make: impl Fn() -> Variants + Sync,
    ) -> Result<Scores, Box<dyn Error>> {
        let lead = getpid();
        let (mut control, partners) = UnixStream::pair()?;
        let (tell, told) = mpsc::channel();
        let (make, cpu) = (&make, self.placement.partner);
        thread::scope(|scope| {
            scope.spawn(move || {
                let _alarm = Alarm(lead);
                tell.send(rustix::thread::gettid())
                    .expect("the lead joins it");
                follow(cpu, partners, &mut make()).expect("the lead waits");
            });
            let tasks = [lead, told.recv()?];
            pin(self.placement.lead)?;
            let scores = self.rounds(make(), &mut control, tasks)?;
            drop(control);
            Ok(scores)
        })
    }

    /// The lead's code. Counts the involuntary context switches of both tasks.
    fn rounds(
        &self,
        mut variants: Variants,
        control: &mut UnixStream,
        tasks: [Pid; 2],
    ) -> Result<Scores, Box<dyn Error>> {
        let Self {
            title,
            placement,
            plan,
            progress,
        } = self;
        for variant in &mut variants {
            variant.open(Side::Lead);
        }
        let score = |name: &str| Score {
            name: name.to_owned(),
            batch: plan.batch as f64,
            slices: Vec::with_capacity(plan.rounds),
            means: Vec::with_capacity(plan.rounds),
            batches: nanos(),
        };
        let scores = variants.iter().map(|variant| score(variant.name()));
        let mut scores: Vec<Score> = scores.collect();
        let count = variants.len();
        let preempted = || -> io::Result<u64> {
            Ok(switches::involuntary(tasks[0])? + switches::involuntary(tasks[1])?)
        };
        let (begin, before) = (Instant::now(), preempted()?);
        // The first round is an additional warm-up, and is dropped.
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
            title: (*title).to_owned(),
            scores,
            preempted: (placement.lead != placement.partner).then_some(preempted),
        })
    }
}

/// The partner's code: one slice for each number that it receives.
fn follow(
    cpu: usize,
    mut control: impl Read + Write,
    variants: &mut [Box<dyn Variant>],
) -> Outcome {
    pin(cpu).expect("the partner's processor can be set");
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
