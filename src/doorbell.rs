//! Sleeping in the kernel: on a shared futex, or on a POSIX semaphore in the segment. Both have the
//! same methods; `tests/waits/sleep.rs` runs one suite on both.

mod futex;
mod semaphore;
mod time;

use core::ptr::NonNull;

pub(crate) use self::futex::{Futex, MOST_WORDS, wait_any};
use self::semaphore::Semaphore;
pub(crate) use self::time::now;
use crate::layout::{DOORBELL_FUTEX, DOORBELL_SEMAPHORE};
use crate::parker::{Doorbell, Rest};
use crate::sync::{AtomicU32, AtomicU64};

/// What the endpoints of a ring sleep on. Chosen when the ring is created, for both endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DoorbellKind {
    /// The sleep word itself, by `futex(2)`. Works with any C library and with `Select`.
    #[default]
    Futex,
    /// A process-shared POSIX semaphore in the segment, for clients that have no futex call. Both
    /// endpoints must use the same C library, which trusts the bytes of a semaphore: a process with
    /// write access can make it abort the waiter.
    Semaphore,
}

impl DoorbellKind {
    /// The header's field.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Futex => DOORBELL_FUTEX,
            Self::Semaphore => semaphore::CODE,
        }
    }

    /// The kind that this build of the crate can wake.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        match code {
            DOORBELL_FUTEX => Some(Self::Futex),
            semaphore::CODE => Some(Self::Semaphore),
            _ => None,
        }
    }

    /// The kind, for an observer, which wakes nothing.
    pub(crate) fn of_any_library(code: u32) -> Option<Self> {
        match code {
            DOORBELL_FUTEX => Some(Self::Futex),
            _ if code & 0xff == DOORBELL_SEMAPHORE => Some(Self::Semaphore),
            _ => None,
        }
    }
}

/// One endpoint's doorbell. Its memory outlives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bell {
    /// The semaphore to sleep on; `None` for the sleep word itself.
    semaphore: Option<Semaphore>,
    /// Where the waker counts.
    wakes: NonNull<AtomicU64>,
}

impl Bell {
    /// The bell of the endpoint that has this semaphore; its peer counts in `wakes`.
    pub(crate) fn new(kind: DoorbellKind, semaphore: &[AtomicU64; 4], wakes: &AtomicU64) -> Self {
        Self {
            semaphore: (kind == DoorbellKind::Semaphore).then(|| Semaphore::new(semaphore)),
            wakes: NonNull::from(wakes),
        }
    }

    /// Makes a fresh segment's semaphore, if the endpoint sleeps on one.
    pub(crate) fn init(&self) {
        if let Some(semaphore) = self.semaphore {
            semaphore.init();
        }
    }

    /// The semaphore, if it is intact.
    fn semaphore(&self) -> Option<Semaphore> {
        self.semaphore.filter(Semaphore::is_intact)
    }
}

impl Doorbell for Bell {
    fn drain(&self) {
        match self.semaphore() {
            None => Futex.drain(),
            Some(semaphore) => semaphore.drain(),
        }
    }

    fn wait(&self, word: &AtomicU32, until: u64) -> Rest {
        match self.semaphore() {
            None => Futex.wait(word, until),
            Some(semaphore) => semaphore.wait(word, until),
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, word: &AtomicU32) {
        // A push may run in a signal handler, which must not change errno.
        // SAFETY: every thread has an errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: it is this thread's own.
        let before = unsafe { errno.read() };
        match self.semaphore() {
            None => Futex.wake(word),
            Some(semaphore) => semaphore.wake(word),
        }
        // SAFETY: as above.
        unsafe { errno.write(before) };
        // SAFETY: the counter is in the memory that outlives the bell.
        let wakes: &AtomicU64 = unsafe { self.wakes.as_ref() };
        wakes.increment();
    }
}

/// Makes every registered process execute a full fence.
pub(crate) fn barrier() -> bool {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

/// Registers this process for barriers, until it ends.
pub(crate) fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
