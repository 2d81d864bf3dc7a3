//! Streams in batches: several messages per call.

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Side, Variant};
use super::link::{End, STOP, measure};

/// Messages per call.
pub(crate) const BATCH: usize = 64;

/// One endpoint of a transport of several numbers at once.
pub(crate) trait BatchLink {
    /// Sends all of them.
    fn send(&mut self, messages: &[u64]);
    /// Waits for a number, and takes all that have arrived; returns how many.
    fn receive(&mut self, messages: &mut [u64]) -> usize;
}

/// Sends batches to a partner that checks their order.
pub(crate) struct Batches<L>(End<L>);

impl<L: BatchLink> Batches<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }
}

impl<L: BatchLink> Variant for Batches<L> {
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
        let mut messages = [0; BATCH];
        let batches = measure(plan, |batch| {
            for _ in 0..batch / BATCH as u64 {
                for message in &mut messages {
                    number += 1;
                    *message = number;
                }
                link.send(&messages);
            }
        });
        link.send(&[STOP]);
        self.0.number = number;
        batches
    }

    fn follow(&mut self) {
        let mut number = self.0.number;
        let link = self.0.link();
        let mut messages = [0; BATCH];
        loop {
            let count = link.receive(&mut messages);
            for &message in &messages[..count] {
                if message == STOP {
                    self.0.number = number;
                    return;
                }
                number += 1;
                assert_eq!(message, number, "messages arrive in order");
            }
        }
    }
}
