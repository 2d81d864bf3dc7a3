//! Rings as byte streams: between two processes, with crates that read and write bytes;
//! writes and reads of every size; and the end of a stream.

pub(crate) mod endings;
pub(crate) mod sizes;
#[path = "../../examples/common/stream.rs"]
mod stream;
pub(crate) mod streams;

use std::fmt::Debug;
use std::io::{self, ErrorKind};

/// The kind of error of a read or a write.
fn kind_of<T: Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}
