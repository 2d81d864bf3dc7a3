//! Ways around the ring, one file each.

#[cfg(feature = "futures")]
pub(crate) mod future;
pub mod handoff;
pub(crate) mod io;
pub(crate) mod pollable;
pub mod raw;
pub(crate) mod reactor;
pub mod rpc;
pub(crate) mod select;
#[cfg(feature = "shared_memory")]
pub mod shared_memory;
