//! The bare hand-off: slots of one size, two positions, a copy in and a copy out. It has no
//! header and no checks, and neither endpoint can close. Streams of frames are compared
//! with it.

use std::hint::black_box;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::link::{Link, Open, numbered};
use super::memory::{self, Memory};

/// Offsets in the memory of one direction: each position is on a separate page, and the data follows.
const TAIL: usize = 0;
const HEAD: usize = 4096;
const DATA: usize = 8192;

/// When the lines of a slot are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Each line when the copy reaches it.
    AsTheyCome,
    /// All at once. The writer fetches the lines of the next slot after each message, while
    /// that is transferred; the reader fetches them when it sees the position. The least
    /// that a hand-off needs.
    Together,
}

/// One direction, for one endpoint.
struct Way {
    memory: Memory,
    slots: u64,
    chunk: usize,
    lines: Lines,
    /// The own position, and the cached position of the peer.
    own: u64,
    seen: u64,
}

/// Creates the file, with slots of `SIZE` bytes, which the compiler does not know, and this many
/// bytes of them in each direction.
pub(crate) fn wire<const SIZE: usize>(
    path: &Path,
    capacity: usize,
    lines: Lines,
) -> io::Result<Open<impl Link + use<SIZE>>> {
    let (way, chunk) = (DATA + capacity, black_box(SIZE));
    let ways = memory::wire(path, 2 * way, [0, way])?;
    Ok(ways.map(move |ways| {
        let [mut out, mut back] = ways.map(|memory| Way {
            memory,
            slots: (capacity / chunk) as u64,
            chunk,
            lines,
            own: 0,
            seen: 0,
        });
        numbered::<SIZE>(
            #[inline(always)]
            move |message| out.send(message),
            #[inline(always)]
            move |message| back.receive(message),
        )
    }))
}

impl Way {
    /// The slot of the own position.
    #[inline(always)]
    fn slot(&self) -> *mut u8 {
        let slot = (self.own % self.slots) as usize * self.chunk;
        self.memory.at(DATA + slot)
    }

    /// Polls the peer's position while it is at this distance from the own one.
    #[inline(always)]
    fn wait(&mut self, peer: usize, distance: u64) {
        while self.own - self.seen == distance {
            self.seen = self.memory.word(peer).load(Ordering::Acquire);
            if self.own - self.seen == distance {
                std::hint::spin_loop();
            }
        }
    }

    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.wait(HEAD, self.slots);
        let slot = self.slot();
        // SAFETY: the slot has the message's length, and this endpoint owns it.
        unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), self.chunk) };
        self.own += 1;
        self.memory.word(TAIL).store(self.own, Ordering::Release);
        if self.lines == Lines::Together && self.own - self.seen < self.slots {
            for offset in (0..self.chunk).step_by(64) {
                let line = self.slot().wrapping_add(offset);
                // SAFETY: this endpoint owns the slot until it is sent.
                let byte = unsafe { line.read_volatile() };
                // SAFETY: as above.
                unsafe { line.write_volatile(byte) };
            }
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        self.wait(TAIL, 0);
        #[cfg(target_arch = "x86_64")]
        if self.lines == Lines::Together {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            for offset in (0..self.chunk).step_by(64) {
                let line = self.slot().wrapping_add(offset);
                // SAFETY: a hint: any address is allowed.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
            }
        }
        let slot = self.slot();
        // SAFETY: the slot has the message's length, and this endpoint owns it.
        unsafe { slot.copy_to_nonoverlapping(message.as_mut_ptr(), self.chunk) };
        self.own += 1;
        self.memory.word(HEAD).store(self.own, Ordering::Release);
    }
}
