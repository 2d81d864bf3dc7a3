//! Messages in one direction, timed until the other process has received all.
//!
//! The kernel's buffers can hold all messages of a slice, so the time of the sender alone
//! means nothing. Here a run of messages ends when the partner confirms the last one.

use std::time::Instant;

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Side, Variant, nanos};
use super::link::{End, Link, STOP};

/// The message that ends a run, and the answer to it.
const MARK: u64 = STOP - 1;
/// Runs per slice: few, so that the answers take no measurable time.
const RUNS: u32 = 10;

/// Sends messages to a partner that checks their order, and confirms the last one.
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
            while before.elapsed() < plan.slice / RUNS {
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
                assert_eq!(message, number, "messages arrive in order");
            }
        }
        self.0.number = number;
    }
}
