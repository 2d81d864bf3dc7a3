//! What one process does in its own threads and under locks: the steps of files that are
//! not compiled here, rewritten with the orderings of `src/sync.rs`. These scenarios show
//! that the orderings suffice. They do not show that the files use them.
//!
//! Why the files are not compiled here: `ring/` and `endpoint.rs` access their words
//! through a mapped segment, and lock files between two accesses. `segment/fork.rs` has its
//! words in a static list that grows, and its handlers call `dup3` and `mmap` on the values
//! that they read there. The reactor's words are next to a thread, a mutex and wakers. A
//! trace tries values that are not real, and these calls must not get them.
//!
//! `tests/house/atomics.rs` lists each access of those files with its scenario here, and fails if
//! one is missing.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release, SeqCst};

use super::sleeping::{End, FENCED, LOST, publish};
use super::{Ring, in_range};
use crate::axioms::kernel::{Futex, Kernel, Lock};
use crate::axioms::scenario::{On, Planted, Scenario, Setup};
use crate::axioms::sync::{AtomicU32, AtomicU64, FORK, LOCKED, PLAIN, WORD};
use crate::axioms::trace::{self, Kind, assume, note};
use crate::harness::reached::State::{
    self, Attached, Died, Empty, Missed, Moved, Observed, Slept, Stored, Unblocked, Woken,
};
use crate::parker::{DROWSY, Doorbell, PARKED, Waker};
use crate::peer::Goal;
use crate::wait::sleep::start_sleep;

/// `segment/fork.rs`: an entry of the table, the count of forks, and a descriptor.
struct Table {
    descriptor: AtomicU64,
    entry: AtomicU32,
    forks: AtomicU64,
}

const HELD: u32 = 3;

/// `Segment::lock_file` in one thread, `fork` in another. The system call is a full fence,
/// because it takes locks and flushes address translations. Then it copies.
fn opened_and_forked(store: Ordering, load: Ordering) -> Setup {
    On::memory(Table {
        descriptor: AtomicU64::new(0),
        entry: AtomicU32::new(0),
        forks: AtomicU64::new(0),
    })
    .thread(move |table| {
        let forks = table.forks.model_load(load);
        table.descriptor.model_store(1, Relaxed);
        table.entry.model_store(HELD, store);
        if forks == table.forks.model_load(load) && forks % 2 == 0 {
            note(Stored); // the descriptor is kept
        }
        Some(())
    })
    .thread(|table| {
        // The count of forks, and whether one is in progress.
        table.forks.model_swap(3, FORK);
        trace::fence(Kind::Fence, SeqCst);
        if table.descriptor.model_load(Relaxed) == 1 {
            note(Observed);
            match table.entry.model_load(Relaxed) {
                HELD => note(Attached),
                _ => note(Missed),
            }
        }
        table.forks.model_swap(2, FORK);
        Some(())
    })
    .ready()
}

/// `segment/fork.rs`: an endpoint is dropped, and another takes its entry, while a third thread
/// forks. The child gets the fields of the holder whose state it gets.
fn entry_taken_again(store: Ordering) -> Setup {
    const FREE: u32 = 0;
    const HELD_AGAIN: u32 = 13;
    On::memory(Table {
        descriptor: AtomicU64::new(0),
        entry: AtomicU32::new(HELD),
        forks: AtomicU64::new(0),
    })
    .thread(move |table| {
        table.entry.model_store(FREE, store);
        Some(())
    })
    .thread(move |table| {
        assume(table.entry.model_swap(1, store) == FREE)?;
        table.descriptor.model_store(1, Relaxed);
        table.entry.model_store(HELD_AGAIN, store);
        Some(())
    })
    .thread(|table| {
        trace::fence(Kind::Fence, SeqCst);
        let state = table.entry.model_load(FORK);
        let field = table.descriptor.model_load(Relaxed);
        match (state, field) {
            (HELD_AGAIN, 1) => note(Attached),
            (HELD_AGAIN, _) => note(Missed),
            _ => note(Observed),
        }
        Some(())
    })
    .ready()
}

