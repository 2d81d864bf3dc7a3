//! Lines for a reader that may have closed: `| head -1`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

/// As `println!`, which panics when the reader has closed. Here the example continues, and
/// puts away what it has made. `false` if the reader has closed.
macro_rules! say {
    ($($text:tt)*) => { $crate::common::say::print(format_args!($($text)*)) };
}

/// As `eprintln!`, which panics as well.
macro_rules! complain {
    ($($text:tt)*) => { $crate::common::say::print_error(format_args!($($text)*)) };
}

pub(crate) use {complain, say};

pub(crate) fn print(text: Arguments<'_>) -> bool {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain!("error: standard output cannot be written to: {error}");
            std::process::exit(1)
        }
        written => written.is_ok(),
    }
}

pub(crate) fn print_error(text: Arguments<'_>) {
    let _ = writeln!(stderr(), "{text}");
}
