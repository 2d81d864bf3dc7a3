//! The kernel's part, with the fences that its sources have. None of them is judged here.
//!
//! - **Futex** (`kernel/futex/waitwake.c`): a waiter counts itself, fences, and compares the word;
//!   a waker fences, and asks whether a waiter is counted. A waiter that it finds is woken, since
//!   both then take the lock of the bucket, and the word was changed before.
//! - **`membarrier`** (`kernel/sched/membarrier.c`): a full fence at the beginning and at
//!   the end, and between them one on each processor that runs a registered process. A
//!   process that does not run has passed one since, when its processor switched.
//! - **Locks** (`fs/locks.c`): taking and freeing a lock hold the same spin lock. A query
//!   (`F_OFD_GETLK`) may see an empty list and take none.
//! - **Death** (`kernel/exit.c`): a full fence, when the memory is given up, and then the
//!   locks, when the files are closed.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use super::sync::{AtomicU32, AtomicU64};
use super::trace::{self, Kind, assume, note, stop};
use crate::harness::reached::State::{Slept, Unblocked, Woken};
use crate::parker::{Doorbell, PARKED, Rest};
use crate::wait::sleep;

/// A futex with room for one sleeper.
pub(crate) struct Futex {
    waiting: AtomicU32,
}

impl Futex {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: AtomicU32::new(0),
        }
    }
}

impl Doorbell for Futex {
    fn drain(&self) {}

    fn wait(&self, word: &AtomicU32, _until: u64) -> Rest {
        self.waiting.model_store(1, Relaxed);
        trace::fence(Kind::Fence, SeqCst);
        if word.model_load(Relaxed) == PARKED {
            note(Slept);
            // Events after a wake are not part of this sleep.
            stop();
            return Rest::Woken(0);
        }
        note(Unblocked);
        Rest::Ended
    }

    fn wake(&self, _word: &AtomicU32) {
        trace::fence(Kind::Fence, SeqCst);
        if self.waiting.model_load(Relaxed) == 1 {
            note(Woken);
        }
    }
}

/// What the kernel does for a park.
pub(crate) struct Kernel {
    /// Whether its barrier does anything.
    pub(crate) has_barrier: bool,
}

impl sleep::Kernel for Kernel {
    fn barrier(&self) -> bool {
        if self.has_barrier {
            trace::fence(Kind::BarrierBegins, SeqCst);
            trace::fence(Kind::BarrierEnds, SeqCst);
        }
        true
    }

    fn now(&self) -> u64 {
        0
    }
}

/// The lock of a role, held at first.
pub(crate) struct Lock {
    spin: AtomicU64,
    held: AtomicU64,
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self {
            spin: AtomicU64::new(0),
            held: AtomicU64::new(1),
        }
    }

    /// The holder frees it.
    pub(crate) fn free(&self) -> Option<()> {
        assume(self.spin.model_swap(1, Acquire) == 0)?;
        self.held.model_store(0, Relaxed);
        self.spin.model_store(0, Release);
        Some(())
    }

    /// The holder has died.
    pub(crate) fn bury(&self) -> Option<()> {
        trace::fence(Kind::Fence, SeqCst);
        self.free()
    }

    /// Takes the lock of a holder that has ended; only then does the thread continue.
    pub(crate) fn take(&self) -> Option<()> {
        assume(self.spin.model_swap(1, Acquire) == 0)?;
        assume(self.held.model_load(Relaxed) == 0)?;
        self.held.model_store(2, Relaxed);
        self.spin.model_store(0, Release);
        Some(())
    }

    /// Whether another thread has it.
    pub(crate) fn is_held(&self) -> bool {
        self.held.model_load(Acquire) != 0
    }
}
