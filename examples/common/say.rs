//! Lines for a reader that may have closed: `| head -1`.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::sync::OnceLock;

use super::Result;

/// As `println!`, which panics when the reader has closed. Here the example continues, and
/// puts away what it has made. `false` if the line was not written.
macro_rules! say {
    ($($text:tt)*) => { $crate::common::say::print(format_args!($($text)*)) };
}

/// As `eprintln!`, which panics as well.
macro_rules! complain {
    ($($text:tt)*) => { $crate::common::say::print_error(format_args!($($text)*)) };
}

pub(crate) use {complain, say};

/// Why standard output did not take a line. If it is not a reader that has closed, but a full disk, the
/// example puts away what it has made, and fails with it at the end.
static REFUSED: OnceLock<io::Error> = OnceLock::new();

pub(crate) fn print(text: Arguments<'_>) -> bool {
    let written = writeln!(stdout(), "{text}");
    written.map_err(|error| REFUSED.set(error)).is_ok()
}

/// An error if standard output has refused a line.
pub(crate) fn check() -> Result<()> {
    match REFUSED.get() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written to: {error}").into())
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_error(text: Arguments<'_>) {
    let _ = writeln!(stderr(), "{text}");
}
