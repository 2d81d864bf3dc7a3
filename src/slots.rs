//! Where records lie: slots side by side, one for each position.

use crate::cursor::RIDE_WORDS;

/// Whether records of type `T` are also copied into the tail's line.
pub(crate) const fn is_inline<T>() -> bool {
    size_of::<T>() <= RIDE_WORDS * 8 && align_of::<T>() <= 8
}

/// Words that such a record takes there.
pub(crate) const fn inline_words<T>() -> usize {
    if is_inline::<T>() {
        size_of::<T>().div_ceil(8)
    } else {
        0
    }
}

/// How many of `count` slots from index `start` lie before the end of the ring.
pub(crate) fn before_wrap(start: usize, count: usize, capacity: u64) -> usize {
    count.min(capacity as usize - start)
}