/// `List` of `src/sync.rs`: a place is added by one thread and found by another.
fn place_listed(add: Ordering, walk: Ordering) -> Setup {
    struct List {
        first: AtomicU64,
        state: AtomicU32,
    }
    On::memory(List {
        first: AtomicU64::new(0),
        state: AtomicU32::new(0),
    })
    .thread(move |list| {
        list.state.model_store(1, Relaxed);
        list.first.model_swap(1, add);
        Some(())
    })
    .thread(move |list| {
        if list.first.model_load(walk) == 0 {
            note(Empty);
            return Some(());
        }
        match list.state.model_load(Relaxed) {
            0 => note(Missed),
            _ => note(Observed),
        }
        Some(())
    })
    .ready()
}

/// `adapters/reactor.rs`: its table, here with one field, and its own sleep word.
struct Reactor {
    mutex: AtomicU64,
    table: AtomicU64,
    word: AtomicU32,
    futex: Futex,
}

impl Reactor {
    fn new() -> Self {
        Self {
            mutex: AtomicU64::new(0),
            table: AtomicU64::new(0),
            word: AtomicU32::new(DROWSY),
            futex: Futex::new(),
        }
    }

    fn locked(&self, act: Act<'_>) -> Option<u64> {
        assume(self.mutex.model_swap(1, Acquire) == 0)?;
        let result = act();
        self.mutex.model_store(0, Release);
        Some(result)
    }
}

/// The thread lists the table and sleeps; another thread changes the table. Both hold its
/// lock.
fn listed_and_changed() -> Setup {
    listing(Reactor::locked, Reactor::locked)
}

/// The operation under the lock.
type Act<'a> = &'a dyn Fn() -> u64;

fn listing(
    list: fn(&Reactor, Act<'_>) -> Option<u64>,
    change: fn(&Reactor, Act<'_>) -> Option<u64>,
) -> Setup {
    On::memory(Reactor::new())
        .thread(move |reactor| {
            let seen = list(reactor, &|| {
                reactor.word.swap(PARKED, LOCKED);
                reactor.table.model_load(PLAIN)
            })?;
            if seen == 1 {
                note(Observed);
            } else {
                reactor.futex.wait(&reactor.word, u64::MAX);
            }
            Some(())
        })
        .thread(move |reactor| {
            let waits = change(reactor, &|| {
                reactor.table.model_store(1, PLAIN);
                reactor.word.replace(PARKED, DROWSY, LOCKED).into()
            })?;
            if waits == 1 {
                reactor.futex.wake(&reactor.word);
            }
            note(Moved);
            Some(())
        })
        .ready()
}

/// An endpoint parks, the reactor's thread finds it in the table and waits for its word, and the
/// peer publishes. `start_sleep` and the peer are the shipped code.
fn parked_in_the_reactor() -> Setup {
    struct Waiting {
        reactor: Reactor,
        ring: Ring,
    }
    On::memory(Waiting {
        reactor: Reactor::new(),
        ring: Ring::new(1),
    })
    .thread(|waiting| {
        let ring = &waiting.ring;
        let mut sleeper = FENCED.sleeper(ring);
        let mut cursor = ring.reader()?;
        if in_range(cursor.look(&ring.tail))? > 0 {
            note(Observed);
            return Some(());
        }
        let mut end = End {
            sleeper: &mut sleeper,
            ring,
            goal: Goal::of_work(cursor.awaited()),
        };
        let kernel = Kernel { has_barrier: true };
        if start_sleep(std::slice::from_mut(&mut end), &kernel).is_none() {
            note(Unblocked);
            return Some(());
        }
        let reactor = &waiting.reactor;
        reactor.locked(&|| {
            reactor.table.model_store(1, PLAIN);
            0
        })?;
        Some(())
    })
    .thread(|waiting| {
        let reactor = &waiting.reactor;
        let listed = reactor.locked(&|| reactor.table.model_load(PLAIN))?;
        // Otherwise it sleeps on its own word: `listed_and_changed`.
        assume(listed == 1)?;
        let word = &waiting.ring.word;
        if word.load(WORD) != PARKED {
            note(Attached); // it wakes the task immediately
            return Some(());
        }
        waiting.ring.futex.wait(word, u64::MAX);
        Some(())
    })
    .thread(|waiting| publish(&waiting.ring, &Waker::new(false)))
    .ready()
}

/// A ring, and whether it is superseded.
struct Named {
    ring: Ring,
    superseded: AtomicU32,
}

/// `ring/lifetime.rs` and `ring/role.rs`: one process holds every lock and marks the ring
/// superseded; the next process that gets a lock checks the mark.
fn superseded_and_taken() -> Setup {
    On::memory(Named {
        ring: Ring::new(1),
        superseded: AtomicU32::new(0),
    })
    .thread(|named| {
        named.superseded.model_store(1, PLAIN);
        let lock: &Lock = &named.ring.lock;
        note(Stored);
        lock.free()
    })
    .thread(|named| {
        named.ring.lock.take()?;
        match named.superseded.model_load(PLAIN) {
            1 => note(Observed),
            _ => note(Missed),
        }
        Some(())
    })
    .ready()
}

/// `ring/role.rs`: an endpoint stores `pid`, `since` and `registered` before its epoch. Its
/// counters continue where those of a crashed holder stopped.
fn epoch_and_counters() -> Setup {
    struct Role {
        ring: Ring,
        pid: AtomicU32,
        dropped: AtomicU64,
    }
    On::memory(Role {
        ring: Ring::new(1),
        pid: AtomicU32::new(1),
        dropped: AtomicU64::new(0),
    })
    .thread(|role| {
        role.dropped.model_store(role.dropped.load_own() + 1, PLAIN);
        note(Died);
        Some(())
    })
    .dies(|role| role.ring.lock.holder_dies())
    .thread(|role| {
        role.ring.lock.take()?;
        role.pid.model_store(2, PLAIN);
        crate::peer::attach(&role.ring.state);
        if role.dropped.load_own() == 0 {
            note(Empty);
        }
        Some(())
    })
    .thread(|role| {
        if crate::peer::State::poll(&role.ring.state).epoch() == 2 {
            note(Attached);
            if role.pid.model_load(PLAIN) != 2 {
                note(Missed);
            }
        }
        Some(())
    })
    .ready()
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "opened_and_forked",
        floor: 12,
        setup: || opened_and_forked(FORK, FORK),
        forbidden: FORGOTTEN,
        states: &[Stored, Observed, Attached, Missed],
    },
    Scenario {
        name: "entry_taken_again",
        floor: 8,
        setup: || entry_taken_again(FORK),
        forbidden: &[(&[Missed], &[])],
        states: &[Attached, Observed],
    },
    Scenario {
        name: "place_listed",
        floor: 3,
        setup: || place_listed(FORK, FORK),
        forbidden: &[(&[Missed], &[])],
        states: &[Empty, Observed],
    },
    Scenario {
        name: "reactor_lists_its_table",
        floor: 9,
        setup: listed_and_changed,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
    },
    Scenario {
        name: "park_in_the_reactor",
        setup: parked_in_the_reactor,
        floor: 40,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Attached],
    },
    Scenario {
        name: "superseded_and_taken",
        floor: 2,
        setup: superseded_and_taken,
        forbidden: &[(&[Missed], &[])],
        states: &[Observed],
    },
    Scenario {
        name: "epoch_and_counters",
        floor: 16,
        setup: epoch_and_counters,
        forbidden: &[(&[Missed], &[]), (&[Died, Empty], &[])],
        states: &[Attached, Died, Empty],
    },
];

