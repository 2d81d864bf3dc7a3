//! Numbers over any transport: round trips and streams.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::interleaved::{Plan, Side, Variant, nanos};

/// One process's endpoint of a transport of numbers in both directions.
pub(crate) trait Link {
    fn send(&mut self, message: u64);
    fn receive(&mut self) -> u64;

    /// Sends all of them.
    fn send_all(&mut self, messages: &[u64]) {
        messages.iter().for_each(|&message| self.send(message));
    }

    /// Waits for a number, and takes all that have arrived; returns how many.
    fn receive_all(&mut self, messages: &mut [u64]) -> usize {
        messages[0] = self.receive();
        1
    }
}

/// The message that ends a slice.
pub(crate) const STOP: u64 = u64::MAX;
/// The message that ends a run of a delivery, and the answer to it.
const MARK: u64 = STOP - 1;
/// Runs of a delivery per slice: few, so that the answers take no measurable time.
const RUNS: u32 = 10;
/// Messages per call in batches.
const BATCH: usize = 64;

/// What the two processes do with a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    /// A message to the partner and back.
    RoundTrip,
    /// Messages to a partner that checks their order.
    Stream,
    /// The same, several messages per call.
    Batches,
    /// The same as a stream, timed until the partner has confirmed the last message of a run. The
    /// kernel's buffers can hold all messages of a slice, so the time of the sender alone means
    /// nothing.
    Delivery,
}

/// A task over a link that is opened after the fork. Two threads write to theirs, so the alignment
/// keeps them two cache lines apart: some processors fetch lines in pairs.
#[repr(align(256))]
pub(crate) struct Exchange<L> {
    name: String,
    task: Task,
    open: Box<dyn FnMut(Side) -> L>,
    side: Side,
    link: Option<L>,
    /// Whether the endpoint is opened again for each slice.
    is_reopened: bool,
    /// How long each endpoint waits before it sends, so that its peer is parked.
    rest: Duration,
    number: u64,
}

impl<L: Link> Exchange<L> {
    pub(crate) fn new(task: Task, name: &str, open: impl FnMut(Side) -> L + 'static) -> Self {
        Self {
            name: name.to_owned(),
            task,
            open: Box::new(open),
            side: Side::Partner,
            link: None,
            is_reopened: false,
            rest: Duration::ZERO,
            number: 0,
        }
    }

    /// Opens its endpoints again for each slice, so that several variants can share the
    /// same memory. With a segment for each variant, the ratios of whole runs differed by
    /// six percent.
    pub(crate) fn reopened(mut self) -> Self {
        self.is_reopened = true;
        self
    }

    /// Each endpoint waits this long before it sends, so that its peer is parked. The
    /// figures exclude the wait; only for round trips in batches of one.
    pub(crate) fn rested(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }
}

/// A round trip: a message to the partner and back.
pub(crate) fn round_trip<L: Link>(
    name: &str,
    open: impl FnMut(Side) -> L + 'static,
) -> Exchange<L> {
    Exchange::new(Task::RoundTrip, name, open)
}

/// Messages to a partner that checks their order.
pub(crate) fn stream<L: Link>(name: &str, open: impl FnMut(Side) -> L + 'static) -> Exchange<L> {
    Exchange::new(Task::Stream, name, open)
}

impl<L: Link> Variant for Exchange<L> {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, side: Side) {
        self.side = side;
        if !self.is_reopened {
            self.prepare();
        }
    }

    fn prepare(&mut self) {
        self.link.get_or_insert_with(|| (self.open)(self.side));
    }

    fn lead(&mut self, plan: &Plan) -> Histogram<u64> {
        let link = self.link.as_mut().expect("prepared before");
        let number = &mut self.number;
        let batches = match self.task {
            Task::RoundTrip => lead_round_trips(link, number, plan, self.rest),
            Task::Stream => lead_stream(link, number, plan),
            Task::Batches => lead_batches(link, number, plan),
            Task::Delivery => lead_delivery(link, number, plan),
        };
        link.send_all(&[STOP]);
        self.link.take_if(|_| self.is_reopened);
        batches
    }

    fn follow(&mut self) {
        let link = self.link.as_mut().expect("prepared before");
        match self.task {
            Task::RoundTrip => follow_round_trips(link, self.rest),
            Task::Stream => follow_stream(link, &mut self.number),
            Task::Batches => follow_batches(link, &mut self.number),
            Task::Delivery => follow_delivery(link, &mut self.number),
        }
        self.link.take_if(|_| self.is_reopened);
    }
}

fn lead_round_trips<L: Link>(
    link: &mut L,
    number: &mut u64,
    plan: &Plan,
    rest: Duration,
) -> Histogram<u64> {
    measure(plan, rest, |batch| {
        for next in *number + 1..=*number + batch {
            link.send(next);
            let echo = link.receive();
            assert_eq!(echo, next, "the partner returns the message");
        }
        *number += batch;
    })
}

fn follow_round_trips<L: Link>(link: &mut L, rest: Duration) {
    loop {
        let message = link.receive();
        if message == STOP {
            return;
        }
        spin(rest);
        link.send(message);
    }
}

fn lead_stream<L: Link>(link: &mut L, number: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut next = *number;
    let batches = measure(plan, Duration::ZERO, |batch| {
        for _ in 0..batch {
            next += 1;
            link.send(next);
        }
    });
    *number = next;
    batches
}

fn follow_stream<L: Link>(link: &mut L, number: &mut u64) {
    let mut last = *number;
    loop {
        let message = link.receive();
        if message == STOP {
            break;
        }
        last += 1;
        assert_eq!(message, last, "messages arrive in order");
    }
    *number = last;
}

fn lead_batches<L: Link>(link: &mut L, number: &mut u64, plan: &Plan) -> Histogram<u64> {
    let mut next = *number;
    let batches = measure(plan, Duration::ZERO, |batch| {
        let mut messages = [0; BATCH];
        for _ in 0..batch / BATCH as u64 {
            for message in &mut messages {
                next += 1;
                *message = next;
            }
            link.send_all(&messages);
        }
    });
    *number = next;
    batches
}

fn follow_batches<L: Link>(link: &mut L, number: &mut u64) {
    let (mut messages, mut last) = ([0; BATCH], *number);
    'slice: loop {
        let count = link.receive_all(&mut messages);
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
            return batches;
        }
    }
}

fn follow_delivery<L: Link>(link: &mut L, number: &mut u64) {
    loop {
        match link.receive() {
            STOP => return,
            MARK => link.send(MARK),
            message => {
                *number += 1;
                assert_eq!(message, *number, "messages arrive in order");
            }
        }
    }
}

/// Calls `batch` for the warm-up, then for the slice, after a rest before each call; returns the
/// time of each call of the slice. The rest inside each call is subtracted.
pub(crate) fn measure(plan: &Plan, rest: Duration, mut batch: impl FnMut(u64)) -> Histogram<u64> {
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
