//! The kernel in a model: a futex that compares and blocks, and a barrier.
//!
//! A sleeper holds a ticket, and a wake takes one away. So a wake counts once, and a wake
//! without a sleeper has no effect. A list says which sleeps end early, by a signal or for
//! no reason, and which ones end by their deadline. A sleep that returns immediately stands
//! for every one that returns later, because loom may schedule it at any time.

use std::cell::Cell;

use loom::sync::{Condvar, Mutex, MutexGuard};

use crate::harness::death;
use crate::harness::reached::{State, reach};
use crate::parker::{Doorbell, PARKED, Rest};
use crate::sync::{AtomicU32, full_fence};
use crate::wait::sleep;

/// The words on which another thread sleeps.
type Sleepers = Vec<*const AtomicU32>;

pub(crate) struct Kernel {
    sleepers: Mutex<Sleepers>,
    woken: Condvar,
    /// How the first sleeps that would block end. All later ones end by a wake.
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

    /// Sleeps without a comparison of the word.
    pub(crate) fn sleep(&self, word: &AtomicU32) {
        let sleepers = self
            .sleepers
            .lock()
            .expect("no thread dies while it holds the lock");
        self.block(&[word], sleepers);
    }

    /// Sleeps while each of the words is `PARKED`.
    pub(crate) fn wait_any(&self, words: &[&AtomicU32]) -> Rest {
        death::step();
        let sleepers = self
            .sleepers
            .lock()
            .expect("no thread dies while it holds the lock");
        let changed = |word: &&AtomicU32| word.load_in_kernel() != PARKED;
        if self.compares && words.iter().any(changed) {
            reach(State::Unblocked);
            return Rest::Ended;
        }
        if let Some(end) = self.next_end() {
            reach(State::Interrupted);
            return end;
        }
        Rest::Woken(self.block(words, sleepers))
    }

    /// Returns the index of a word that was woken.
    fn block<'a>(&'a self, words: &[&AtomicU32], mut sleepers: MutexGuard<'a, Sleepers>) -> usize {
        reach(State::Slept);
        let tickets: Vec<*const AtomicU32> = words.iter().map(|&word| word as *const _).collect();
        sleepers.extend(&tickets);
        let woken = loop {
            let is_woken = |ticket| !sleepers.contains(ticket);
            if let Some(woken) = tickets.iter().position(is_woken) {
                break woken;
            }
            sleepers = self
                .woken
                .wait(sleepers)
                .expect("no thread dies while it holds the lock");
        };
        sleepers.retain(|sleeper| !tickets.contains(sleeper));
        woken
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
        self.wait_any(&[word])
    }

    fn wake(&self, word: &AtomicU32) {
        death::step();
        let mut sleepers = self
            .sleepers
            .lock()
            .expect("no thread dies while it holds the lock");
        let ticket: *const AtomicU32 = word;
        sleepers.retain(|&sleeper| sleeper != ticket);
        self.woken.notify_all();
    }
}

impl sleep::Kernel for Kernel {
    fn barrier(&self) -> bool {
        death::step();
        full_fence();
        true
    }

    fn now(&self) -> u64 {
        0
    }
}
