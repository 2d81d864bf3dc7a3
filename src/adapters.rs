//! Ways around the ring, one file each.

pub(crate) mod select;
