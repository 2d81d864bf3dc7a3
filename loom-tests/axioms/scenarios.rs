//! What happens on a ring, in scenarios small enough to enumerate all executions.

mod inline;
mod leaving;
mod observing;
mod opening;
mod process;
mod sleeping;
mod slots;

use super::kernel::{Futex, Lock};
use super::scenario::{Planted, Scenario};
use super::sync::{AtomicU32, AtomicU64, Payload};
use super::trace::fault;
use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine, WriteCursor};
use crate::error::Corrupt;

/// Every scenario, simple ones first.
pub(crate) fn all() -> Vec<&'static Scenario> {
    let all = [
        slots::SCENARIOS,
        inline::SCENARIOS,
        sleeping::SCENARIOS,
        leaving::SCENARIOS,
        observing::SCENARIOS,
        opening::SCENARIOS,
        process::SCENARIOS,
    ];
    all.into_iter().flatten().collect()
}

/// Scenarios with a wrong step.
pub(crate) fn planted() -> impl Iterator<Item = &'static Planted> {
    let all = [sleeping::PLANTED, leaving::PLANTED, process::PLANTED];
    all.into_iter().flatten()
}

/// What both endpoints share; each scenario uses a part of it.
struct Ring {
    tail: AtomicU64,
    ride_position: AtomicU64,
    ride: [AtomicU64; RIDE_WORDS],
    head: AtomicU64,
    slots: Vec<Payload>,
    /// The sleep word of the sleeping endpoint, and its futex.
    word: AtomicU32,
    futex: Futex,
    /// The producer's state word, and the lock of its role.
    state: AtomicU64,
    lock: Lock,
}

impl Ring {
    /// A ring of this many slots, all empty.
    fn new(capacity: usize) -> Self {
        Self::filled(capacity, 0)
    }

    /// A ring whose first slots hold messages.
    fn filled(capacity: usize, messages: u64) -> Self {
        let value = |place| {
            if place < messages { message(place) } else { 0 }
        };
        Self {
            tail: AtomicU64::new(messages),
            ride_position: AtomicU64::new(0),
            ride: std::array::from_fn(|_| AtomicU64::new(0)),
            head: AtomicU64::new(0),
            slots: (0..capacity as u64)
                .map(|place| Payload::new(value(place)))
                .collect(),
            word: AtomicU32::new(0),
            futex: Futex::new(),
            // The first epoch.
            state: AtomicU64::new(2),
            lock: Lock::new(),
        }
    }

    fn line(&self) -> TailLine<'_> {
        TailLine {
            tail: &self.tail,
            ride_position: &self.ride_position,
            ride: &self.ride,
        }
    }

    fn writer(&self) -> Option<WriteCursor> {
        in_range(WriteCursor::resume(
            self.line(),
            &self.head,
            self.slots.len() as u64,
        ))
    }

    fn reader(&self) -> Option<ReadCursor> {
        in_range(ReadCursor::resume(
            &self.tail,
            &self.head,
            self.slots.len() as u64,
        ))
    }

    /// Publishes the next message without an inline copy, if there is room.
    fn push(&self, cursor: &mut WriteCursor) -> Option<bool> {
        if cursor.room(1).is_none() && in_range(cursor.look(&self.head))? == 0 {
            return Some(false);
        }
        let value = message(cursor.position());
        self.slots[cursor.index(0)].write(value);
        cursor.publish(1, self.line());
        Some(true)
    }
}

/// Records a fault if a cursor is poisoned: every stored position is in range.
fn in_range<T>(answer: Result<T, Corrupt>) -> Option<T> {
    if answer.is_err() {
        fault("a position out of range");
    }
    // The trace ends here and keeps the fault.
    answer.ok()
}

/// The message at a position.
fn message(position: u64) -> u64 {
    100 + position
}

/// Compares the message that was taken at a position.
fn compare(position: u64, taken: u64) {
    if taken != message(position) {
        fault("a message differs from what was published");
    }
}
