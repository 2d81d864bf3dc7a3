//! Numbers, there and back or one way, over anything.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::contest::{Plan, Side, Variant, nanos};

/// One process's end of something that carries numbers both ways.
pub(crate) trait Link {
    fn send(&mut self, message: u64);
    fn receive(&mut self) -> u64;
}

/// The message that ends a slice.
pub(super) const STOP: u64 = u64::MAX;

/// Makes an end, in the process that uses it.
type Open<L> = Box<dyn FnMut(Side) -> L>;

/// An end that is made when the processes have parted. Two threads write to theirs: no
/// line of one holds anything of the other, nor does its neighbour, which some processors
/// fetch along.
#[repr(align(256))]
pub(super) struct End<L> {
    pub(super) name: String,
    open: Open<L>,
    side: Option<Side>,
    link: Option<L>,
    /// Whether the end is made anew for each slice.
    anew: bool,
    /// How long each end lets the other one fall asleep before it sends.
    rest: Duration,
    pub(super) number: u64,
}

impl<L> End<L> {
    pub(super) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self {
            name: name.to_owned(),
            open: Box::new(open),
            side: None,
            link: None,
            anew: false,
            rest: Duration::ZERO,
            number: 0,
        }
    }

    pub(super) fn open(&mut self, side: Side) {
        self.side = Some(side);
        if !self.anew {
            self.prepare();
        }
    }

    pub(super) fn prepare(&mut self) {
        let side = self.side.expect("opened before");
        self.link.get_or_insert_with(|| (self.open)(side));
    }

    pub(super) fn link(&mut self) -> &mut L {
        self.link.as_mut().expect("prepared before")
    }

    pub(super) fn end_slice(&mut self) {
        if self.anew {
            self.link = None;
        }
    }
}

/// Calls `batch` for the warm-up, then for the slice; how long each call took.
pub(super) fn measure(plan: &Plan, batch: impl FnMut(u64)) -> Histogram<u64> {
    measure_rested(plan, Duration::ZERO, batch)
}

/// The same with a rest before each call, and without the one that is part of it.
fn measure_rested(plan: &Plan, rest: Duration, mut batch: impl FnMut(u64)) -> Histogram<u64> {
    let mut batches = nanos();
    let warm = Instant::now() + plan.warm_up;
    while Instant::now() < warm {
        batch(plan.batch);
    }
    let end = Instant::now() + plan.slice;
    loop {
        spin(rest);
        let before = Instant::now();
        batch(plan.batch);
        let after = Instant::now();
        let taken = (after - before).saturating_sub(rest);
        batches.saturating_record(taken.as_nanos() as u64);
        if after >= end {
            return batches;
        }
    }
}

/// Lets the other end fall asleep, and keeps this processor awake.
fn spin(rest: Duration) {
    if rest > Duration::ZERO {
        let begin = Instant::now();
        while begin.elapsed() < rest {
            std::hint::spin_loop();
        }
    }
}

/// A message to the partner, and the same one back.
pub(crate) struct RoundTrip<L>(End<L>);

impl<L: Link> RoundTrip<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }

    /// Takes its ends anew for each slice, so that several variants can share
    /// the same memory: with a segment for each, whole runs disagreed by six
    /// percent on which is faster.
    pub(crate) fn anew(mut self) -> Self {
        self.0.anew = true;
        self
    }

    /// Each end waits for so long before it sends, so that it finds the other one asleep
    /// however long that takes to fall asleep. Not part of the figures; for batches of one.
    pub(crate) fn rested(mut self, rest: Duration) -> Self {
        self.0.rest = rest;
        self
    }
}

impl<L: Link> Variant for RoundTrip<L> {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn open(&mut self, side: Side) {
        self.0.open(side);
    }

    fn prepare(&mut self) {
        self.0.prepare();
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let (mut number, rest) = (self.0.number, self.0.rest);
        let link = self.0.link();
        let batches = measure_rested(plan, rest, |batch| {
            for _ in 0..batch {
                number += 1;
                link.send(number);
                let echo = link.receive();
                assert_eq!(echo, number, "the partner sends back what it got");
            }
        });
        link.send(STOP);
        self.0.number = number;
        self.0.end_slice();
        batches
    }

    fn follow(&mut self) {
        let rest = self.0.rest;
        let link = self.0.link();
        loop {
            let message = link.receive();
            if message == STOP {
                break;
            }
            spin(rest);
            link.send(message);
        }
        self.0.end_slice();
    }
}

/// Messages one after the other to a partner that checks their order.
pub(crate) struct Stream<L>(End<L>);

impl<L: Link> Stream<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }

    /// Takes its ends anew for each slice, so that several variants can share
    /// the same memory: with a segment for each, whole runs disagreed by six
    /// percent on which is faster.
    pub(crate) fn anew(mut self) -> Self {
        self.0.anew = true;
        self
    }
}

impl<L: Link> Variant for Stream<L> {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn open(&mut self, side: Side) {
        self.0.open(side);
    }

    fn prepare(&mut self) {
        self.0.prepare();
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let mut number = self.0.number;
        let link = self.0.link();
        let batches = measure(plan, |batch| {
            for _ in 0..batch {
                number += 1;
                link.send(number);
            }
        });
        link.send(STOP);
        self.0.number = number;
        self.0.end_slice();
        batches
    }

    fn follow(&mut self) {
        let mut number = self.0.number;
        let link = self.0.link();
        loop {
            let message = link.receive();
            if message == STOP {
                break;
            }
            number += 1;
            assert_eq!(message, number, "messages come in their order");
        }
        self.0.number = number;
        self.0.end_slice();
    }
}
