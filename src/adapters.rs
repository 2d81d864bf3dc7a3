//! Ways around the ring, one file each.

#[cfg(feature = "futures")]
pub(crate) mod future;
pub(crate) mod io;
pub(crate) mod select;
