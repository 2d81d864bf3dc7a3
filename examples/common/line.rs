//! One line on the terminal, drawn again and again; nothing in a pipe.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use super::numbers::scaled;

/// The line. Dropping it leaves an empty one.
pub(crate) struct Line {
    on_terminal: bool,
    drawn: Instant,
    position: u64,
}

const REDRAW: Duration = Duration::from_millis(125);

impl Line {
    /// A line for an endpoint at this position.
    pub(crate) fn new(position: u64) -> Self {
        Self {
            on_terminal: io::stdout().is_terminal(),
            drawn: Instant::now(),
            position,
        }
    }

    /// Prints a heading that stays.
    pub(crate) fn head(&self, role: &str, ring: &str) {
        if self.on_terminal {
            let at = HumanCount(self.position);
            say!("{role} of {ring:?}, from message {at} on; Ctrl-C ends it");
        }
    }

    /// Replaces the line. It is cut at the edge and never wrapped: a wrapped line could not be
    /// replaced.
    pub(crate) fn draw(&self, text: &str) {
        if self.on_terminal {
            let mut out = io::stdout().lock();
            let _ = write!(out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h");
            let _ = out.flush();
        }
    }

    /// Draws, if it is time, what an endpoint has done, how fast, and how full its ring is. Only
    /// then it calls `look` for the position, the unread messages, the capacity and a note.
    pub(crate) fn show(&mut self, verb: &str, look: impl FnOnce() -> (u64, u64, u64, String)) {
        let passed = self.drawn.elapsed();
        if !self.on_terminal || passed < REDRAW {
            return;
        }
        let (position, unread, capacity, note) = look();
        let rate = scaled((position - self.position) as f64 / passed.as_secs_f64());
        (self.position, self.drawn) = (position, self.drawn + passed);
        let position = HumanCount(position).to_string();
        let gauge = "#".repeat((unread * 10).div_ceil(capacity) as usize);
        let percent = unread * 100 / capacity;
        self.draw(&format!(
            "{verb} {position:>13} {rate:>8}/s  fill [{gauge:-<10}] {percent:>3} %  {note}"
        ));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.draw("");
    }
}
