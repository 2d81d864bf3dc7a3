//! Fixed-size records: the methods of `Producer<T>` and `Consumer<T>`.
//!
//! A position counts slots; the slot of a position is `position & (capacity -
//! 1)`, and slots lie side by side. A record of at most 48 bytes also rides in
//! the tail's line while the consumer has caught up.

mod consume;
mod produce;

pub use self::consume::{Drain, Peek, PeekMany};
pub use self::produce::{Claim, ClaimMany};
use crate::cursor::RIDE_WORDS;

/// Whether records of type `T` may ride.
const fn rides<T>() -> bool {
    size_of::<T>() <= RIDE_WORDS * 8 && align_of::<T>() <= 8
}

/// Words that a riding `T` takes.
const fn words<T>() -> usize {
    if rides::<T>() {
        size_of::<T>().div_ceil(8)
    } else {
        0
    }
}

/// How many of `count` slots from index `start` lie before the end of the lap.
fn before_lap_end(start: usize, count: usize, capacity: u64) -> usize {
    count.min(capacity as usize - start)
}
