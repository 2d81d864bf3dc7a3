//! Sleeping in the kernel: on a shared futex, or on a POSIX semaphore in the
//! segment. Both have the same verbs; `tests/sleep.rs` runs one suite on
//! both.
//!
//! `FUTEX_PRIVATE_FLAG` is never set: the words are shared between processes.

use core::ptr::NonNull;
use std::io;

use crate::layout::{DOORBELL_FUTEX, DOORBELL_SEMAPHORE};
use crate::parker::{Doorbell, PARKED, Rest};
use crate::sync::{AtomicU32, AtomicU64, PLAIN};

/// What the ends of a ring sleep on. Chosen at create, for both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DoorbellKind {
    /// The sleep word itself, by `futex(2)`. Any C library; many rings can be
    /// waited for at once.
    #[default]
    Futex,
    /// A process-shared POSIX semaphore in the segment, for clients that have
    /// no futex call. Both ends must use the same C library, which trusts what
    /// is in a semaphore: a process with write access can make it abort the waiter.
    Semaphore,
}

/// The C library whose `sem_t` this is, and its size.
const LIBC: u32 = if cfg!(target_env = "musl") { 2 } else { 1 };
const SEMAPHORE: u32 = DOORBELL_SEMAPHORE | LIBC << 8 | (size_of::<libc::sem_t>() as u32) << 16;

impl DoorbellKind {
    /// The header's field.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Futex => DOORBELL_FUTEX,
            Self::Semaphore => SEMAPHORE,
        }
    }

    /// The kind that this build of the crate can ring.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        match code {
            DOORBELL_FUTEX => Some(Self::Futex),
            SEMAPHORE => Some(Self::Semaphore),
            _ => None,
        }
    }

    /// The kind, for an observer, which rings nothing.
    pub(crate) fn of_any_library(code: u32) -> Option<Self> {
        match code {
            DOORBELL_FUTEX => Some(Self::Futex),
            _ if code & 0xff == DOORBELL_SEMAPHORE => Some(Self::Semaphore),
            _ => None,
        }
    }
}

/// One end's doorbell. The memory behind it outlives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bell {
    /// The semaphore to sleep on; `None` for the sleep word itself.
    semaphore: Option<NonNull<Semaphore>>,
    /// Where the waker counts.
    wakes: NonNull<AtomicU64>,
}

/// The words of a `sem_t`. In both C libraries the first counts, and the second
/// says for good whether the semaphore is shared.
type Semaphore = [AtomicU64; 4];
const SHARED: usize = 1;

const _: () = assert!(size_of::<libc::sem_t>() == size_of::<Semaphore>());

/// Leftover tokens that are drained before one sleep. More of them just end it
/// early, and a corrupted count cannot keep the loop busy.
const TOKENS: usize = 64;

impl Bell {
    /// The bell of the end that has this semaphore; its peer counts in `wakes`.
    pub(crate) fn new(kind: DoorbellKind, semaphore: &Semaphore, wakes: &AtomicU64) -> Self {
        let semaphore = NonNull::from(semaphore);
        Self {
            semaphore: (kind == DoorbellKind::Semaphore).then_some(semaphore),
            wakes: NonNull::from(wakes),
        }
    }

    /// The semaphore, while it is one. The C library asks the kernel for an
    /// operation that the second word selects: glibc aborts at an unknown one,
    /// or sleeps where it should wake. So when that word has been written to,
    /// both ends go over to the sleep word. (A write between this look and the
    /// call still does its harm: a process with write access can end one that
    /// sleeps on semaphores.)
    fn semaphore(&self) -> Option<*mut libc::sem_t> {
        let semaphore = self.semaphore?;
        // SAFETY: the words are in the memory that outlives the bell.
        let words: &[AtomicU64; 4] = unsafe { semaphore.as_ref() };
        let shared = words[SHARED].load(PLAIN);
        (shared == shared_mark()).then_some(semaphore.as_ptr().cast())
    }

    /// Makes a fresh segment's semaphore. Never done twice: a waiter of the
    /// first would be lost.
    pub(crate) fn init(&self) {
        if let Some(semaphore) = self.semaphore {
            // SAFETY: the memory is a `sem_t`'s, and nobody uses it yet.
            unsafe { libc::sem_init(semaphore.as_ptr().cast(), 1, 0) };
        }
    }
}

/// The second word of a shared semaphore.
fn shared_mark() -> u64 {
    let mut fresh = [0_u64; 4];
    // SAFETY: the memory is as large as a `sem_t` and aligned as one.
    unsafe { libc::sem_init(fresh.as_mut_ptr().cast(), 1, 0) };
    fresh[SHARED]
}

