//! The bare futex: one word in each direction, with the least code to sleep on it and to
//! wake. Parked round trips are compared with it. The message is the word, so it has four
//! bytes. Two consecutive messages differ.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitvFlags};
use rustix::time::ClockId;

use super::link::{End, Link, Open};
use super::memory;

/// Creates the file.
pub(crate) fn wire(path: &Path) -> io::Result<Open<impl Link + use<>>> {
    // In two stripes, like the ring's sleep words.
    let ways = memory::wire(path, 4096, [0, 128])?;
    Ok(ways.map(move |[out, back]| {
        let mut last = 0;
        End(
            move |message| store_and_wake(out.futex(0), message),
            move || {
                let word = back.futex(0);
                loop {
                    let message = word.load(Ordering::Acquire);
                    if message != last {
                        last = message;
                        return widen(message);
                    }
                    // It may also return because the word has changed.
                    let _ = futex::wait(word, Flags::empty(), message, None);
                }
            },
        )
    }))
}

fn store_and_wake(word: &AtomicU32, message: u64) {
    word.store(message as u32, Ordering::Release);
    futex::wake(word, Flags::empty(), 1).expect("the word is mapped");
}

/// Maps the two largest four-byte numbers to the message that ends a slice.
fn widen(message: u32) -> u64 {
    match message {
        ENDS.. => u64::MAX,
        message => u64::from(message),
    }
}

/// The smaller of the numbers that stop a slice.
const ENDS: u32 = u32::MAX - 1;

/// Each word has separate pages, as in a ring.
const STRIDE: usize = 16384;

/// The same with many words in each direction, on all of which a receiver waits at once. This is
/// the kernel's part of a `Select`. Each message uses the next word.
pub(crate) fn wire_many(path: &Path, count: usize) -> io::Result<Open<impl Link + use<>>> {
    let ways = memory::wire(path, 2 * count * STRIDE, [0, count * STRIDE])?;
    Ok(ways.map(move |[out, back]| {
        let (mut sent, mut first, mut last) = (0, 0, vec![0; count]);
        End(
            move |message| {
                let word = out.futex(sent * STRIDE);
                // Two slices may end on one word, with no message in between.
                let is_there = word.load(Ordering::Relaxed) == message as u32;
                store_and_wake(word, message - u64::from(is_there));
                sent = (sent + 1) % count;
            },
            move || {
                let word = |index| back.futex(index * STRIDE);
                loop {
                    let load = |index| (index, word(index).load(Ordering::Acquire));
                    let mut words = (first..count).chain(0..first).map(load);
                    if let Some((index, message)) = words.find(|&(i, word)| word != last[i]) {
                        (first, last[index]) = (index + 1, message);
                        return widen(message);
                    }
                    let mut entries = [Wait::new(); 128];
                    for (index, entry) in entries[..count].iter_mut().enumerate() {
                        entry.val = last[index].into();
                        entry.uaddr.ptr = word(index).as_ptr().cast();
                        entry.flags = WaitFlags::SIZE_U32;
                    }
                    let entries = &entries[..count];
                    // It may also return because a word has changed.
                    let _ = futex::waitv(entries, WaitvFlags::empty(), None, ClockId::Monotonic);
                }
            },
        )
    }))
}
