//! How far the bench is, on a terminal only.

use std::io::{self, IsTerminal, Write};

/// One line that is written over and over, and erased at the end.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            shown: io::stderr().is_terminal(),
        }
    }

    /// For programs alone.
    pub(crate) fn silent() -> Self {
        Self { shown: false }
    }

    /// Shows that `done` of `total` steps of `what` are done.
    pub(crate) fn show(&self, what: &str, done: usize, total: usize) {
        if self.shown {
            eprint!("\r\x1b[K{what}: {done}/{total}");
            let _ = io::stderr().flush();
        }
    }

    /// Makes room for a figure.
    pub(crate) fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
