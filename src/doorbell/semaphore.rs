//! Sleeping on a POSIX semaphore in the segment.

use core::ptr::NonNull;
use std::io;

#[cfg(target_env = "musl")]
use super::time::now;
use super::time::timespec;
use crate::layout::DOORBELL_SEMAPHORE;
use crate::parker::{Doorbell, Rest};
use crate::sync::{AtomicU32, AtomicU64, PLAIN};

/// The C library whose `sem_t` this is.
const LIBC: u32 = if cfg!(target_env = "musl") { 2 } else { 1 };
/// The header's field, of a ring that sleeps on this library's semaphores.
pub(super) const CODE: u32 =
    DOORBELL_SEMAPHORE | LIBC << 8 | (size_of::<libc::sem_t>() as u32) << 16;

/// The words of a `sem_t`. In both C libraries the first counts, and the second
/// says for good whether the semaphore is shared.
type Words = [AtomicU64; 4];
const SHARED: usize = 1;

const _: () = assert!(size_of::<libc::sem_t>() == size_of::<Words>());

/// Leftover tokens that are drained before one sleep. More of them just end it
/// early, and a corrupted count cannot keep the loop busy.
const TOKENS: usize = 64;

/// A semaphore; whatever the word, this is slept on. The memory behind it outlives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Semaphore(NonNull<Words>);

impl Semaphore {
    pub(super) fn new(words: &Words) -> Self {
        Self(NonNull::from(words))
    }

    /// Makes a fresh segment's semaphore. Never done twice: a waiter of the
    /// first would be lost.
    pub(super) fn init(self) {
        // SAFETY: the memory is a `sem_t`'s, and nobody uses it yet.
        unsafe { libc::sem_init(self.as_ptr(), 1, 0) };
    }

    /// Whether it is a semaphore still. The C library asks the kernel for an
    /// operation that the second word selects: glibc aborts at an unknown one,
    /// or sleeps where it should wake. So when that word has been written to,
    /// both endpoints go over to the sleep word. (A write between this look and the
    /// call still does its harm: a process with write access can end one that
    /// sleeps on semaphores.)
    pub(super) fn is_intact(&self) -> bool {
        // SAFETY: the words are in the memory that outlives the semaphore.
        let words: &[AtomicU64; 4] = unsafe { self.0.as_ref() };
        words[SHARED].load(PLAIN) == shared_mark()
    }

    fn as_ptr(self) -> *mut libc::sem_t {
        self.0.as_ptr().cast()
    }
}

/// The second word of a shared semaphore.
fn shared_mark() -> u64 {
    let mut fresh = [0_u64; 4];
    // SAFETY: the memory is as large as a `sem_t` and aligned as one.
    unsafe { libc::sem_init(fresh.as_mut_ptr().cast(), 1, 0) };
    fresh[SHARED]
}

/// For one that was found intact a moment ago.
impl Doorbell for Semaphore {
    fn drain(&self) {
        for _ in 0..TOKENS {
            // SAFETY: it is a `sem_t`'s memory, which outlives the semaphore, and its
            // second word was that of a shared semaphore a moment ago.
            if unsafe { libc::sem_trywait(self.as_ptr()) } == -1 {
                break;
            }
        }
    }

    fn wait(&self, _word: &AtomicU32, until: u64) -> Rest {
        if sem_wait(self.as_ptr(), &timespec(until)) == 0 {
            return Rest::Woken(0);
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::ETIMEDOUT) => Rest::TimedOut,
            _ => Rest::Ended,
        }
    }

    fn wake(&self, _word: &AtomicU32) {
        // SAFETY: it is a `sem_t`'s memory, which outlives the semaphore, and its
        // second word was that of a shared semaphore a moment ago.
        unsafe { libc::sem_post(self.as_ptr()) };
    }
}

/// Waits on the monotonic clock.
#[cfg(not(target_env = "musl"))]
fn sem_wait(semaphore: *mut libc::sem_t, until: &libc::timespec) -> libc::c_int {
    unsafe extern "C" {
        // SAFETY: as glibc 2.30 declares it; the libc crate does not.
        fn sem_clockwait(
            semaphore: *mut libc::sem_t,
            clock: libc::clockid_t,
            until: *const libc::timespec,
        ) -> libc::c_int;
    }
    // SAFETY: the caller has just found the second word to be that of a shared
    // semaphore, in memory that outlives it; the time lives through the call.
    unsafe { sem_clockwait(semaphore, libc::CLOCK_MONOTONIC, until) }
}

/// musl only waits on the wall clock: a jump of it ends the wait early, and the
/// waiter polls again, or at the next liveness check.
#[cfg(target_env = "musl")]
fn sem_wait(semaphore: *mut libc::sem_t, until: &libc::timespec) -> libc::c_int {
    let left = (until.tv_sec as u64 * 1_000_000_000 + until.tv_nsec as u64).saturating_sub(now());
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64);
    let until = timespec(wall.saturating_add(left));
    // SAFETY: the caller has just found the second word to be that of a shared
    // semaphore, in memory that outlives it; the time lives through the call.
    unsafe { libc::sem_timedwait(semaphore, &raw const until) }
}