impl Doorbell for Bell {
    fn drain(&self) {
        let Some(semaphore) = self.semaphore() else {
            return;
        };
        for _ in 0..TOKENS {
            // SAFETY: it is a `sem_t`'s memory, which outlives the bell, and its
            // second word was that of a shared semaphore a moment ago.
            if unsafe { libc::sem_trywait(semaphore) } == -1 {
                break;
            }
        }
    }

    fn wait(&self, word: &AtomicU32, until: u64) -> Rest {
        let until = timespec(until);
        let result = match self.semaphore() {
            // SAFETY: word and time live through the call.
            None => unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    word.as_ptr(),
                    libc::FUTEX_WAIT_BITSET,
                    PARKED,
                    &raw const until,
                    core::ptr::null::<u32>(),
                    libc::FUTEX_BITSET_MATCH_ANY,
                )
            },
            Some(semaphore) => libc::c_long::from(sem_wait(semaphore, &until)),
        };
        if result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT) {
            Rest::TimedOut
        } else {
            Rest::Ended
        }
    }

    fn wake(&self, word: &AtomicU32) {
        // A push may run in a signal handler, which must leave errno alone.
        // SAFETY: every thread has an errno.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: it is this thread's own.
        let before = unsafe { errno.read() };
        match self.semaphore() {
            None => wake_one(word),
            Some(semaphore) => {
                // SAFETY: it is a `sem_t`'s memory, which outlives the bell, and its
                // second word was that of a shared semaphore a moment ago.
                unsafe { libc::sem_post(semaphore) };
            }
        }
        // SAFETY: as above.
        unsafe { errno.write(before) };
        // SAFETY: the counter is in the memory that outlives the bell.
        let wakes: &AtomicU64 = unsafe { self.wakes.as_ref() };
        wakes.count();
    }
}

/// Wakes one thread that sleeps on the word itself.
pub(crate) fn wake_one(word: &AtomicU32) {
    // SAFETY: the word lives through the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// At most so many words can be waited for at once (`FUTEX_WAITV_MAX`).
pub(crate) const MOST_WORDS: usize = 128;

/// Sleeps while every one of `words` is `PARKED`, and may return early.
///
/// # Errors
///
/// ENOSYS before Linux 5.16.
pub(crate) fn wait_any<'a>(
    words: impl Iterator<Item = &'a AtomicU32>,
    until: u64,
) -> io::Result<Rest> {
    const FUTEX_32: u32 = 2;
    // SAFETY: all zero bytes are such an entry.
    let mut entries: [libc::futex_waitv; MOST_WORDS] = unsafe { core::mem::zeroed() };
    let mut count = 0;
    for (entry, word) in entries.iter_mut().zip(words) {
        count += 1;
        entry.val = u64::from(PARKED);
        entry.uaddr = word.as_ptr() as u64;
        entry.flags = FUTEX_32;
    }
    let until = timespec(until);
    // SAFETY: entries, words and time live through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            entries.as_ptr(),
            count,
            0,
            &raw const until,
            libc::CLOCK_MONOTONIC,
        )
    };
    if result >= 0 {
        return Ok(Rest::Ended);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ETIMEDOUT) => Ok(Rest::TimedOut),
        Some(libc::EAGAIN | libc::EINTR) => Ok(Rest::Ended),
        _ => Err(error),
    }
}

/// Has every registered process pass a full fence.
pub(crate) fn barrier() -> bool {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

/// Makes this process one that barriers reach, for as long as it lives.
pub(crate) fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Nanoseconds on the monotonic clock of this process. Another process may be in another
/// time namespace, so no such time leaves this one.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives through the call, which cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
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
    // semaphore, in memory that outlives the bell; the time lives through the call.
    unsafe { sem_clockwait(semaphore, libc::CLOCK_MONOTONIC, until) }
}

/// musl only waits on the wall clock: a jump of it ends the wait early, and the
/// waiter looks again, or at the next look at the peer.
#[cfg(target_env = "musl")]
fn sem_wait(semaphore: *mut libc::sem_t, until: &libc::timespec) -> libc::c_int {
    let left = (until.tv_sec as u64 * 1_000_000_000 + until.tv_nsec as u64).saturating_sub(now());
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64);
    let until = timespec(wall.saturating_add(left));
    // SAFETY: the caller has just found the second word to be that of a shared
    // semaphore, in memory that outlives the bell; the time lives through the call.
    unsafe { libc::sem_timedwait(semaphore, &raw const until) }
}
