//! Frames of every length, and the result of a consumer that has read them.

use std::fmt;

/// Counts what was sent or read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    frames: u64,
    /// FNV-1a of all bytes.
    checksum: u64,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        let (frames, checksum) = (0, 0xcbf2_9ce4_8422_2325);
        Self { frames, checksum }
    }

    pub(crate) fn count(&mut self, frame: &[u8]) {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.checksum = frame.iter().fold(self.checksum, fnv);
        self.frames += 1;
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames, checksum {:016x}", self.frames, self.checksum)
    }
}

/// The frame with this number: up to two hundred pseudo-random bytes.
pub(crate) fn frame(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = (state >> 32) % 201;
    let bytes = (0..len).map(|_| {
        // Knuth's generator for 64 bits; its upper bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    bytes.collect()
}
