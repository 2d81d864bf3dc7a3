//! The bare hand-off: slots of one size, two positions, a copy in and a copy out.
//! No header, no check, no end that leaves: what a stream of frames is measured
//! against.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

use super::contest::Side;
use super::message::Carrier;

/// Where the positions of a way lie, each on a page of its own, and its data.
const TAIL: usize = 0;
const HEAD: usize = 4096;
const DATA: usize = 8192;

/// One end of a hand-off each way.
#[derive(Debug)]
pub(crate) struct Bare {
    map: MmapRaw,
    outgoing: Way,
    incoming: Way,
    chunk: usize,
    lines: Lines,
}

/// When a slot's lines are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// As the copy comes to them.
    AsTheyCome,
    /// All at once: by the writer those of the next slot after each message, while that
    /// is under way; by the reader when the position has come. The least that a hand-off
    /// needs.
    Together,
}

/// One way, as one end sees it.
#[derive(Debug)]
struct Way {
    start: usize,
    slots: u64,
    /// This end's own position, and the other's as last seen.
    own: u64,
    seen: u64,
}

/// Makes the file, with so many bytes of slots of `chunk` bytes each way.
pub(crate) fn wire(
    path: &Path,
    capacity: usize,
    chunk: usize,
    lines: Lines,
) -> io::Result<impl FnMut(Side) -> Bare + use<>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    let way = DATA + capacity;
    file.set_len(2 * way as u64)?;
    let slots = (capacity / chunk) as u64;
    Ok(move |side| {
        let starts = match side {
            Side::Lead => [0, way],
            Side::Partner => [way, 0],
        };
        let [outgoing, incoming] = starts.map(|start| Way {
            start,
            slots,
            own: 0,
            seen: 0,
        });
        let map = MmapRaw::map_raw(&file).expect("the file can be mapped");
        Bare {
            map,
            outgoing,
            incoming,
            chunk,
            lines,
        }
    })
}

#[inline(always)]
fn at(map: &MmapRaw, offset: usize) -> *mut u8 {
    // SAFETY: every offset lies within the map.
    unsafe { map.as_mut_ptr().add(offset) }
}

#[inline(always)]
fn position(map: &MmapRaw, offset: usize) -> &AtomicU64 {
    // SAFETY: a position is aligned, and the map lives as long as it is borrowed.
    unsafe { AtomicU64::from_ptr(at(map, offset).cast()) }
}

impl Carrier for Bare {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        let (map, way) = (&self.map, &mut self.outgoing);
        while way.own - way.seen == way.slots {
            way.seen = position(map, way.start + HEAD).load(Ordering::Acquire);
            if way.own - way.seen == way.slots {
                std::hint::spin_loop();
            }
        }
        let slot = (way.own % way.slots) as usize * self.chunk;
        let slot = at(map, way.start + DATA + slot);
        // SAFETY: the slot is as long as the message, and this end's.
        unsafe { slot.copy_from_nonoverlapping(message.as_ptr(), self.chunk) };
        way.own += 1;
        position(map, way.start + TAIL).store(way.own, Ordering::Release);
        if self.lines == Lines::Together && way.own - way.seen < way.slots {
            let next = (way.own % way.slots) as usize * self.chunk;
            let next = at(map, way.start + DATA + next);
            for offset in (0..self.chunk).step_by(64) {
                // SAFETY: the slot is this end's until it is sent.
                unsafe { take_line(next.wrapping_add(offset)) };
            }
        }
    }

    #[inline(always)]
    fn receive(&mut self, message: &mut [u8]) {
        let (map, way) = (&self.map, &mut self.incoming);
        while way.own == way.seen {
            way.seen = position(map, way.start + TAIL).load(Ordering::Acquire);
            if way.own == way.seen {
                std::hint::spin_loop();
            }
        }
        let slot = (way.own % way.slots) as usize * self.chunk;
        let slot = at(map, way.start + DATA + slot);
        if self.lines == Lines::Together {
            for offset in (0..self.chunk).step_by(64) {
                // SAFETY: the slot is mapped.
                unsafe { ask_for_line(slot.wrapping_add(offset)) };
            }
        }
        // SAFETY: the slot is as long as the message, and this end's.
        unsafe { slot.copy_to_nonoverlapping(message.as_mut_ptr(), self.chunk) };
        way.own += 1;
        position(map, way.start + HEAD).store(way.own, Ordering::Release);
    }
}

/// Makes a line this processor's, and changes nothing in it.
///
/// # Safety
///
/// The byte is mapped, and nobody else writes it.
#[inline(always)]
unsafe fn take_line(address: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!("or byte ptr [{}], 0", in(reg) address, options(nostack))
    };
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller's promise.
    unsafe {
        address.write_volatile(address.read_volatile())
    };
}

/// Asks for a line that will be read.
///
/// # Safety
///
/// The byte is mapped.
#[inline(always)]
unsafe fn ask_for_line(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
