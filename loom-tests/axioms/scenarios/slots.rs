//! Publish and reclaim: a ring that becomes full, empty, and full again.

use super::{Ring, compare, in_range};
use crate::axioms::scenario::{On, Scenario, Setup};
use crate::axioms::trace::note;
use crate::harness::reached::State::{Empty, Full, Inherited, Observed, Reused};

/// Takes a message, if there is one.
fn pop(ring: &Ring, cursor: &mut crate::cursor::ReadCursor) -> Option<bool> {
    if cursor.seen() == 0 && in_range(cursor.look(&ring.tail))? == 0 {
        note(Empty);
        return Some(false);
    }
    let taken = ring.slots[cursor.index(0)].read();
    compare(cursor.position(), taken);
    note(Observed);
    cursor.release(1, &ring.head);
    Some(true)
}

fn produce(ring: &Ring, polls: usize) -> Option<()> {
    let mut cursor = ring.writer()?;
    for _ in 0..polls {
        let reuses = cursor.position() >= cursor.capacity();
        match ring.push(&mut cursor)? {
            true if reuses => note(Reused),
            true => {}
            false => note(Full),
        }
    }
    Some(())
}

fn consume(ring: &Ring, polls: usize) -> Option<()> {
    let mut cursor = ring.reader()?;
    for _ in 0..polls {
        pop(ring, &mut cursor)?;
    }
    Some(())
}

/// Exchanges messages; each endpoint polls this many times.
fn exchange(capacity: usize, pushes: usize, pops: usize) -> Setup {
    On::memory(Ring::new(capacity))
        .thread(move |ring| produce(ring, pushes))
        .thread(move |ring| consume(ring, pops))
        .ready()
}

/// A producer crashes, and another one continues after the published messages.
fn two_producers() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| produce(ring, 1))
        .dies(|ring| ring.lock.holder_dies())
        .thread(|ring| {
            ring.lock.take()?;
            let mut cursor = ring.writer()?;
            if cursor.position() > 0 {
                note(Inherited);
            }
            let reuses = cursor.position() > 0;
            if ring.push(&mut cursor)? && reuses {
                note(Reused);
            }
            Some(())
        })
        .thread(|ring| consume(ring, 2))
        .ready()
}

/// A consumer crashes, and another one continues; the producer writes where both have read.
fn two_consumers() -> Setup {
    On::memory(Ring::filled(1, 1))
        .thread(|ring| consume(ring, 1))
        .dies(|ring| ring.lock.holder_dies())
        .thread(|ring| {
            ring.lock.take()?;
            let mut cursor = ring.reader()?;
            if cursor.position() > 0 {
                note(Inherited);
            }
            pop(ring, &mut cursor).map(drop)
        })
        .thread(|ring| produce(ring, 1))
        .ready()
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "publish_and_reclaim",
        floor: 120,
        setup: || exchange(1, 3, 3),
        states: &[Full, Empty, Observed, Reused],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "two_slots",
        floor: 220,
        setup: || exchange(2, 3, 3),
        states: &[Full, Empty, Observed, Reused],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "next_producer",
        floor: 1_000,
        setup: two_producers,
        states: &[Inherited, Observed, Reused],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "next_consumer",
        floor: 180,
        setup: two_consumers,
        states: &[Inherited, Observed, Reused],
        ..Scenario::EMPTY
    },
];
