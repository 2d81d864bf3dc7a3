//! The bare futex: one word in each direction, with the least code to sleep on it and to
//! wake. Parked round trips are compared with it.
//!
//! With a deadline it is the least cost of a wait that also checks the peer from time to
//! time.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memmap2::MmapRaw;

use super::interleaved::Side;
use super::link::Link;

/// One endpoint of two words in shared memory, placed like a ring's.
#[derive(Debug)]
pub(crate) struct Futex {
    map: MmapRaw,
    outgoing: usize,
    incoming: usize,
    /// The last message that was received.
    last: u32,
    /// How long one wait may take; `None` for no limit.
    patience: Option<Duration>,
}

/// The words are in two stripes, like the ring's sleep words.
const WORDS: [usize; 2] = [0, 128];

/// Creates the file; returns how each process opens its endpoint.
pub(crate) fn wire(
    path: &Path,
    patience: Option<Duration>,
) -> io::Result<impl FnMut(Side) -> Futex + use<>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    file.set_len(4096)?;
    Ok(move |side| {
        let [outgoing, incoming] = match side {
            Side::Lead => WORDS,
            Side::Partner => [WORDS[1], WORDS[0]],
        };
        Futex {
            map: MmapRaw::map_raw(&file).expect("a page can be mapped"),
            outgoing,
            incoming,
            last: 0,
            patience,
        }
    })
}

impl Futex {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: both offsets are within the page.
        let word = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: the page outlives `self`, and every access to the word is atomic.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }
}

/// The message is the word, so it has four bytes. Two consecutive messages differ.
impl Link for Futex {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let word = self.word(self.outgoing);
        word.store(message as u32, Ordering::Release);
        // SAFETY: the word outlives the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let word = self.word(self.incoming);
        loop {
            let message = word.load(Ordering::Acquire);
            if message != self.last {
                self.last = message;
                return widen(message);
            }
            let until = self.patience.map(deadline);
            // SAFETY: the word and the time, if any, outlive the call.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    word.as_ptr(),
                    libc::FUTEX_WAIT_BITSET,
                    message,
                    until.as_ref().map_or(ptr::null(), ptr::from_ref),
                    ptr::null::<u32>(),
                    libc::FUTEX_BITSET_MATCH_ANY,
                )
            };
        }
    }
}

/// Maps the largest four-byte number to the message that ends a slice.
#[inline(always)]
fn widen(message: u32) -> u64 {
    if message == u32::MAX {
        u64::MAX
    } else {
        u64::from(message)
    }
}

/// The time after this duration, on the monotonic clock.
fn deadline(patience: Duration) -> libc::timespec {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time outlives the call, which cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let nanos = time.tv_nsec as u128 + patience.as_nanos();
    libc::timespec {
        tv_sec: time.tv_sec + (nanos / 1_000_000_000) as i64,
        tv_nsec: (nanos % 1_000_000_000) as libc::c_long,
    }
}

/// One endpoint of many words in each direction, on all of which a receiver waits at once.
/// This is the kernel's part of a `Select`. Each message uses the next word.
#[derive(Debug)]
pub(crate) struct Futexes {
    map: MmapRaw,
    outgoing: usize,
    incoming: usize,
    sent: usize,
    /// The last message that was received on each word.
    last: Vec<u32>,
}

/// Each word has separate pages, as in a ring.
const STRIDE: usize = 16384;

/// The same as [`wire`], with this many words in each direction.
pub(crate) fn wire_many(
    path: &Path,
    count: usize,
) -> io::Result<impl FnMut(Side) -> Futexes + use<>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    file.set_len((2 * count * STRIDE) as u64)?;
    Ok(move |side| {
        let [outgoing, incoming] = match side {
            Side::Lead => [0, count],
            Side::Partner => [count, 0],
        };
        Futexes {
            map: MmapRaw::map_raw(&file).expect("the pages can be mapped"),
            outgoing,
            incoming,
            sent: 0,
            last: vec![0; count],
        }
    })
}

impl Futexes {
    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU32 {
        // SAFETY: there are as many strides as words.
        let word = unsafe { self.map.as_mut_ptr().add(index * STRIDE) };
        // SAFETY: the pages outlive `self`, and every access to the word is atomic.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// The index of a word with a message, the next one's first.
    fn find(&self) -> Option<usize> {
        let (count, first) = (self.last.len(), self.sent);
        let mut indices = (first..count).chain(0..first);
        indices.find(|&index| {
            self.word(self.incoming + index).load(Ordering::Acquire) != self.last[index]
        })
    }
}

impl Link for Futexes {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let word = self.word(self.outgoing + self.sent);
        word.store(message as u32, Ordering::Release);
        // SAFETY: the word outlives the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
        self.sent = (self.sent + 1) % self.last.len();
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            if let Some(index) = self.find() {
                let message = self.word(self.incoming + index).load(Ordering::Acquire);
                self.last[index] = message;
                return widen(message);
            }
            // SAFETY: all zero bytes are such entries.
            let mut entries: [libc::futex_waitv; 128] = unsafe { std::mem::zeroed() };
            for (index, &last) in self.last.iter().enumerate() {
                const FUTEX_32: u32 = 2;
                entries[index].val = last.into();
                entries[index].uaddr = self.word(self.incoming + index).as_ptr() as u64;
                entries[index].flags = FUTEX_32;
            }
            // SAFETY: the entries and their words outlive the call.
            unsafe {
                libc::syscall(
                    libc::SYS_futex_waitv,
                    entries.as_ptr(),
                    self.last.len(),
                    0,
                    ptr::null::<libc::timespec>(),
                    libc::CLOCK_MONOTONIC,
                )
            };
        }
    }
}
