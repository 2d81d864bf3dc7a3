//! Frames of all lengths, which follow from their positions.

use crate::common::sample::{bytes, mix};
use crate::load::Load;

/// The longest payload, and the bytes of its frame.
const LONGEST: u64 = CAPACITY / 2 - 8;
const CAPACITY: u64 = 1024;

fn len(position: u64) -> u64 {
    let dice = mix(position);
    match dice % 8 {
        0 => dice / 8 % (LONGEST + 1),
        _ => dice / 8 % 64,
    }
}

impl Load for [u8] {
    const CAPACITY: u64 = CAPACITY;

    fn next(position: u64) -> u64 {
        let size = 8 + len(position).next_multiple_of(8);
        let rest = CAPACITY - position % CAPACITY;
        // No frame is split: padding fills the lap.
        position + if size > rest { rest + size } else { size }
    }

    fn content(position: u64) -> (u32, Vec<u8>) {
        let kind = position / (CAPACITY / 2); // as calls want that give all frames the same
        (kind as u32, bytes(position, len(position) as usize))
    }
}
