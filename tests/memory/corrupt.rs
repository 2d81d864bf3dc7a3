//! An impossible value in the segment is an error: no panic, no read outside the published
//! range, no endless loop. The endpoint that finds it is poisoned: it stores nothing, and
//! never waits. To recover, drop it and take the role again, or replace the ring.
//!
//! The tests write to the segment directly, as a stray process would.

pub(crate) mod advice;
mod ends;
pub(crate) mod frames;
pub(crate) mod positions;
pub(crate) mod semaphores;

use crate::common::clock::until;
use crate::common::names::RingName;
use crate::common::rings::named;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::threads::while_repeating;
use quoit::{Corrupt, Ring, RingOptions, Shape};

/// A ring of `capacity` and its file.
fn ring<T: Shape + ?Sized>(test: &str, capacity: u64) -> (Ring<T>, SegmentFile, RingName) {
    let (ring, name) = named(test, &RingOptions::new(capacity));
    let file = SegmentFile::open(&name.file());
    (ring, file, name)
}

/// Sets the published range: from `head` to `tail`.
fn publish(file: &SegmentFile, head: u64, tail: u64) {
    file.write(HEAD, head);
    file.write(TAIL, tail);
}

/// Another thread alternates the two words at that offset while `attempt` runs, at least
/// this many times and until it has seen enough of both. A second read would soon differ
/// from the first.
fn while_it_changes(
    file: &SegmentFile,
    offset: u64,
    words: [u64; 2],
    attempts: u32,
    mut attempt: impl FnMut() -> bool,
) {
    let change = || words.iter().for_each(|&word| file.write(offset, word));
    while_repeating(change, || {
        let mut left = attempts;
        until("both words are seen", || {
            left = left.saturating_sub(1);
            attempt() && left == 0
        });
    });
}

fn corrupt(field: &'static str, found: u64) -> Corrupt {
    Corrupt { field, found }
}
