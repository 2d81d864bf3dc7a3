//! What the two sides do with a link: round trips and streams.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Slices, Variant, nanos};
use super::link::{BatchLink, Link, Open, Side};

/// The message that ends a slice.
pub(crate) const STOP: u64 = u64::MAX;
/// The message that ends a run of a delivery, and the answer to it.
const MARK: u64 = STOP - 1;
/// Runs of a delivery per slice: few, so that the answers take no measurable time.
const RUNS: u32 = 10;
/// Messages per call in batches.
const BATCH: usize = 64;

/// What the lead and the partner do in a slice. Both count the messages.
pub(crate) struct Task<L>(
    pub(crate) fn(&mut L, &mut u64, &Plan) -> Histogram<u64>,
    pub(crate) fn(&mut L, &mut u64, &Plan),
);

impl<L: Link> Task<L> {
    /// A message to the partner and back.
    pub(crate) const ROUND_TRIP: Self = Self(lead::<L, true>, follow::<L, true, false>);
    /// Messages to a partner that checks their order.
    pub(crate) const STREAM: Self = Self(lead::<L, false>, follow::<L, false, false>);
    /// The same as a stream, timed until the partner has confirmed the last message of a run. The
    /// kernel's buffers can hold all messages of a slice, so the time of the sender alone means
    /// nothing.
    pub(crate) const DELIVERY: Self = Self(lead_delivery, follow::<L, false, true>);
}

impl<L: BatchLink> Task<L> {
    /// The same as a stream, several messages per call.
    pub(crate) const BATCHES: Self = Self(lead_batches, follow_batches);
}

/// A task over a link that is opened after the fork. Two threads write to theirs, so the alignment
/// keeps them two cache lines apart: some processors fetch lines in pairs.
#[repr(align(256))]
struct Exchange<L> {
    task: Task<L>,
    open: Open<L>,
    link: Option<L>,
    number: u64,
}

impl<L: 'static> Open<L> {
    /// This task as a variant.
    pub(crate) fn variant(self, name: &str, task: Task<L>) -> Variant {
        let exchange = Exchange {
            task,
            open: self,
            link: None,
            number: 0,
        };
        (name.to_owned(), Box::new(exchange))
    }
}

impl<L: Link> Open<L> {
    pub(crate) fn round_trip(self, name: &str) -> Variant {
        self.variant(name, Task::ROUND_TRIP)
    }

    pub(crate) fn stream(self, name: &str) -> Variant {
        self.variant(name, Task::STREAM)
    }
}

impl<L: 'static> Slices for Exchange<L> {
    fn prepare(&mut self, side: Side) {
        self.link.get_or_insert_with(|| self.open.side(side));
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let link = self.link.as_mut().expect("prepared before");
        let batches = self.task.0(link, &mut self.number, plan);
        self.link.take_if(|_| self.open.is_reopened);
        batches
    }

    fn follow(&mut self, plan: &Plan) {
        let link = self.link.as_mut().expect("prepared before");
        self.task.1(link, &mut self.number, plan);
        self.link.take_if(|_| self.open.is_reopened);
    }
}

/// Sends messages; with `ECHO`, each returns before the next one.
fn lead<L: Link, const ECHO: bool>(link: &mut L, number: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut next = *number;
    let batches = measure(plan, |batch| {
        for _ in 0..batch {
            next += 1;
            link.send(next);
            if ECHO {
                assert_eq!(link.receive(), next, "the partner returns the message");
            }
        }
    });
    *number = next;
    link.send(STOP);
    batches
}

/// Receives messages until one stops it; with `ECHO`, sends each back, and with `MARKS`, marks.
fn follow<L: Link, const ECHO: bool, const MARKS: bool>(
    link: &mut L,
    number: &mut u64,
    plan: &Plan,
) {
    let (mut last, rest) = (*number, plan.rest);
    loop {
        match link.receive() {
            STOP => break,
            MARK if MARKS => link.send(MARK),
            message if ECHO => {
                spin(rest);
                link.send(message);
            }
            message => {
                last += 1;
                assert_eq!(message, last, "messages arrive in order");
            }
        }
    }
    *number = last;
}

/// Sends all of them.
#[inline(always)]
fn send_all<L: BatchLink>(link: &mut L, mut messages: &[u64]) {
    while !messages.is_empty() {
        messages = &messages[link.send(messages)..];
    }
}

fn lead_batches<L: BatchLink>(link: &mut L, number: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut next = *number;
    let batches = measure(plan, |batch| {
        let mut messages = [0; BATCH];
        for _ in 0..batch / BATCH as u64 {
            for message in &mut messages {
                next += 1;
                *message = next;
            }
            send_all(link, &messages);
        }
    });
    *number = next;
    send_all(link, &[STOP]);
    batches
}

fn follow_batches<L: BatchLink>(link: &mut L, number: &mut u64, _: &Plan) {
    let (mut messages, mut last) = ([0; BATCH], *number);
    'slice: loop {
        let count = link.receive(&mut messages);
        for &message in &messages[..count] {
            if message == STOP {
                break 'slice;
            }
            last += 1;
            assert_eq!(message, last, "messages arrive in order");
        }
    }
    *number = last;
}

fn lead_delivery<L: Link>(link: &mut L, number: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut batches = nanos();
    let warm = Instant::now() + plan.warm_up;
    loop {
        let (before, mut count) = (Instant::now(), 0);
        while before.elapsed() < plan.slice / RUNS {
            for next in *number + 1..=*number + plan.batch {
                link.send(next);
            }
            *number += plan.batch;
            count += 1;
        }
        link.send(MARK);
        assert_eq!(link.receive(), MARK, "the partner has all messages");
        let after = Instant::now();
        if before >= warm {
            batches.saturating_record((after - before).as_nanos() as u64 / count);
        }
        if before >= warm && after >= warm + plan.slice {
            link.send(STOP);
            return batches;
        }
    }
}

/// Calls `batch` for the warm-up, then for the slice, after a rest before each call; returns the
/// time of each call of the slice. The rest inside each call is subtracted.
fn measure(plan: &Plan, mut batch: impl FnMut(u64)) -> Histogram<u64> {
    let mut batches = nanos();
    let warm = Instant::now() + plan.warm_up;
    while Instant::now() < warm {
        batch(plan.batch);
    }
    let end = Instant::now() + plan.slice;
    loop {
        spin(plan.rest);
        let before = Instant::now();
        batch(plan.batch);
        let after = Instant::now();
        let taken = (after - before).saturating_sub(plan.rest);
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
