//! Sleeps on the sleep word, as a shared futex.
//!
//! `FUTEX_PRIVATE_FLAG` is never set: the words are shared between processes.

use std::io;

use super::time::timespec;
use crate::parker::{Doorbell, PARKED, Rest};
use crate::sync::AtomicU32;

/// The futex of any word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Futex;

impl Doorbell for Futex {
    /// A wake without a sleeper has no effect.
    fn drain(&self) {}

    fn wait(&self, word: &AtomicU32, until: u64) -> Rest {
        let until = timespec(until);
        // SAFETY: word and time outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT_BITSET,
                PARKED,
                &raw const until,
                core::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        };
        if result == 0 {
            return Rest::Woken(0);
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::ETIMEDOUT) => Rest::TimedOut,
            _ => Rest::Ended,
        }
    }

    fn wake(&self, word: &AtomicU32) {
        // SAFETY: the word outlives the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
    }
}

/// The most words of one wait (`FUTEX_WAITV_MAX`).
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
    // SAFETY: entries, words and time outlive the call.
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
    if let Ok(index) = usize::try_from(result) {
        return Ok(Rest::Woken(index));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ETIMEDOUT) => Ok(Rest::TimedOut),
        Some(libc::EAGAIN | libc::EINTR) => Ok(Rest::Ended),
        _ => Err(error),
    }
}
