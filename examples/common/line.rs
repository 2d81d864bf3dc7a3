//! One line on the terminal, drawn again and again; nothing in a pipe.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::numbers::scaled;

/// A line for a text. It is cut at the edge; dropping it leaves an empty one.
pub(crate) fn line() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").expect("a template");
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style)
}

/// The line of an endpoint.
pub(crate) struct EndpointLine {
    line: ProgressBar,
    drawn: Instant,
    position: u64,
}

const REDRAW: Duration = Duration::from_millis(125);

impl EndpointLine {
    /// Below a heading that stays.
    pub(crate) fn new(role: &str, ring: &str, position: u64) -> Self {
        let (line, drawn, at) = (line(), Instant::now(), HumanCount(position));
        line.println(format!(
            "{role} of {ring:?}, from message {at} on; Ctrl-C ends it"
        ));
        Self {
            line,
            drawn,
            position,
        }
    }

    /// Draws, if it is time, what an endpoint has done, how fast, and how full its ring is. Only
    /// then it calls `look` for the position, the unread messages, the capacity and a note.
    pub(crate) fn show(&mut self, verb: &str, look: impl FnOnce() -> (u64, u64, u64, String)) {
        let passed = self.drawn.elapsed();
        if passed < REDRAW || self.line.is_hidden() {
            return;
        }
        let (position, unread, capacity, note) = look();
        let rate = scaled((position - self.position) as f64 / passed.as_secs_f64());
        (self.position, self.drawn) = (position, self.drawn + passed);
        let position = HumanCount(position).to_string();
        let gauge = "#".repeat((unread * 10).div_ceil(capacity) as usize);
        let percent = unread * 100 / capacity;
        self.line.set_message(format!(
            "{verb} {position:>13} {rate:>8}/s  fill [{gauge:-<10}] {percent:>3} %  {note}"
        ));
    }
}
