//! Park and wake: an endpoint that sleeps although there is a message or room has lost a wake-up.

use super::{Ring, in_range, message};
use crate::axioms::kernel::Kernel;
use crate::axioms::scenario::{On, Planted, Scenario, Setup};
use crate::axioms::sync::AtomicU32;
use crate::axioms::trace::note;
use crate::cursor::Awaited;
use crate::harness::reached::State::{
    self as Reached, Granted, Moved, Observed, Slept, Unblocked, Woken,
};
use crate::parker::{Doorbell, Rest, Sleeper, Waker};
use crate::peer::{self, Goal, State};
use crate::wait::sleep::{Parkable, park};

/// An endpoint that is about to sleep.
pub(super) struct End<'a> {
    pub(super) sleeper: &'a mut Sleeper,
    pub(super) ring: &'a Ring,
    pub(super) goal: Goal,
}

impl Parkable for End<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        (self.sleeper, &self.ring.word)
    }

    fn position(&self) -> u64 {
        0
    }

    fn has_work(&self) -> bool {
        let ring = self.ring;
        // A consumer waits for the tail, a producer for the head.
        let position = match self.goal.awaited {
            Awaited::Room { .. } => &ring.head,
            Awaited::Message { .. } | Awaited::Nothing => &ring.tail,
        };
        self.goal.is_reached(position, &ring.state)
    }

    fn drain(&self) {}

    fn count_sleep(&self) {}

    fn count_rescue(&self) {}
}

/// How an endpoint sleeps.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Whether it let its peer omit the fence before.
    awake: bool,
    /// Whether the kernel's barrier works.
    barrier: bool,
}

/// A peer that always runs the fence.
pub(super) const FENCED: Form = Form {
    awake: false,
    barrier: true,
};
/// A peer that may omit the fence.
const SPARED: Form = Form {
    awake: true,
    barrier: true,
};
const DEAD_BARRIER: Form = Form {
    awake: true,
    barrier: false,
};
const NO_BARRIER: Form = Form {
    awake: false,
    barrier: false,
};

impl Form {
    pub(super) fn sleeper(self, ring: &Ring) -> Sleeper {
        let mut sleeper = Sleeper::new(&ring.word, true, 0, 0);
        if self.awake {
            sleeper.grant(&ring.word, 0, true);
            note(Granted);
        }
        sleeper
    }

    fn park(self, ring: &Ring, sleeper: &mut Sleeper, goal: Goal) {
        let kernel = Kernel {
            has_barrier: self.barrier,
        };
        let mut end = End {
            sleeper,
            ring,
            goal,
        };
        let ends = std::slice::from_mut(&mut end);
        park(ends, &kernel, u64::MAX, |ends, until| -> Rest {
            ring.futex.wait(&ends[0].ring.word, until)
        });
    }

    /// Waits for a message.
    fn consume(self, ring: &Ring) -> Option<()> {
        let mut sleeper = self.sleeper(ring);
        let mut cursor = ring.reader()?;
        if in_range(cursor.look(&ring.tail))? > 0 {
            note(Observed);
            return Some(());
        }
        self.park(ring, &mut sleeper, Goal::of_work(cursor.awaited()));
        Some(())
    }

    /// Waits for room.
    fn produce(self, ring: &Ring) -> Option<()> {
        let mut sleeper = self.sleeper(ring);
        let mut cursor = ring.writer()?;
        if in_range(cursor.look(&ring.head))? > 0 {
            note(Observed);
            return Some(());
        }
        self.park(ring, &mut sleeper, Goal::of_work(cursor.awaited(1)));
        Some(())
    }
}

/// Publishes a message, and wakes the peer.
pub(super) fn publish(ring: &Ring, waker: &Waker) -> Option<()> {
    let mut cursor = ring.writer()?;
    ring.slots[cursor.index(0)].write(message(cursor.position()));
    cursor.publish(1, ring.line());
    moved(ring, waker);
    note(Moved);
    Some(())
}

/// Wakes the peer after the store of a position, as an endpoint does.
fn moved(ring: &Ring, waker: &Waker) {
    if let Some(seen) = waker.news(&ring.word) {
        waker.slow_path(seen, &ring.word, &ring.futex);
    }
}

