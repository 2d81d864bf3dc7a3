//! Messages one way, until the other process has them all.
//!
//! The kernel's buffers hold what a sender sends in a whole slice, so a sender
//! alone measures nothing. Here a stretch of messages is over when the partner
//! says that it has the last of them.

use std::time::Instant;

use hdrhistogram::Histogram;

use super::contest::{Plan, Side, Variant, nanos};
use super::link::{End, Link, STOP};

/// The message that ends a stretch, and the answer to it.
const MARK: u64 = STOP - 1;
/// Stretches of a slice: few, so that the answer takes no part of them.
const STRETCHES: u32 = 10;

/// Messages one after the other to a partner that checks their order, and says
/// when it has them.
pub(crate) struct Delivery<L>(End<L>);

impl<L: Link> Delivery<L> {
    pub(crate) fn new(name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self(End::new(name, open))
    }
}

impl<L: Link> Variant for Delivery<L> {
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
        let mut batches = nanos();
        let mut number = self.0.number;
        let link = self.0.link();
        let warm = Instant::now() + plan.warm_up;
        let end = warm + plan.slice;
        loop {
            let before = Instant::now();
            let mut count = 0;
            while before.elapsed() < plan.slice / STRETCHES {
                for _ in 0..plan.batch {
                    number += 1;
                    link.send(number);
                }
                count += 1;
            }
            link.send(MARK);
            assert_eq!(link.receive(), MARK, "the partner has all messages");
            let after = Instant::now();
            if before >= warm {
                batches.saturating_record((after - before).as_nanos() as u64 / count);
                if after >= end {
                    break;
                }
            }
        }
        link.send(STOP);
        self.0.number = number;
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
            if message == MARK {
                link.send(MARK);
            } else {
                number += 1;
                assert_eq!(message, number, "messages come in their order");
            }
        }
        self.0.number = number;
    }
}
