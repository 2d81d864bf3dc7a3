//! What several suites share: names that are cleaned up, processes that are
//! reaped, messages whose bytes follow from a number, and a small test harness.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each suite uses its own part of this"
)]

pub(crate) mod allocations;
pub(crate) mod calls;
pub(crate) mod child;
pub(crate) mod clock;
#[path = "../../examples/common/cores.rs"]
pub(crate) mod cores;
pub(crate) mod descriptors;
pub(crate) mod dice;
pub(crate) mod ends;
pub(crate) mod exchange;
pub(crate) mod forbid;
pub(crate) mod fork;
pub(crate) mod mappings;
pub(crate) mod mounts;
pub(crate) mod names;
pub(crate) mod naps;
pub(crate) mod positions;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod refused;
pub(crate) mod rings;
pub(crate) mod sample;
pub(crate) mod segment_file;
pub(crate) mod sleep_state;
pub(crate) mod suite;
pub(crate) mod terminal;
pub(crate) mod threads;
pub(crate) mod tracer;
pub(crate) mod worker;

use std::time::Duration;

/// How long a test waits before it reports a hang. No test depends on the speed of the
/// machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
