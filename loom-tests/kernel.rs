//! The kernel's part in a model: a futex that compares and blocks, and a
//! barrier.
//!
//! A sleeper holds a ticket, and a wake takes one away: so a wake counts once,
//! and a wake that finds no sleeper is forgotten. A sleep that ends early, by a
//! signal or for no reason, and one that its deadline ends, come where a list
//! says so: a sleep that returns at once stands for every one that returns
//! later, since loom may let any time pass before it.

use std::cell::Cell;

use loom::sync::{Condvar, Mutex, MutexGuard};

use crate::harness::death;
use crate::harness::reached::{State, reach};
use crate::parker::{Doorbell, PARKED, Rest};
use crate::sync::{AtomicU32, full_fence};

/// The words on which somebody sleeps.
type Sleepers = Vec<*const AtomicU32>;

pub(crate) struct Kernel {
    sleepers: Mutex<Sleepers>,
    woken: Condvar,
    /// How the first sleeps that would block end; the others by a wake.
    ends: Cell<&'static [Option<Rest>]>,
    compares: bool,
}

impl Kernel {
    pub(crate) fn new(ends: &'static [Option<Rest>], compares: bool) -> Self {
        Self {
            sleepers: Mutex::new(Vec::new()),
            woken: Condvar::new(),
            ends: Cell::new(ends),
            compares,
        }
    }

    /// Sleeps whatever the word holds.
    pub(crate) fn sleep(&self, word: &AtomicU32) {
        let sleepers = self.sleepers.lock().expect("nobody dies with the lock");
        self.block(word, sleepers);
    }

    fn block<'a>(&'a self, word: &AtomicU32, mut sleepers: MutexGuard<'a, Sleepers>) {
        reach(State::Slept);
        let ticket: *const AtomicU32 = word;
        sleepers.push(ticket);
        while sleepers.contains(&ticket) {
            sleepers = self
                .woken
                .wait(sleepers)
                .expect("nobody dies with the lock");
        }
    }

    fn next_end(&self) -> Option<Rest> {
        let (&end, rest) = self.ends.get().split_first()?;
        self.ends.set(rest);
        end
    }
}

impl Doorbell for Kernel {
    fn drain(&self) {}

    fn wait(&self, word: &AtomicU32, _until: u64) -> Rest {
        death::step();
        let sleepers = self.sleepers.lock().expect("nobody dies with the lock");
        if word.load_in_kernel() != PARKED && self.compares {
            reach(State::Unblocked);
            return Rest::Ended;
        }
        if let Some(end) = self.next_end() {
            reach(State::Interrupted);
            return end;
        }
        self.block(word, sleepers);
        Rest::Ended
    }

    fn wake(&self, word: &AtomicU32) {
        death::step();
        let mut sleepers = self.sleepers.lock().expect("nobody dies with the lock");
        let ticket: *const AtomicU32 = word;
        sleepers.retain(|&sleeper| sleeper != ticket);
        self.woken.notify_all();
    }

    fn barrier(&self) -> bool {
        death::step();
        full_fence();
        true
    }

    fn now(&self) -> u64 {
        0
    }
}
