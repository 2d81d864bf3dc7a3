//! A ring's memory, which a stray process could overwrite.

use std::ops::Range;
use std::ptr;

use super::choices::Choices;

pub(crate) const TAIL: usize = 4096;
/// The bytes that an endpoint stores with a message, from its position on.
pub(crate) const OWN: usize = 128;
const RIDE_POSITION: usize = 4104;
const RIDE: usize = 4112;
const RIDE_BYTES: usize = 48;
pub(crate) const PRODUCER_STATE: usize = 4224;
pub(crate) const HEAD: usize = 8192;
pub(crate) const CONSUMER_STATE: usize = 8320;
const WORDS: [usize; 2] = [12288, 12416];
const SEMAPHORES: [usize; 2] = [12544, 12672];
pub(crate) const SUPERSEDED: usize = 128;
pub(crate) const DATA: usize = 16384;
/// The most data of a ring here.
pub(crate) const PAGE: usize = 4096;

/// The memory of a ring. Its owner guarantees that the memory exists. No reference to it is
/// created.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) start: usize,
    /// The length of the data.
    pub(crate) data: usize,
    pub(crate) length: usize,
}

/// Bytes, and the offset to write them to.
pub(crate) struct StrayWrite {
    offset: usize,
    bytes: [u8; 8],
    width: usize,
}

impl Memory {
    /// Reads the bytes there. No thread writes at the same time.
    pub(crate) fn read(&self, range: Range<usize>) -> Vec<u8> {
        assert!(range.end <= self.length);
        let start: *const u8 = ptr::with_exposed_provenance(self.start + range.start);
        let mut bytes = vec![0; range.len()];
        // SAFETY: the range is within the ring's memory.
        unsafe { start.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    /// Writes these bytes at its start. No other thread uses it at the same time.
    pub(crate) fn overwrite(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.length);
        let start: *mut u8 = ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: the ring's memory has at least this length.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Whether these bytes are at that offset in the data.
    pub(crate) fn data_at(&self, offset: usize, bytes: &[u8]) -> bool {
        let start = DATA + offset;
        start + bytes.len() <= self.length && self.read(start..start + bytes.len()) == bytes
    }

    /// Whether these bytes are in the inline copy, after this many others.
    pub(crate) fn inline_at(&self, offset: usize, bytes: &[u8]) -> bool {
        let end = offset + bytes.len();
        end <= RIDE_BYTES && self.read(RIDE + offset..RIDE + end) == bytes
    }

    pub(crate) fn word(&self, offset: usize) -> u64 {
        let bytes = self.read(offset..offset + 8);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    pub(crate) fn apply(&self, stray_write: &StrayWrite) {
        for (step, &byte) in stray_write.bytes[..stray_write.width].iter().enumerate() {
            self.write(stray_write.offset + step, byte);
        }
    }

    fn write(&self, offset: usize, value: u8) {
        assert!(offset < self.length);
        let byte: *mut u8 = ptr::with_exposed_provenance_mut(self.start + offset);
        // SAFETY: it is within the ring's memory. Other threads read it, so the write is volatile.
        unsafe { byte.write_volatile(value) };
    }
}

impl StrayWrite {
    /// Any bytes anywhere before the slack, and more often a word with a meaning.
    pub(crate) fn choose(choices: &mut Choices<'_>, memory: &Memory) -> Self {
        let data_words = memory.data / 8;
        let offset = match choices.below(16) {
            0 | 1 => TAIL,
            2 | 3 => HEAD,
            4 => RIDE_POSITION,
            5 => RIDE + 8 * choices.below(6),
            6 => PRODUCER_STATE + 8 * choices.below(6),
            7 => CONSUMER_STATE + 8 * choices.below(6),
            8 => choices.one_of(&WORDS),
            9 => choices.one_of(&SEMAPHORES) + 8 * choices.below(4),
            10 => 8 * choices.below(9),
            11 => SUPERSEDED,
            12..15 => DATA + 8 * (usize::from(choices.half()) % data_words),
            _ => usize::from(choices.half()) % (DATA + memory.data),
        };
        let width = choices.one_of(&[8, 8, 8, 4, 1]);
        let offset = offset.min(DATA + memory.data - width);
        let value = match choices.below(10) {
            0 => 0,
            1 => u64::MAX,
            2 => memory.word(offset.min(memory.length - 8)) ^ 1 << choices.below(64),
            3 => choices.near(memory.word(TAIL)),
            4 => choices.near(memory.word(HEAD)),
            5 => memory.word(TAIL) << 1 | 1,
            6 => u64::from(choices.byte()),
            7 => u64::from(u32::MAX) | u64::from(choices.byte()) << 32,
            8 => u64::from(choices.half()),
            _ => choices.word(),
        };
        Self {
            offset,
            bytes: value.to_le_bytes(),
            width,
        }
    }

    /// The write that restores the current bytes.
    pub(crate) fn undoing(&self, memory: &Memory) -> Self {
        let mut bytes = [0; 8];
        let there = memory.read(self.offset..self.offset + self.width);
        bytes[..self.width].copy_from_slice(&there);
        Self { bytes, ..*self }
    }

    /// Whether it changes glibc's system call. Between two calls the library detects that;
    /// during a call glibc aborts the process.
    pub(crate) fn changes_a_semaphores_operation(&self) -> bool {
        let written = self.offset..self.offset + self.width;
        SEMAPHORES
            .iter()
            .any(|semaphore| written.start < semaphore + 16 && semaphore + 8 < written.end)
    }
}
