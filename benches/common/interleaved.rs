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
use nix::sys::resource::{Usage, UsageWho, getrusage};

use super::child::{Child, Outcome};
use super::link::Side;
use super::placement::{Placement, pin};
use super::progress::Progress;
use super::scores::{Score, Scores};

/// A variant: something to measure, in two processes or threads.
pub(crate) trait Variant {
    fn name(&self) -> &str;
    /// Takes this side's endpoint and leaves the other one to the partner.
    fn open(&mut self, side: Side);
    /// Prepares a slice; the partner does the same.
    fn prepare(&mut self);
    /// The lead's part of one slice: the nanoseconds of each batch.
    fn lead(&mut self, plan: &Plan) -> Histogram<u64>;
    /// The partner's part of one slice.
    fn follow(&mut self, plan: &Plan);
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
    /// How long each endpoint of a round trip waits before it sends, so that its peer is parked.
    /// The figures exclude the wait; only for batches of one.
    pub(crate) rest: Duration,
}

/// A histogram of nanoseconds up to a minute, exact to a tenth of a percent.
pub(crate) fn nanos() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("fixed bounds are valid")
}

/// What this thread has used of its processor.
pub(crate) fn usage() -> Usage {
    getrusage(UsageWho::RUSAGE_THREAD).expect("the kernel counts")
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
        let mut partner = Child::fork(|control| self.follow(control, &mut variants))?;
        self.lead(variants, &mut partner.control)
    }

    /// The same with a thread as the partner, for variants that work in one process
    /// only. Each of the two threads builds its own variants.
    pub(crate) fn in_threads(
        &self,
        make: impl Fn() -> Variants + Sync,
    ) -> Result<Scores, Box<dyn Error>> {
        let (mut control, partners) = UnixStream::pair()?;
        thread::scope(|scope| {
            scope.spawn(|| self.follow(partners, &mut make()).expect("the lead waits"));
            let scores = self.lead(make(), &mut control);
            drop(control);
            scores
        })
    }

    /// The lead's code. Counts the involuntary context switches of both sides.
    fn lead(
        &self,
        mut variants: Variants,
        control: &mut UnixStream,
    ) -> Result<Scores, Box<dyn Error>> {
        let plan = &self.plan;
        pin(self.placement.lead)?;
        for variant in &mut variants {
            variant.open(Side::Lead);
        }
        let scores = variants.iter().map(|it| Score::new(it.name(), plan.batch));
        let mut scores: Vec<Score> = scores.collect();
        let count = variants.len();
        let (begin, before) = (Instant::now(), usage().involuntary_context_switches());
        let mut preempted = [0; 8];
        // The first round is an additional warm-up, and is dropped.
        for round in 0..=plan.rounds {
            self.progress.show(self.title, round, plan.rounds);
            for turn in 0..count {
                let index = (round + turn) % count;
                control.write_all(&[index as u8])?;
                control.read_exact(&mut [0])?;
                variants[index].prepare();
                control.write_all(&[0])?;
                let batches = variants[index].lead(plan);
                control.read_exact(&mut preempted)?;
                if round > 0 {
                    scores[index].add(&batches)?;
                }
            }
        }
        let preempted = i64::from_ne_bytes(preempted) + usage().involuntary_context_switches();
        let per_second = (preempted - before) as f64 / begin.elapsed().as_secs_f64();
        self.progress.clear();
        Ok(Scores {
            title: self.title.to_owned(),
            scores,
            preempted: self.placement.is_apart().then_some(per_second),
        })
    }

    /// The partner's code: one slice for each number that it receives. After each it sends the
    /// number of its involuntary context switches.
    fn follow(&self, mut control: UnixStream, variants: &mut [Box<dyn Variant>]) -> Outcome {
        pin(self.placement.partner).expect("the partner's processor can be set");
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
            variant.follow(&self.plan);
            control.write_all(&usage().involuntary_context_switches().to_ne_bytes())?;
        }
    }
}
