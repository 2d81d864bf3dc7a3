//! What was moved so far: a line on the terminal, and a summary at the end.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::output::Output;
use crate::stop::Stop;

/// The time between two lines.
const PERIOD: Duration = Duration::from_millis(200);

/// Counts frames. Dropping it erases the line.
pub(crate) struct Progress {
    moved: Moved,
    start: Instant,
    shown: Instant,
    /// What it waits for, if it does.
    waits_for: Option<&'static str>,
    /// Hidden where nobody sees it.
    line: ProgressBar,
}

/// What went into a ring, or came out of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    verb: &'static str,
    frames: u64,
    bytes: u64,
}

impl Moved {
    pub(crate) fn json(&self) -> Value {
        json!({"action": self.verb, "frames": self.frames, "bytes": self.bytes})
    }
}

/// To the byte, for who has to go on there.
impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} frames, {} bytes",
            self.verb, self.frames, self.bytes
        )
    }
}

impl Progress {
    /// `data_on_terminal`: whether the terminal shows what is moved.
    pub(crate) fn new(verb: &'static str, data_on_terminal: bool, output: &Output) -> Self {
        let now = Instant::now();
        let style = ProgressStyle::with_template("{msg}").expect("the template is one");
        Self {
            moved: Moved {
                verb,
                frames: 0,
                bytes: 0,
            },
            start: now,
            shown: now,
            waits_for: None,
            line: match output.json || data_on_terminal {
                true => ProgressBar::hidden(),
                false => ProgressBar::no_length().with_style(style),
            },
        }
    }

    /// Only time went by.
    pub(crate) fn wait_for(&mut self, peer: &'static str) {
        self.waits_for = Some(peer);
        self.show();
    }

    /// Frames were moved.
    pub(crate) fn add(&mut self, frames: u64, bytes: u64) {
        self.waits_for = None;
        self.moved.frames += frames;
        self.moved.bytes += bytes;
        self.show();
    }

    fn show(&mut self) {
        if !self.line.is_hidden() && self.shown.elapsed() >= PERIOD {
            self.shown = Instant::now();
            let waits = self.waits_for.map(|peer| format!("; waits for a {peer}"));
            self.line
                .set_message(self.words() + &waits.unwrap_or_default());
        }
    }

    /// Says what was moved, at once or together with what has gone wrong.
    pub(crate) fn end(self, output: &Output, ended: Result<(), Stop>) -> Result<(), Stop> {
        match ended {
            Ok(()) | Err(Stop::ClosedPipe | Stop::Signal(_)) => {
                let mut value = self.moved.json();
                value["seconds"] = self.start.elapsed().as_secs_f64().into();
                let mut words = self.words();
                if let Err(Stop::Signal(_)) = ended {
                    words += ", and was interrupted";
                }
                drop(self);
                ended.and(output.summary(&words, &value))
            }
            Err(stop) => Err(Stop::Partly(Box::new(stop), self.moved)),
        }
    }

    fn words(&self) -> String {
        let Moved {
            verb,
            frames,
            bytes: count,
        } = self.moved;
        let seconds = self.start.elapsed().as_secs_f64();
        format!(
            "{verb} {frames} frames, {} in {seconds:.1} s ({}/s)",
            bytes(count),
            bytes((count as f64 / seconds) as u64),
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| count >> shift > 0) {
        Some((shift, unit)) => format!("{:.1} {unit}", count as f64 / (1_u64 << shift) as f64),
        None => format!("{count} B"),
    }
}
