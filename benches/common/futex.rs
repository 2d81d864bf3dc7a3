//! The bare futex: one word in each direction, with the least code to sleep on it and to
//! wake. Parked round trips are compared with it.
//!
//! With a deadline it is the least cost of a wait that also checks the peer from time to
//! time.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitvFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::exchange::Link;
use super::interleaved::Side;
use super::memory::{self, Memory};

/// One endpoint of two words in shared memory.
#[derive(Debug)]
pub(crate) struct Futex {
    memory: Memory,
    outgoing: usize,
    incoming: usize,
    /// The last message that was received.
    last: u32,
    /// How long one wait may take; `None` for no limit.
    patience: Option<Duration>,
}

/// Creates the file; returns how each process opens its endpoint.
pub(crate) fn wire(
    path: &Path,
    patience: Option<Duration>,
) -> io::Result<impl FnMut(Side) -> Futex + use<>> {
    let file = memory::file(path, 4096)?;
    Ok(move |side: Side| {
        // In two stripes, like the ring's sleep words.
        let [outgoing, incoming] = side.ways([0, 128]);
        Futex {
            memory: Memory::of(&file),
            outgoing,
            incoming,
            last: 0,
            patience,
        }
    })
}

/// The message is the word, so it has four bytes. Two consecutive messages differ.
impl Link for Futex {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        store_and_wake(self.memory.futex(self.outgoing), message);
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        let word = self.memory.futex(self.incoming);
        loop {
            let message = word.load(Ordering::Acquire);
            if message != self.last {
                self.last = message;
                return widen(message);
            }
            let until = self.patience.map(deadline);
            // It may also return because the word has changed, or at the deadline.
            let _ = futex::wait_bitset(
                word,
                Flags::empty(),
                message,
                until.as_ref(),
                NonZeroU32::MAX,
            );
        }
    }
}

#[inline(always)]
fn store_and_wake(word: &AtomicU32, message: u64) {
    word.store(message as u32, Ordering::Release);
    futex::wake(word, Flags::empty(), 1).expect("the word is mapped");
}

/// Maps the two largest four-byte numbers to the message that ends a slice.
#[inline(always)]
fn widen(message: u32) -> u64 {
    match message {
        ENDS.. => u64::MAX,
        message => u64::from(message),
    }
}

/// The smaller of the numbers that stop a slice.
const ENDS: u32 = u32::MAX - 1;

/// The time after this duration, on the monotonic clock.
fn deadline(patience: Duration) -> Timespec {
    let patience = Timespec::try_from(patience).expect("a short time");
    clock_gettime(ClockId::Monotonic) + patience
}

/// One endpoint of many words in each direction, on all of which a receiver waits at once.
/// This is the kernel's part of a `Select`. Each message uses the next word.
#[derive(Debug)]
pub(crate) struct Futexes {
    memory: Memory,
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
    let file = memory::file(path, 2 * count * STRIDE)?;
    Ok(move |side: Side| {
        let [outgoing, incoming] = side.ways([0, count * STRIDE]);
        Futexes {
            memory: Memory::of(&file),
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
        self.memory.futex(self.incoming + index * STRIDE)
    }

    /// The index of a word with a message, the next one's first.
    fn find(&self) -> Option<usize> {
        let (count, first) = (self.last.len(), self.sent);
        let mut indices = (first..count).chain(0..first);
        indices.find(|&index| self.word(index).load(Ordering::Acquire) != self.last[index])
    }
}

impl Link for Futexes {
    #[inline(always)]
    fn send(&mut self, message: u64) {
        let word = self.memory.futex(self.outgoing + self.sent * STRIDE);
        // Two slices may end on one word, with no message in between.
        let is_there = word.load(Ordering::Relaxed) == message as u32;
        store_and_wake(word, message - u64::from(is_there));
        self.sent = (self.sent + 1) % self.last.len();
    }

    #[inline(always)]
    fn receive(&mut self) -> u64 {
        loop {
            if let Some(index) = self.find() {
                let message = self.word(index).load(Ordering::Acquire);
                self.last[index] = message;
                return widen(message);
            }
            let mut entries = [Wait::new(); 128];
            for (index, &last) in self.last.iter().enumerate() {
                entries[index].val = last.into();
                entries[index].uaddr.ptr = self.word(index).as_ptr().cast();
                entries[index].flags = WaitFlags::SIZE_U32;
            }
            let entries = &entries[..self.last.len()];
            // It may also return because a word has changed.
            let _ = futex::waitv(entries, WaitvFlags::empty(), None, ClockId::Monotonic);
        }
    }
}
