//! Variants measured in interleaved slices.
//!
//! The bench's process leads; a forked partner has the other endpoint of every variant. In
//! each round every variant has one slice, in an order that rotates by one per round. A
//! slice begins with an unmeasured warm-up.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::link::Side;
use super::placement::{Placement, pin};
use super::process::{Child, Outcome};
use super::scores::{Score, Scores};

/// Something to measure, in two processes or threads.
pub(crate) trait Slices {
    /// Prepares a slice; the other side does the same.
    fn prepare(&mut self, side: Side);
    /// The lead's part of one slice: the nanoseconds of each batch.
    fn lead(&mut self, plan: &Plan) -> Histogram<u64>;
    /// The partner's part of one slice.
    fn follow(&mut self, plan: &Plan);
}

/// A variant of a comparison, by its name.
pub(crate) type Variant = (String, Box<dyn Slices>);

/// The variants of a comparison.
pub(crate) type Variants = Vec<Variant>;

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
    /// How long a sender waits before each message of a batch of one. Figures exclude the wait.
    pub(crate) rest: Duration,
}

/// A histogram of nanoseconds up to a minute, exact to a tenth of a percent.
pub(crate) fn nanos() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("fixed bounds are valid")
}

/// What this thread has used: percent of a second of its processor, how often it slept, and how
/// often it was preempted.
fn usage() -> [f64; 3] {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("the kernel counts");
    let cpu = (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e4;
    let preempted = usage.involuntary_context_switches() as f64;
    [cpu, usage.voluntary_context_switches() as f64, preempted]
}

/// Measures the variants in interleaved slices, the lead and its partner on these two
/// processors.
pub(crate) fn in_processes(
    title: &str,
    placement: Placement,
    plan: Plan,
    mut variants: Variants,
) -> Result<Scores, Box<dyn Error>> {
    let mut partner = Child::fork(|control| follow(placement, plan, control, &mut variants))?;
    lead(title, placement, plan, variants, &mut partner.control)
}

/// The same with a thread as the partner, for variants that work in one process
/// only. Each of the two threads builds its own variants.
pub(crate) fn in_threads(
    title: &str,
    placement: Placement,
    plan: Plan,
    make: impl Fn() -> Variants + Sync,
) -> Result<Scores, Box<dyn Error>> {
    let (mut control, partners) = UnixStream::pair()?;
    thread::scope(|scope| {
        scope.spawn(|| follow(placement, plan, partners, &mut make()).expect("the lead waits"));
        let scores = lead(title, placement, plan, make(), &mut control);
        drop(control);
        scores
    })
}

/// The lead's code. Counts the involuntary context switches of both sides.
fn lead(
    title: &str,
    placement: Placement,
    plan: Plan,
    mut variants: Variants,
    control: &mut UnixStream,
) -> Result<Scores, Box<dyn Error>> {
    pin(placement.lead)?;
    let scores = variants.iter();
    let scores = scores.map(|(name, _)| Score::new(name, plan.batch));
    let mut scores: Vec<Score> = scores.collect();
    let count = variants.len();
    // Only on a terminal.
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta:>4}")?;
    let progress = ProgressBar::new(plan.rounds as u64).with_style(style);
    progress.set_message(title.to_owned());
    let (begin, first) = (Instant::now(), usage());
    let mut preempted = [0; 8];
    // The first round is an additional warm-up, and is dropped.
    for round in 0..=plan.rounds {
        progress.set_position(round as u64);
        for turn in 0..count {
            let index = (round + turn) % count;
            control.write_all(&[index as u8])?;
            variants[index].1.prepare(Side::Lead);
            control.read_exact(&mut [0])?;
            control.write_all(&[0])?;
            let (begin, before) = (Instant::now(), usage());
            let batches = variants[index].1.lead(&plan);
            if round > 0 {
                let (seconds, after) = (begin.elapsed().as_secs_f64(), usage());
                let used = [0, 1].map(|what| (after[what] - before[what]) / seconds);
                scores[index].add(&batches, used)?;
            }
            control.read_exact(&mut preempted)?;
        }
    }
    let preempted = usage()[2] - first[2] + f64::from_ne_bytes(preempted);
    let per_second = preempted / begin.elapsed().as_secs_f64();
    progress.finish_and_clear();
    Ok(Scores {
        title: title.to_owned(),
        scores,
        preempted: placement.is_apart().then_some(per_second),
    })
}

/// The partner's code: one slice for each number that it receives. After each it sends the
/// number of its involuntary context switches.
fn follow(
    placement: Placement,
    plan: Plan,
    mut control: UnixStream,
    variants: &mut Variants,
) -> Outcome {
    pin(placement.partner)?;
    let mut index = [0];
    loop {
        match control.read_exact(&mut index) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let (_, variant) = &mut variants[usize::from(index[0])];
        variant.prepare(Side::Partner);
        control.write_all(&index)?;
        control.read_exact(&mut [0])?;
        variant.follow(&plan);
        control.write_all(&usage()[2].to_ne_bytes())?;
    }
}
