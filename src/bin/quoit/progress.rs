//! What was moved so far: a line on the terminal, and a summary at the end.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::output::Output;

/// The time between two lines.
const PERIOD: Duration = Duration::from_millis(200);

/// Counts frames. Dropping it leaves an empty line.
pub(crate) struct Progress {
    verb: &'static str,
    frames: u64,
    bytes: u64,
    start: Instant,
    shown: Instant,
    on_terminal: bool,
}

impl Progress {
    /// `data_on_terminal`: whether the terminal shows what is moved.
    pub(crate) fn new(verb: &'static str, data_on_terminal: bool, output: &Output) -> Self {
        let now = Instant::now();
        Self {
            verb,
            frames: 0,
            bytes: 0,
            start: now,
            shown: now,
            on_terminal: !output.json && !data_on_terminal && io::stderr().is_terminal(),
        }
    }

    /// Frames were moved, or, with none, only time went by.
    pub(crate) fn add(&mut self, frames: u64, bytes: u64) {
        self.frames += frames;
        self.bytes += bytes;
        if self.on_terminal && self.shown.elapsed() >= PERIOD {
            self.shown = Instant::now();
            draw(&self.line());
        }
    }

    /// Says what was moved.
    pub(crate) fn end(self, output: &Output) {
        let seconds = self.start.elapsed().as_secs_f64();
        let value = json!({
            "action": self.verb,
            "frames": self.frames,
            "bytes": self.bytes,
            "seconds": seconds,
        });
        let line = self.line();
        drop(self);
        output.summary(&line, &value);
    }

    fn line(&self) -> String {
        let seconds = self.start.elapsed().as_secs_f64();
        format!(
            "{} {} frames, {} in {seconds:.1} s ({}/s)",
            self.verb,
            self.frames,
            bytes(self.bytes),
            bytes((self.bytes as f64 / seconds) as u64),
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.on_terminal {
            draw("");
        }
    }
}

/// Replaces the line, which is cut at the edge: a wrapped one could not be
/// replaced.
fn draw(line: &str) {
    let _ = write!(io::stderr(), "\r\x1b[K\x1b[?7l{line}\x1b[?7h");
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| count >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", count as f64 / (1_u64 << shift) as f64),
        None => format!("{count} B"),
    }
}
