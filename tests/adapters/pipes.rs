//! Rings as byte streams: between two processes, with crates that read and write bytes;
//! writes and reads of every size; and the end of a stream.

pub(crate) mod endings;
pub(crate) mod sizes;
#[path = "../../examples/common/stream.rs"]
mod stream;
pub(crate) mod streams;