/// A consumer sleeps, and a producer publishes.
fn for_a_message(form: Form, registered: bool) -> Setup {
    let on = On::memory(Ring::new(1))
        .thread(move |ring| form.consume(ring))
        .thread(move |ring| publish(ring, &Waker::new(registered)));
    match registered {
        true => on.registered().ready(),
        false => on.ready(),
    }
}

/// A producer sleeps, and a consumer reads.
fn for_room() -> Setup {
    On::memory(Ring::filled(1, 1))
        .thread(|ring| FENCED.produce(ring))
        .thread(|ring| {
            let mut cursor = ring.reader()?;
            ring.slots[cursor.index(0)].read();
            cursor.release(1, &ring.head);
            moved(ring, &Waker::new(false));
            note(Moved);
            Some(())
        })
        .ready()
}

/// A consumer waits for a producer to attach; the producer wakes unconditionally.
fn for_a_peer() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| {
            let mut sleeper = FENCED.sleeper(ring);
            let state = State::poll(&ring.state);
            let goal = Goal::attachment(state, Awaited::Nothing, || false);
            if state.epoch() > 1 {
                note(Observed);
                return Some(());
            }
            FENCED.park(ring, &mut sleeper, goal?);
            Some(())
        })
        .thread(|ring| {
            peer::attach(&ring.state);
            Waker::new(false).wake_unconditionally(&ring.word, &ring.futex);
            note(Moved);
            Some(())
        })
        .ready()
}

/// A consumer waits for a message, and the producer closes instead.
fn for_a_close() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| FENCED.consume(ring))
        .thread(|ring| {
            peer::close(&ring.state);
            Waker::new(false).wake_unconditionally(&ring.word, &ring.futex);
            note(Moved);
            Some(())
        })
        .ready()
}

/// A producer crashes after any event of its publish and wake; the next holder wakes
/// unconditionally.
fn waker_dies() -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| FENCED.consume(ring))
        .thread(|ring| publish(ring, &Waker::new(false)))
        .dies(|ring| ring.lock.holder_dies())
        .thread(|ring| {
            ring.lock.take()?;
            let cursor = ring.writer()?;
            peer::attach(&ring.state);
            Waker::new(false).wake_unconditionally(&ring.word, &ring.futex);
            if cursor.position() > 0 {
                note(Moved);
            }
            Some(())
        })
        .ready()
}

/// A consumer whose peer omits the fence crashes after any event; the next holder runs a
/// barrier before it sleeps.
fn granting_owner_dies(next: Form) -> Setup {
    On::memory(Ring::new(1))
        .thread(|ring| {
            SPARED.sleeper(ring);
            Some(())
        })
        .dies(|ring| ring.lock.holder_dies())
        .thread(move |ring| {
            ring.lock.take()?;
            next.consume(ring)
        })
        .thread(|ring| publish(ring, &Waker::new(true)))
        .registered()
        .ready()
}

/// An endpoint sleeps although there is a message or room, and no thread wakes it.
pub(super) const LOST: &[(&[Reached], &[Reached])] = &[(&[Slept, Moved], &[Woken])];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "park_and_wake",
        floor: 22,
        setup: || for_a_message(FENCED, false),
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
    },
    Scenario {
        name: "park_for_room",
        floor: 22,
        setup: for_room,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
    },
    Scenario {
        name: "park_for_a_peer",
        floor: 9,
        setup: for_a_peer,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
    },
    Scenario {
        name: "park_and_close",
        floor: 8,
        setup: for_a_close,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked],
    },
    Scenario {
        name: "waker_dies",
        floor: 4_600,
        setup: waker_dies,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
    },
    Scenario {
        name: "awake_to_asleep",
        floor: 380,
        setup: || for_a_message(SPARED, true),
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed, Granted],
    },
    Scenario {
        name: "granting_owner_dies",
        floor: 13_000,
        setup: || granting_owner_dies(FENCED),
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed, Granted],
    },
];

/// The kernel's barrier does nothing.
pub(super) const PLANTED: &[Planted] = &[
    Planted {
        scenario: Scenario {
            name: "awake_to_asleep, dead barrier",
            setup: || for_a_message(DEAD_BARRIER, true),
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
    Planted {
        scenario: Scenario {
            name: "granting_owner_dies, dead barrier",
            setup: || granting_owner_dies(NO_BARRIER),
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
];
