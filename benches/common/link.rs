//! Numbers over any transport: round trips and streams.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Side, Variant, nanos};

/// One process's endpoint of a transport of numbers in both directions.
pub(crate) trait Link {
    fn send(&mut self, message: u64);
    fn receive(&mut self) -> u64;
}

/// The message that ends a slice.
pub(super) const STOP: u64 = u64::MAX;

/// Opens an endpoint in the process that uses it.
type Open<L> = Box<dyn FnMut(Side) -> L>;

/// An endpoint that is opened after the fork. Two threads write to theirs, so the alignment
/// keeps them two cache lines apart: some processors fetch lines in pairs.
#[repr(align(256))]
pub(super) struct End<L> {
    pub(super) name: String,
    open: Open<L>,
    side: Option<Side>,
    link: Option<L>,
    /// Whether the endpoint is opened again for each slice.
    reopened: bool,
    /// How long each endpoint waits before it sends, so that its peer is parked.
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
            reopened: false,
            rest: Duration::ZERO,
            number: 0,
        }
    }

    pub(super) fn open(&mut self, side: Side) {
        self.side = Some(side);
        if !self.reopened {
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
        if self.reopened {
            self.link = None;
        }
    }
}

/// Calls `batch` for the warm-up, then for the slice; returns the time of each call of the slice.
pub(super) fn measure(plan: &Plan, batch: impl FnMut(u64)) -> Histogram<u64> {
    measure_rested(plan, Duration::ZERO, batch)
}

/// The same with a rest before each call. The rest inside each call is subtracted.
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

/// Spins, so that the peer parks and this processor does not become idle.
fn spin(rest: Duration) {
    if rest > Duration::ZERO {
        let begin = Instant::now();
        while begin.elapsed() < rest {
            std::hint::spin_loop();
        }
    }
}

/// A round trip: a message to the partner and back.
pub(crate) struct RoundTrip<L>(End<L>);

impl<L: Link> RoundTrip<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }

    /// Opens its endpoints again for each slice, so that several variants can share the
    /// same memory. With a segment for each variant, the ratios of whole runs differed by
    /// six percent.
    pub(crate) fn reopened(mut self) -> Self {
        self.0.reopened = true;
        self
    }

    /// Each endpoint waits this long before it sends, so that its peer is parked. The
    /// figures exclude the wait; only for batches of one.
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
                assert_eq!(echo, number, "the partner returns the message");
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

/// Sends messages to a partner that checks their order.
pub(crate) struct Stream<L>(End<L>);

impl<L: Link> Stream<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }

    /// Opens its endpoints again for each slice, so that several variants can share the
    /// same memory. With a segment for each variant, the ratios of whole runs differed by
    /// six percent.
    pub(crate) fn reopened(mut self) -> Self {
        self.0.reopened = true;
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
            assert_eq!(message, number, "messages arrive in order");
        }
        self.0.number = number;
        self.0.end_slice();
    }
}
