//! The work, the same for both processes: which messages in which order, and where.

use std::io;
use std::ops::Range;

use super::TRANSPORTS;
use super::common::cores;

pub(crate) const ROUNDS: u64 = 10;

/// Some messages one way, or there and back.
pub(crate) struct Slice {
    pub(crate) is_trip: bool,
    pub(crate) round: u64,
    /// The index of the transport.
    pub(crate) transport: usize,
    pub(crate) numbers: Range<u64>,
}

/// All slices of a task: each round has one for each transport.
pub(crate) fn slices(is_trip: bool, count: u64) -> impl Iterator<Item = Slice> {
    // One in this many messages suffices for the measurement.
    let parts = [[1, 1, 10, 10], [10, 10, 200, 200]][usize::from(is_trip)];
    let all = (1..=ROUNDS).flat_map(move |round| {
        (0..TRANSPORTS.len()).map(move |transport| {
            let share = count.div_ceil(parts[transport]);
            Slice {
                is_trip,
                round,
                transport,
                numbers: share * (round - 1) / ROUNDS..share * round / ROUNDS,
            }
        })
    });
    all.filter(|slice| !slice.numbers.is_empty())
}

/// Moves a process to a core of its own for round trips over a ring, and otherwise to any: the first
/// process (0) to the first core, the second one (1) to the last.
pub(crate) fn settle(allowed: &[usize], process: usize, slice: &Slice) -> io::Result<()> {
    match *allowed {
        [first, .., last] if slice.is_trip && slice.transport < 2 => {
            cores::stay_on([first, last][process])
        }
        _ => cores::stay_on_any(allowed),
    }
}
