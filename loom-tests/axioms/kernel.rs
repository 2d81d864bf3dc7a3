//! A model of the kernel, with the fences of its sources. The tests do not weaken these fences.
//!
//! - **Futex** (`kernel/futex/waitwake.c`): a waiter counts itself, runs a fence, and
//!   compares the word. A waker runs a fence, and checks whether a waiter is counted. If
//!   so, it wakes that waiter: both take the lock of the bucket, and the word was changed
//!   before.
//! - **`membarrier`** (`kernel/sched/membarrier.c`): a full fence at the beginning and at
//!   the end, and between them one on each processor that runs a registered process. A
//!   process that does not run has passed a fence in its last context switch.
//! - **Locks** (`fs/locks.c`): taking a lock and freeing it use the same spin lock. A query
//!   (`F_OFD_GETLK`) that sees an empty list takes no spin lock.
//! - **Death** (`kernel/exit.c`): a full fence when the memory is released, and later the
//!   locks, when the files are closed.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use super::sync::{AtomicU32, AtomicU64};
use super::trace::{self, Kind, assume, note, stop};
use crate::harness::reached::State::{Slept, Unblocked, Woken};
use crate::parker::{Doorbell, PARKED, Rest};
use crate::wait::sleep;

/// A futex for one sleeper.
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

/// The kernel's part in a park.
pub(crate) struct Kernel {
    /// Whether its barrier has an effect.
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

/// The lock of a role; it is held initially.
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
    pub(crate) fn holder_dies(&self) -> Option<()> {
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
