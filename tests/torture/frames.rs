//! Frames of all lengths. The lengths repeat after some laps, so the number of frames
//! before a position can be computed.

use std::sync::OnceLock;

use crate::common::sample::{bytes, mix};
use crate::load::Load;

/// The longest payload, and the bytes of its frame.
const LONGEST: u64 = CAPACITY / 2 - 8;
const CAPACITY: u64 = 1024;
/// The period of the lengths in bytes: several laps.
const ROUND: u64 = 16 * CAPACITY;

/// The end of each frame of the first round.
fn ends() -> &'static [u64] {
    static ENDS: OnceLock<Vec<u64>> = OnceLock::new();
    ENDS.get_or_init(|| {
        let mut ends = Vec::new();
        let mut position = 0;
        loop {
            let size = 8 + len_in_round(ends.len() as u64).next_multiple_of(8);
            let rest = CAPACITY - position % CAPACITY;
            // No frame is split: padding fills the lap.
            position += if size > rest { rest + size } else { size };
            if position > ROUND {
                return ends;
            }
            ends.push(position);
        }
    })
}

/// The length of a frame. The first one is the longest, so that each round begins with a
/// lap.
fn len_in_round(number: u64) -> u64 {
    let dice = mix(number);
    match number {
        0 => LONGEST,
        _ if dice % 8 == 0 => dice / 8 % (LONGEST + 1),
        _ => dice / 8 % 64,
    }
}

impl Load for [u8] {
    const CAPACITY: u64 = CAPACITY;

    fn number(position: u64) -> u64 {
        let (rounds, rest) = (position / ROUND, position % ROUND);
        let last = ends().binary_search(&rest);
        let in_round = match (rest, last) {
            (0, _) => 0,
            (_, Ok(last)) => last as u64 + 1,
            (_, Err(_)) => panic!("no frame ends at {position}"),
        };
        rounds * ends().len() as u64 + in_round
    }

    fn content(number: u64) -> (u32, Vec<u8>) {
        let len = len_in_round(number % ends().len() as u64);
        ((number / 8) as u32, bytes(number, len as usize))
    }
}
