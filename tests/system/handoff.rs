//! Rings without a name, sent from process to process over a Unix socket.

pub(crate) mod memory;
pub(crate) mod refusals;
pub(crate) mod wire;
