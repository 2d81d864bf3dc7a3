//! The bare hand-off: slots of one size, two positions, a copy in and a copy out. It has no
//! header and no checks, and neither endpoint can close. Streams of frames are compared
//! with it.
#![allow(
    clippy::disallowed_types,
    reason = "bare words: the baseline without the ring's protocol"
)]

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::interleaved::Side;
use super::memory::{self, Memory};
use super::message::Carrier;

/// Offsets in the memory of one direction: each position is on a separate page, and the data follows.
const TAIL: usize = 0;
const HEAD: usize = 4096;
const DATA: usize = 8192;

/// One endpoint of a hand-off in each direction.
#[derive(Debug)]
pub(crate) struct Bare {
    memory: Memory,
    outgoing: Way,
    incoming: Way,
    chunk: usize,
    lines: Lines,
}

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
#[derive(Debug)]
struct Way {
    start: usize,
    slots: u64,
    /// The own position, and the cached position of the peer.
    own: u64,
    seen: u64,
}

/// Creates the file, with slots of `chunk` bytes and this many bytes of them in each direction.
pub(crate) fn wire(
    path: &Path,
    capacity: usize,
    chunk: usize,
    lines: Lines,
) -> io::Result<impl FnMut(Side) -> Bare + use<>> {
    let way = DATA + capacity;
    let file = memory::file(path, 2 * way)?;
    let slots = (capacity / chunk) as u64;
    Ok(move |side: Side| {
        let [outgoing, incoming] = side.ways([0, way]).map(|start| Way {
            start,
            slots,
            own: 0,
            seen: 0,
        });
        Bare {
            memory: Memory::of(&file),
            outgoing,
            incoming,
            chunk,
            lines,
        }
    })
}

impl Way {
    /// The slot of the own position.
    #[inline(always)]
    fn slot(&self, memory: &Memory, chunk: usize) -> *mut u8 {
        let slot = (self.own % self.slots) as usize * chunk;
        memory.at(self.start + DATA + slot)
    }
}

impl Carrier for Bare {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let (memory, way) = (&self.memory, &mut self.outgoing);
        while way.own - way.seen == way.slots {
            way.seen = memory.word(way.start + HEAD).load(Ordering::Acquire);
            if way.own - way.seen == way.slots {
                std::hint::spin_loop();
            }
        }
        let slot = way.slot(memory, self.chunk);
        // SAFETY: the slot has the message's length, and this endpoint owns it.
        unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), self.chunk) };
        way.own += 1;
        let tail = memory.word(way.start + TAIL);
        tail.store(way.own, Ordering::Release);
        if self.lines == Lines::Together && way.own - way.seen < way.slots {
            let next = way.slot(memory, self.chunk);
            for offset in (0..self.chunk).step_by(64) {
                // SAFETY: this endpoint owns the slot until it is sent.
                unsafe { take_line(next.wrapping_add(offset)) };
            }
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let (memory, way) = (&self.memory, &mut self.incoming);
        while way.own == way.seen {
            way.seen = memory.word(way.start + TAIL).load(Ordering::Acquire);
            if way.own == way.seen {
                std::hint::spin_loop();
            }
        }
        let slot = way.slot(memory, self.chunk);
        if self.lines == Lines::Together {
            for offset in (0..self.chunk).step_by(64) {
                // SAFETY: the slot is mapped.
                unsafe { ask_for_line(slot.wrapping_add(offset)) };
            }
        }
        // SAFETY: the slot has the message's length, and this endpoint owns it.
        unsafe { slot.copy_to_nonoverlapping(message.as_mut_ptr(), self.chunk) };
        way.own += 1;
        let head = memory.word(way.start + HEAD);
        head.store(way.own, Ordering::Release);
    }
}

/// Fetches a line for writing, without a change.
///
/// # Safety
///
/// The byte is mapped, and no other thread writes it.
#[inline(always)]
unsafe fn take_line(address: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's contract.
    unsafe {
        std::arch::asm!("or byte ptr [{}], 0", in(reg) address, options(nostack))
    };
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's contract.
    unsafe {
        address.write_volatile(address.read_volatile())
    };
}

/// Prefetches a line for reading.
///
/// # Safety
///
/// The byte is mapped.
#[inline(always)]
unsafe fn ask_for_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint: any address is allowed.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
