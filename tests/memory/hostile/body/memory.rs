//! A ring's memory, which a stray process could overwrite.

use std::ops::Range;
use std::ptr;

use super::choices::Choices;

pub(crate) const TAIL: usize = 4096;
pub(crate) const RIDE_POSITION: usize = 4104;
const RIDE: usize = 4112;
pub(crate) const PRODUCER_STATE: usize = 4224;
pub(crate) const HEAD: usize = 8192;
pub(crate) const CONSUMER_STATE: usize = 8320;
const WORDS: [usize; 2] = [12288, 12416];
const SEMAPHORES: [usize; 2] = [12544, 12672];
pub(crate) const SUPERSEDED: usize = 128;
pub(crate) const DATA: usize = 16384;
/// A reserved word, which no endpoint reads: an attacker pauses while it is not 0.
pub(crate) const HOLD: usize = DATA - 8;
/// The most data of a ring here.
pub(crate) const PAGE: usize = 4096;
/// The length of padding.
const PADDING: u64 = u32::MAX as u64;

/// The memory of a ring. Its owner guarantees that the memory exists. No reference to it is
/// created.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) start: usize,
    /// Bytes of a position.
    pub(crate) unit: usize,
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

/// What a stray process writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Any bytes before the slack.
    Anything,
    /// The fields of the ring, and its mark that it is superseded.
    Fields,
    Superseded,
    /// Both positions, with values near the correct ones and far from them.
    Positions,
    /// The tail, like a producer that publishes what the ring contains.
    Tail,
    /// The head, like a consumer that releases everything immediately.
    Release,
    /// The inline copy.
    Inline,
    /// Epochs, closed states, process ids and counters of both roles.
    States,
    SleepWords,
    Semaphores,
    /// Words of the data where headers are, if the frames are evenly spaced; else any.
    Headers,
    /// The other words.
    Payload,
}

use Target::{
    Anything, Fields, Headers, Inline, Payload, Positions, Release, Semaphores, SleepWords, States,
    Superseded, Tail,
};

/// Any bytes anywhere, and more often a word with a meaning.
pub(crate) const EVERYTHING: [Target; 18] = [
    Positions, Positions, Positions, Positions, Tail, Release, Inline, Inline, States, States,
    SleepWords, Semaphores, Fields, Superseded, Headers, Headers, Headers, Anything,
];

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

    /// The offset of a position in the data.
    pub(crate) fn offset(&self, position: u64) -> usize {
        position as usize % (self.data / self.unit) * self.unit
    }

    /// Everything that an endpoint could store to.
    pub(crate) fn segment(&self) -> Vec<u8> {
        self.read(0..DATA + self.data)
    }

    /// Writes these bytes at its start. No other thread uses it at the same time.
    pub(crate) fn overwrite(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.length);
        let start: *mut u8 = ptr::with_exposed_provenance_mut(self.start);
        // SAFETY: the ring's memory has at least this length.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// A word that other threads may write to.
    pub(crate) fn word(&self, offset: usize) -> u64 {
        assert!(offset % 8 == 0 && offset + 8 <= self.length);
        let word: *const u64 = ptr::with_exposed_provenance(self.start + offset);
        // SAFETY: it is within the ring's memory and aligned.
        unsafe { word.read_volatile() }
    }

    /// Writes a word.
    pub(crate) fn put(&self, offset: usize, word: u64) {
        let (bytes, width) = (word.to_le_bytes(), 8);
        self.apply(&StrayWrite {
            offset,
            bytes,
            width,
        });
    }

    /// Writes at once if it is a whole word, and otherwise byte by byte.
    pub(crate) fn apply(&self, stray_write: &StrayWrite) {
        let StrayWrite {
            offset,
            bytes,
            width,
        } = *stray_write;
        assert!(offset + width <= self.length);
        let place: *mut u8 = ptr::with_exposed_provenance_mut(self.start + offset);
        if width == 8 && offset % 8 == 0 {
            // SAFETY: it is within the ring's memory and aligned. Other threads read it, so the
            // write is volatile.
            return unsafe {
                place
                    .cast::<u64>()
                    .write_volatile(u64::from_ne_bytes(bytes))
            };
        }
        for (step, &byte) in bytes[..width].iter().enumerate() {
            // SAFETY: as above, except for the alignment.
            unsafe { place.wrapping_add(step).write_volatile(byte) };
        }
    }
}

