//! What the benches share: real processes, or threads, on chosen processors, variants that
//! take turns in short slices, and figures that are ratios of such slices.
//!
//! The machine may be busy and shared. So no figure is compared with one of
//! another run: the variants take turns on the same two processors, each ratio
//! is of two slices of one round, and what counts is the median of the rounds.
#![allow(dead_code, reason = "each bench uses its own part of this")]

pub(crate) mod bare;
pub(crate) mod bars;
pub(crate) mod batches;
pub(crate) mod calls;
pub(crate) mod chart;
pub(crate) mod child;
pub(crate) mod comparison;
pub(crate) mod contest;
pub(crate) mod delivery;
pub(crate) mod evenly;
pub(crate) mod eventfd;
pub(crate) mod futex;
pub(crate) mod goodbye;
pub(crate) mod held;
pub(crate) mod idle;
pub(crate) mod link;
pub(crate) mod machine;
pub(crate) mod mechanisms;
pub(crate) mod memcpy;
pub(crate) mod message;
pub(crate) mod message_queue;
pub(crate) mod numbers;
pub(crate) mod output;
pub(crate) mod page;
pub(crate) mod ping_pong;
pub(crate) mod placement;
pub(crate) mod progress;
pub(crate) mod rings;
pub(crate) mod rtrb;
pub(crate) mod signals;
pub(crate) mod slot;
pub(crate) mod sockets;
pub(crate) mod spread;
pub(crate) mod supervisor;
pub(crate) mod switches;
pub(crate) mod tries;
pub(crate) mod waits;