/// A child has a descriptor that its table does not list.
const FORGOTTEN: &[(&[State], &[State])] = &[(&[Stored, Missed], &[])];

/// Wrong steps: weaker orderings, and no lock.
pub(super) const PLANTED: &[Planted] = &[
    Planted {
        scenario: Scenario {
            name: "opened_and_forked, release and acquire",
            setup: || opened_and_forked(Release, Acquire),
            forbidden: FORGOTTEN,
            ..Scenario::EMPTY
        },
        met: [false, true, true],
    },
    Planted {
        scenario: Scenario {
            name: "opened_and_forked, relaxed",
            setup: || opened_and_forked(Relaxed, Relaxed),
            forbidden: FORGOTTEN,
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
    Planted {
        scenario: Scenario {
            name: "entry_taken_again, relaxed",
            setup: || entry_taken_again(Relaxed),
            forbidden: &[(&[Missed], &[])],
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
    Planted {
        scenario: Scenario {
            name: "place_listed, relaxed",
            setup: || place_listed(Relaxed, Relaxed),
            forbidden: &[(&[Missed], &[])],
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
    Planted {
        scenario: Scenario {
            name: "reactor_lists_its_table, no lock",
            setup: || listing(|_, act| Some(act()), |_, act| Some(act())),
            forbidden: LOST,
            ..Scenario::EMPTY
        },
        met: [true; 3],
    },
];
