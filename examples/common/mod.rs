//! What the examples share: how they start, the processes that they start, and how Ctrl-C ends them.
#![allow(dead_code, reason = "each example uses its own part of this")]

#[macro_use]
pub(crate) mod say;

pub(crate) mod check;
pub(crate) mod cores;
pub(crate) mod feeds;
pub(crate) mod interrupt;
pub(crate) mod line;
pub(crate) mod message;
pub(crate) mod numbers;
pub(crate) mod options;
pub(crate) mod pace;
pub(crate) mod process;
pub(crate) mod stream;
pub(crate) mod traffic;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use tempfile::TempDir;

pub(crate) type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How long an example waits for a ring before it checks for Ctrl-C.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

/// Runs an example, or one part of it: a process that the example has started with these words.
/// It prints an error. After a signal it lets that signal kill it, as a shell expects.
pub(crate) fn main(run: impl FnOnce(&[&str]) -> Result<()>) -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<_> = words.iter().map(|word| &**word).collect();
    match run(&words) {
        Ok(()) if !interrupt::asked() => return ExitCode::SUCCESS,
        Ok(()) => {}
        Err(_) if interrupt::asked() => complain!("interrupted"),
        Err(error) => {
            complain!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    interrupt::die()
}

/// Names for the rings of one run of an example.
pub(crate) fn names<const N: usize>(example: &str, rings: [&str; N]) -> [String; N] {
    rings.map(|ring| format!("quoit-{example}-{}-{ring}", std::process::id()))
}

/// A directory for the files of one run of an example. Dropping it removes it.
pub(crate) fn directory(example: &str, place: impl AsRef<Path>) -> io::Result<TempDir> {
    let [prefix] = names(example, [""]);
    tempfile::Builder::new().prefix(&prefix).tempdir_in(place)
}

/// Whether a socket's call has ended early, and may be repeated.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
