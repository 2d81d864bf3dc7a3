//! What loom does not model: a processor that loads ahead of its own stores, and the
//! barrier against that.
//!
//! These models run `src/parker.rs` on words with an explicit store buffer. The waker's
//! stores go into a queue. A separate thread moves them to memory one by one, at any time;
//! until then only the waker sees them. A fence empties the queue. So does a
//! read-modify-write, a system call, a death, and the sleeper's `membarrier` if the waker's
//! process is registered for it. That is TSO, the memory model of x86-64; the same barrier
//! orders weaker machines. The sleeper's own stores to its word are swaps, so it needs no
//! queue.

pub(crate) mod models;
pub(crate) mod mutants;
#[path = "../src/parker.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "the same file on other words; hints are not part of the sleep"
)]
mod parker;
mod sync;
mod wait;

use self::parker::{Doorbell, PARKED, Rest, Sleeper, Waker};
use self::sync::{AtomicU32, AtomicU64, Machine, WAKE, WORD, fence};
use self::wait::sleep::{self, Parkable};
use crate::harness::reached::{State, reach};

/// The steps that a mutant may replace.
pub(crate) struct Steps {
    /// Makes a waker whose process is registered for barriers, or is not.
    waker: fn(bool) -> Waker,
    moved: fn(&Waker, &AtomicU32, &Kernel),
    take: fn(&Waker, &AtomicU32, &Kernel),
    park: fn(&mut Sleeper, &AtomicU32, &Kernel, &dyn Fn() -> bool, u64),
    barrier: fn(&Kernel),
    /// Whether a fence empties the queue.
    fences: bool,
}

/// The shipped steps.
pub(crate) static SHIPPED: Steps = Steps::SHIPPED;

impl Steps {
    const SHIPPED: Self = Self {
        waker: Waker::new,
        moved: |waker, word, kernel| {
            if let Some(seen) = waker.news(word) {
                waker.slow_path(seen, word, kernel);
            }
        },
        take: |waker, word, kernel| waker.wake_unconditionally(word, kernel),
        park: |sleeper, word, kernel, stirred, position| {
            let mut parking = Parking {
                sleeper,
                word,
                stirred,
                position,
            };
            let ends = std::slice::from_mut(&mut parking);
            sleep::park(ends, kernel, u64::MAX, |ends, until| {
                kernel.wait(ends[0].word, until)
            });
        },
        barrier: |_| Machine::barrier(),
        fences: true,
    };
}

/// The kernel for one sleeper.
pub(crate) struct Kernel {
    steps: &'static Steps,
    /// How many owners the sleep word has had before.
    generation: usize,
}

impl Doorbell for Kernel {
    fn drain(&self) {}

    fn wait(&self, word: &AtomicU32, _until: u64) -> Rest {
        if Machine::sleep_while(word, PARKED) {
            reach(State::Slept);
            Rest::Woken(0)
        } else {
            reach(State::Unblocked);
            Rest::Ended
        }
    }

    fn wake(&self, _word: &AtomicU32) {
        Machine::wake();
    }
}

impl sleep::Kernel for Kernel {
    fn barrier(&self) -> bool {
        (self.steps.barrier)(self);
        true
    }

    fn now(&self) -> u64 {
        0
    }
}

/// An endpoint that is about to sleep, as `wait/sleep.rs` needs it.
struct Parking<'a> {
    sleeper: &'a mut Sleeper,
    word: &'a AtomicU32,
    stirred: &'a dyn Fn() -> bool,
    position: u64,
}

impl Parkable for Parking<'_> {
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        (self.sleeper, self.word)
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn has_work(&self) -> bool {
        (self.stirred)()
    }

    fn drain(&self) {}

    fn count_sleep(&self) {}

    fn count_rescue(&self) {}
}
