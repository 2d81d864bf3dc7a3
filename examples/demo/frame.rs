//! Frames of mixed length: a checksum, a number, and some content.

use super::common::message::{checksum, scramble};

/// Between 16 and 255 bytes.
#[inline]
pub(crate) fn mixed_length(number: u64) -> usize {
    16 + (scramble(number) % 240) as usize
}

/// Fills `frame` with the frame of this number; at least 16 bytes.
#[inline]
pub(crate) fn fill(frame: &mut [u8], number: u64) {
    let (sum, rest) = frame.split_at_mut(8);
    let (head, content) = rest.split_at_mut(8);
    head.copy_from_slice(&number.to_le_bytes());
    let mut word = scramble(number);
    let mut words = content.chunks_exact_mut(8);
    for chunk in &mut words {
        chunk.copy_from_slice(&word.to_le_bytes());
        word = word.rotate_left(7).wrapping_add(number);
    }
    let tail = words.into_remainder();
    tail.copy_from_slice(&word.to_le_bytes()[..tail.len()]);
    sum.copy_from_slice(&checksum(rest).to_le_bytes());
}

/// The frame's number, if it is whole.
#[inline]
pub(crate) fn number(frame: &[u8]) -> Option<u64> {
    let (sum, rest) = frame.split_first_chunk::<8>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    (u64::from_le_bytes(*sum) == checksum(rest)).then_some(u64::from_le_bytes(*number))
}
