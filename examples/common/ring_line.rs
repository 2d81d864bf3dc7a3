//! What one end sees of its ring, a few times per second.

use std::time::{Duration, Instant};

use super::figures::{gauge, grouped, scaled};
use super::live_line::LiveLine;

const REDRAW: Duration = Duration::from_millis(125);

/// A live line with the rate since it was drawn last.
pub(crate) struct RingLine {
    line: LiveLine,
    drawn: Instant,
    position: u64,
}

/// What there is to see.
pub(crate) struct View {
    pub(crate) verb: &'static str,
    pub(crate) position: u64,
    pub(crate) unread: u64,
    pub(crate) capacity: u64,
    pub(crate) note: String,
}

impl RingLine {
    /// Begins with a heading that stays, again only on a terminal.
    pub(crate) fn new(name: &str, role: &str, position: u64) -> Self {
        let line = LiveLine::new();
        if line.is_seen() {
            let at = grouped(position);
            say!("{role} of {name:?}, from message {at} on; Ctrl-C ends it");
        }
        Self {
            line,
            drawn: Instant::now(),
            position,
        }
    }

    /// Draws the line if it is time to; only then asks for the view.
    pub(crate) fn show(&mut self, view: impl FnOnce() -> View) {
        if !self.line.is_seen() {
            return;
        }
        let passed = self.drawn.elapsed();
        if passed < REDRAW {
            return;
        }
        let view = view();
        let rate = (view.position - self.position) as f64 / passed.as_secs_f64();
        self.position = view.position;
        self.drawn += passed;
        self.line.draw(&format!(
            "{} {:>13} {:>8}/s  fill {}  {}",
            view.verb,
            grouped(view.position),
            scaled(rate),
            gauge(view.unread, view.capacity),
            view.note
        ));
    }
}
