//! A ring of frames that never runs out of them.

use super::names::RingName;
use super::segment_file::{HEAD, SegmentFile, TAIL};
use super::threads::{while_repeating, while_waiting};

/// The capacity of such a ring.
pub(crate) const FLOOD: u64 = 1 << 22;

/// Runs a read that must end by its deadline. With zeroed memory a ring holds empty frames up
/// to its tail, and another thread moves the tail all the time.
pub(crate) fn flooded<R: Send + 'static>(
    name: &RingName,
    read: impl FnOnce() -> R + Send + 'static,
) -> R {
    let file = SegmentFile::open(&name.file());
    let flood = move || file.write(TAIL, file.read(HEAD) + FLOOD);
    while_repeating(flood, || while_waiting(read, || ()))
}