impl StrayWrite {
    /// A write to one of these targets. The frames are at multiples of `spacing`; 0 for any.
    pub(crate) fn choose(
        targets: &[Target],
        spacing: usize,
        choices: &mut Choices,
        memory: &Memory,
    ) -> Self {
        let target = choices.one_of(targets);
        let width = match target {
            Tail | Release => 8,
            SleepWords => 4,
            _ => choices.one_of(&[8, 8, 8, 4, 1]),
        };
        let offset = Self::offset(target, spacing, choices, memory);
        let offset = offset.min(DATA + memory.data - width);
        let value = Self::value(target, spacing, offset, choices, memory);
        Self {
            offset,
            bytes: value.to_le_bytes(),
            width,
        }
    }

    fn offset(target: Target, spacing: usize, choices: &mut Choices, memory: &Memory) -> usize {
        match target {
            Anything => choices.half() % (DATA + memory.data),
            Fields => 8 * choices.below(9),
            Superseded => SUPERSEDED,
            Positions => choices.one_of(&[TAIL, HEAD]),
            Tail => TAIL,
            Release => HEAD,
            Inline => match choices.coin() {
                true => RIDE_POSITION,
                false => RIDE + 8 * choices.below(6),
            },
            States => choices.one_of(&[PRODUCER_STATE, CONSUMER_STATE]) + 8 * choices.below(7),
            SleepWords => choices.one_of(&WORDS),
            Semaphores => choices.one_of(&SEMAPHORES) + 8 * choices.below(4),
            Headers | Payload => {
                let step = spacing.max(8);
                let place = match choices.coin() {
                    true => choices.half() % memory.data.div_ceil(step) * step,
                    // The next message.
                    false => memory.offset(memory.word(HEAD)) & !7,
                };
                let word = match target {
                    // Not the first one, unless there is no other.
                    Payload => 8 * (1 + choices.below((step / 8 - 1).max(1))) % step,
                    _ => 0,
                };
                DATA + (place + word) % memory.data
            }
        }
    }

    fn value(
        target: Target,
        spacing: usize,
        offset: usize,
        choices: &mut Choices,
        memory: &Memory,
    ) -> u64 {
        let (tail, head) = (|| memory.word(TAIL), || memory.word(HEAD));
        match (target, choices.below(16)) {
            (Release, _) => tail(),
            (Tail, _) => head().wrapping_add(8 * choices.below(64) as u64),
            (SleepWords, kind @ 0..10) => (kind % 3 + (kind / 5) * 256) as u64,
            (Headers, 0..5) if spacing > 0 => (spacing - 8 - choices.below(8)) as u64,
            (Inline, 12..) => tail() << 1 | 1,
            (Positions, 12..) => head().wrapping_add(8 * choices.below(9) as u64),
            (_, 0) => 0,
            (_, 1) => u64::MAX,
            (_, 2) => memory.word(offset.min(memory.length - 8) & !7) ^ 1 << choices.below(64),
            (_, 3) => choices.near(tail()),
            (_, 4) => choices.near(head()),
            (_, 5) => tail() << 1 | 1,
            (_, 6) => u64::from(choices.byte()),
            (_, 7) => PADDING | u64::from(choices.byte()) << 32,
            (_, 8) => choices.half() as u64,
            (_, 9) => head().wrapping_add(8 * choices.below(9) as u64),
            // The first bytes of characters, without the rest.
            (_, 10) => u64::from_le_bytes(*b"a\nb\n\0\xf4\x8f\xbf"),
            _ => choices.word(),
        }
    }

    /// Whether no attacker may write there: to the word that makes it pause, or to glibc's system call.
    /// Between two calls the library detects the latter; during a call glibc aborts the process.
    pub(crate) fn is_forbidden(&self) -> bool {
        let written = self.offset..self.offset + self.width;
        let meets = |word: &usize| written.start < word + 8 && *word < written.end;
        [HOLD, SEMAPHORES[0] + 8, SEMAPHORES[1] + 8]
            .iter()
            .any(meets)
    }
}
