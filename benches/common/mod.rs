//! What the benches share: processes or threads on chosen processors, variants in short
//! interleaved slices, and ratios of such slices.
//!
//! The machine may be busy and shared. So figures of different runs are never compared. The
//! variants take turns on the same two processors, each ratio is of two slices of one
//! round, and the result is the median of the rounds.
#![allow(dead_code, reason = "each bench uses its own part of this")]

pub(crate) mod bare;
pub(crate) mod bench;
pub(crate) mod calls;
pub(crate) mod exchange;
pub(crate) mod futex;
pub(crate) mod interleaved;
pub(crate) mod link;
pub(crate) mod mechanisms;
pub(crate) mod memory;
pub(crate) mod numbers;
pub(crate) mod periodic;
pub(crate) mod ping_pong;
pub(crate) mod placement;
pub(crate) mod polling;
pub(crate) mod process;
pub(crate) mod rings;
pub(crate) mod rtrb;
pub(crate) mod scores;
pub(crate) mod system;
pub(crate) mod waits;
