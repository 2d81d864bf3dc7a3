//! What one process does among its own threads, and under locks. The files that do it talk
//! to the system, and so these are their steps by hand, with the orderings of
//! `src/sync.rs`.

use super::Ring;
use crate::axioms::kernel::{Futex, Lock};
use crate::axioms::scenario::{On, Scenario, Setup};
use crate::axioms::sync::{AtomicU32, AtomicU64, FORK, LOCKED, PLAIN};
use crate::axioms::trace::{self, Kind, assume, note};
use crate::harness::reached::State::{
    self as Reached, Attached, Died, Empty, Missed, Moved, Observed, Slept, Stored, Unblocked,
    Woken,
};
use crate::parker::{DROWSY, Doorbell, PARKED};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// `segment/fork.rs`: an entry of the table, the count of forks, and a descriptor.
struct Table {
    descriptor: AtomicU64,
    entry: AtomicU32,
    forks: AtomicU64,
}

const HELD: u32 = 3;

/// `Segment::lock_file` in one thread, `fork` in another. The system call is a full fence
/// (it takes locks, and flushes the memory's translations) and then copies.
fn opened_and_forked() -> Setup {
    On::memory(Table {
        descriptor: AtomicU64::new(0),
        entry: AtomicU32::new(0),
        forks: AtomicU64::new(0),
    })
    .thread(|table| {
        let forks = table.forks.model_load(FORK);
        table.descriptor.model_store(1, Relaxed);
        table.entry.model_store(HELD, FORK);
        if forks == table.forks.model_load(FORK) && forks % 2 == 0 {
            note(Stored); // the descriptor is kept
        }
        Some(())
    })
    .thread(|table| {
        // The count of forks, and whether one is under way.
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

/// `adapters/reactor.rs`: its table, of which one field is enough, and its own sleep word.
struct Reactor {
    mutex: AtomicU64,
    table: AtomicU64,
    word: AtomicU32,
    futex: Futex,
}

impl Reactor {
    fn locked<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        assume(self.mutex.model_swap(1, Acquire) == 0)?;
        let result = act();
        self.mutex.model_store(0, Release);
        Some(result)
    }
}

/// The thread lists the table and sleeps; another thread changes the table.
fn listed_and_changed() -> Setup {
    On::memory(Reactor {
        mutex: AtomicU64::new(0),
        table: AtomicU64::new(0),
        word: AtomicU32::new(DROWSY),
        futex: Futex::new(),
    })
    .thread(|reactor| {
        let seen = reactor.locked(|| {
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
    .thread(|reactor| {
        let waits = reactor.locked(|| {
            reactor.table.model_store(1, PLAIN);
            reactor.word.replace(PARKED, DROWSY, LOCKED)
        })?;
        if waits {
            reactor.futex.wake(&reactor.word);
        }
        note(Moved);
        Some(())
    })
    .ready()
}

/// A ring, and whether its life is over.
struct Named {
    ring: Ring,
    superseded: AtomicU32,
}

/// `ring/lifetime.rs` and `ring/role.rs`: one process has every lock and ends the ring's
/// life; the next that gets one looks.
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

/// `ring/role.rs`: all that an end says of itself (`pid`, `since`, `registered`) is stored
/// before its epoch; its counters go on where those of a dead holder stopped.
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
    .dies(|role| role.ring.lock.bury())
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
        setup: opened_and_forked,
        forbidden: &[(&[Stored, Missed], &[])],
        states: &[Stored, Observed, Attached, Missed],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "reactor_lists_its_table",
        setup: listed_and_changed,
        forbidden: LOST,
        states: &[Slept, Woken, Unblocked, Observed],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "superseded_and_taken",
        setup: superseded_and_taken,
        forbidden: &[(&[Missed], &[])],
        states: &[Observed],
        ..Scenario::EMPTY
    },
    Scenario {
        name: "epoch_and_counters",
        setup: epoch_and_counters,
        forbidden: &[(&[Missed], &[]), (&[Died, Empty], &[])],
        states: &[Attached, Died, Empty],
        ..Scenario::EMPTY
    },
];

const LOST: &[(&[Reached], &[Reached])] = &[(&[Slept, Moved], &[Woken])];
