//! Rings as byte streams: writes and reads of every size, and the end of a stream.

pub(crate) mod endings;
pub(crate) mod sizes;

use std::fmt::Debug;
use std::io::{self, ErrorKind};

/// The kind of error of a read or a write.
fn kind_of<T: Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}
