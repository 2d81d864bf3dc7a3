//! Closed and crashed peers: the consumer misses no message that was published before.

use super::{Ring, in_range, message};
use crate::axioms::kernel::Lock;
use crate::axioms::scenario::{On, Planted, Scenario, Setup};
use crate::axioms::trace::note;
use crate::harness::reached::State::{self as Reached, Abandoned, Missed, Observed, Stored};
use crate::parker::Waker;
use crate::peer::{self, State, last_poll};

fn publish(ring: &Ring) -> Option<()> {
    let mut cursor = ring.writer()?;
    ring.slots[cursor.index(0)].write(message(cursor.position()));
    cursor.publish(1, ring.line());
    note(Stored);
    Some(())
}

/// Polls, and polls again if the peer has closed or crashed.
fn poll(ring: &Ring, has_left: impl FnOnce(State) -> bool) -> Option<()> {
    let mut cursor = ring.reader()?;
    if in_range(cursor.look(&ring.tail))? > 0 {
        note(Observed);
        return Some(());
    }
    let has_left = |_: &mut _| has_left(State::poll(&ring.state));
    let last = last_poll(&mut cursor, has_left, |cursor| {
        in_range(cursor.look(&ring.tail))
    });
    match last {
        None => {}
        Some(unread) => {
            note(Abandoned);
            if unread? == 0 {
                note(Missed);
            }
        }
    }
    Some(())
}

/// A producer publishes and closes.
fn closed() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| {
            publish(ring)?;
            peer::close(&ring.state);
            Some(())
        })
        .thread(|ring| poll(ring, State::is_closed))
        .ready()
}

/// A producer publishes and is dropped: it closes, wakes, and frees its lock. The consumer
/// may see the lock before the state.
fn dropped() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| {
            publish(ring)?;
            peer::close(&ring.state);
            Waker::new(false).wake_unconditionally(&ring.word, &ring.futex);
            ring.lock.free()
        })
        .thread(|ring| {
            poll(ring, |state| {
                state.closed_or_crashed(|| ring.lock.is_held())
            })
        })
        .ready()
}

/// A producer dies after any event.
fn dead(death: fn(&Lock) -> Option<()>) -> Setup {
    On::memory(Ring::new(1))
        .thread(publish)
        .dies(move |ring| death(&ring.lock))
        .thread(|ring| {
            poll(ring, |state| {
                state.closed_or_crashed(|| ring.lock.is_held())
            })
        })
        .ready()
}

const LOST: &[(&[Reached], &[Reached])] = &[(&[Stored, Missed], &[])];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "close_and_left",
        floor: 3,
        setup: closed,
        forbidden: LOST,
        states: &[Observed, Abandoned],
    },
    Scenario {
        name: "drop_and_left",
        floor: 4,
        setup: dropped,
        forbidden: LOST,
        states: &[Observed, Abandoned],
    },
    Scenario {
        name: "death_and_left",
        floor: 11,
        setup: || dead(Lock::holder_dies),
        forbidden: LOST,
        states: &[Observed, Abandoned, Missed],
    },
];

/// Steps that are wrong in C11. On a processor the first two are harmless: a release store
/// precedes an acquire of the same thread, and the kernel acquires its spin lock.
pub(super) const PLANTED: &[Planted] = &[
    Planted {
        scenario: Scenario {
            name: "drop_and_left, no wake and no fence",
            setup: || {
                On::memory(Ring::new(1))
                    .thread(|ring| {
                        publish(ring)?;
                        peer::close(&ring.state);
                        ring.lock.free()
                    })
                    .thread(|ring| {
                        poll(ring, |state| {
                            state.closed_or_crashed(|| ring.lock.is_held())
                        })
                    })
                    .ready()
            },
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [false, false, true],
    },
    Planted {
        scenario: Scenario {
            name: "death_and_left, no fence on exit",
            setup: || dead(Lock::free),
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [false, false, true],
    },
    Planted {
        scenario: Scenario {
            name: "close_and_left, position after the close",
            setup: || {
                On::memory(Ring::new(1))
                    .thread(|ring| {
                        peer::close(&ring.state);
                        publish(ring)
                    })
                    .thread(|ring| poll(ring, State::is_closed))
                    .ready()
            },
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
];
