//! An observer of both endpoints: copied -> overtaken.

use super::{in_range, message};
use crate::axioms::scenario::{On, Scenario, Setup};
use crate::axioms::sync::{AtomicU64, PLAIN};
use crate::axioms::trace::{fault, note};
use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine, WriteCursor};
use crate::harness::reached::State::{Empty, Full, Observed, Overtaken, Reused};
use crate::observer::view::View;

/// A ring of one slot whose payload may be read and written at the same time.
struct Watched {
    tail: AtomicU64,
    ride_position: AtomicU64,
    ride: [AtomicU64; RIDE_WORDS],
    head: AtomicU64,
    data: [AtomicU64; 1],
}

const CAPACITY: u64 = 1;

/// Publishes this many messages first.
fn watched(published: u64) -> Watched {
    let there = if published > 0 { message(0) } else { 0 };
    Watched {
        tail: AtomicU64::new(published),
        ride_position: AtomicU64::new(0),
        ride: std::array::from_fn(|_| AtomicU64::new(0)),
        head: AtomicU64::new(0),
        data: [AtomicU64::new(there)],
    }
}

impl Watched {
    fn consume(&self) -> Option<()> {
        let mut cursor = in_range(ReadCursor::resume(&self.tail, &self.head, CAPACITY))?;
        if cursor.seen() > 0 || in_range(cursor.look(&self.tail))? > 0 {
            cursor.release(1, &self.head);
        }
        Some(())
    }

    fn produce(&self, polls: usize) -> Option<()> {
        let line = TailLine {
            tail: &self.tail,
            ride_position: &self.ride_position,
            ride: &self.ride,
        };
        let mut cursor = in_range(WriteCursor::resume(line, &self.head, CAPACITY))?;
        for _ in 0..polls {
            if cursor.room(1).is_none() && in_range(cursor.look(&self.head))? == 0 {
                note(Full);
                continue;
            }
            let position = cursor.position();
            if position > 0 {
                note(Reused);
            }
            self.data[0].store(message(position), PLAIN);
            cursor.publish(1, line);
        }
        Some(())
    }

    fn observe(&self) -> Option<()> {
        let view = View {
            tail: &self.tail,
            head: &self.head,
            data: &self.data,
            capacity: CAPACITY,
            slot_size: Some(8),
        };
        let (head, tail) = view.positions();
        if head > tail {
            fault("the head is ahead of the tail");
            return Some(());
        }
        if head == tail {
            note(Empty);
        }
        let shown = view.copy(head, tail, 1, |copy| {
            note(Observed);
            if copy.bytes != message(copy.position).to_ne_bytes() {
                fault("an observer shows a message that was not published");
            }
        });
        match shown {
            Ok(0) if head != tail => note(Overtaken),
            Ok(_) => {}
            Err(_) => fault("an observer finds the ring corrupt"),
        }
        Some(())
    }
}

/// Both endpoints and the observer run.
fn with_observer(published: u64, pushes: usize) -> Setup {
    On::memory(watched(published))
        .thread(Watched::consume)
        .thread(move |ring| ring.produce(pushes))
        .thread(Watched::observe)
        .ready()
}

/// In the second scenario a restarted producer takes the role and then reuses the room.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "observer",
        floor: 32,
        setup: || with_observer(0, 2),
        states: &[Observed, Overtaken, Empty, Reused, Full],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "observer_and_a_new_producer",
        floor: 15,
        setup: || with_observer(1, 1),
        states: &[Observed, Overtaken, Empty, Reused, Full],
        ..Scenario::EMPTY
    },
];
