//! One line on the terminal, drawn again and again; nothing in a pipe.

use std::io::{self, IsTerminal, Write};

/// The line. Dropping it leaves an empty one.
pub(crate) struct LiveLine {
    on_terminal: bool,
}

impl LiveLine {
    pub(crate) fn new() -> Self {
        Self {
            on_terminal: io::stdout().is_terminal(),
        }
    }

    /// Whether it is on a terminal.
    pub(crate) fn is_seen(&self) -> bool {
        self.on_terminal
    }

    /// Replaces the line. It is cut at the edge and never wrapped: a wrapped
    /// line could not be replaced.
    pub(crate) fn draw(&mut self, text: &str) {
        if self.on_terminal {
            let mut out = io::stdout().lock();
            let _ = write!(out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h");
            let _ = out.flush();
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.draw("");
    }
}
