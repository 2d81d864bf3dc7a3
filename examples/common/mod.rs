//! What the examples share.
#![allow(dead_code, reason = "each example uses its own part of this")]

#[macro_use]
pub(crate) mod say;

pub(crate) mod check;
pub(crate) mod figures;
pub(crate) mod interrupt;
pub(crate) mod last_out;
pub(crate) mod live_line;
pub(crate) mod message;
pub(crate) mod options;
pub(crate) mod pace;
pub(crate) mod ring_line;

use std::time::Duration;

/// How long an example waits for the ring before it looks at the rest of the world.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);
