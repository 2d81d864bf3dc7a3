//! What was moved so far: a line on the terminal, and a summary at the end.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use quoit::Role;
use serde_json::json;

use crate::output::Output;
use crate::stop::{Moved, Stop};

/// The time between two lines.
const PERIOD: Duration = Duration::from_millis(200);

/// Counts messages. Dropping it erases the line.
pub(crate) struct Progress {
    moved: Moved,
    start: Instant,
    shown: Instant,
    /// What it waits for, if it does.
    waits_for: Option<Role>,
    /// What the consumer had taken before it could be copied, and its unit.
    pub(crate) missed: Option<(u64, &'static str)>,
    /// Hidden where no terminal shows it.
    line: ProgressBar,
}

impl Progress {
    /// `data_on_terminal`: whether the terminal shows what is moved.
    pub(crate) fn new(verb: &'static str, data_on_terminal: bool, output: &Output) -> Self {
        let now = Instant::now();
        let style = ProgressStyle::with_template("{msg}").expect("the template is one");
        Self {
            moved: Moved {
                verb,
                messages: 0,
                bytes: 0,
            },
            start: now,
            shown: now,
            waits_for: None,
            missed: None,
            line: match output.json || data_on_terminal {
                true => ProgressBar::hidden(),
                false => ProgressBar::no_length().with_style(style),
            },
        }
    }

    /// Only time passed.
    pub(crate) fn wait_for(&mut self, peer: Role) {
        self.waits_for = Some(peer);
        self.show();
    }

    /// Messages were moved.
    pub(crate) fn add(&mut self, messages: u64, bytes: u64) {
        self.waits_for = None;
        self.moved.messages += messages;
        self.moved.bytes += bytes;
        self.show();
    }

    /// Messages were not seen.
    pub(crate) fn miss(&mut self, more: u64) {
        if let Some((missed, _)) = &mut self.missed {
            *missed += more;
        }
    }

    fn show(&mut self) {
        if !self.line.is_hidden() && self.shown.elapsed() >= PERIOD {
            self.shown = Instant::now();
            let waits = self.waits_for.map(|peer| format!("; waits for a {peer}"));
            self.line
                .set_message(self.words() + &waits.unwrap_or_default());
        }
    }

    /// Says what was moved, at once or together with what has failed.
    pub(crate) fn end(self, output: &Output, ended: Result<(), Stop>) -> Result<(), Stop> {
        if let Err(stop @ Stop::Error(..)) = ended {
            return Err(Stop::Partly(Box::new(stop), self.moved));
        }
        let mut value = json!(self.moved);
        value["seconds"] = self.start.elapsed().as_secs_f64().into();
        let mut words = self.words();
        if let Some((missed, unit)) = self.missed {
            value["missed"] = missed.into();
            words += &format!("; missed {missed} {unit}");
        }
        if let Err(Stop::Signal(_)) = ended {
            words += ", and was interrupted";
        }
        drop(self);
        ended.and(output.summary(&words, &value))
    }

    fn words(&self) -> String {
        let Moved {
            verb,
            messages,
            bytes,
        } = self.moved;
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = HumanBytes((bytes as f64 / seconds) as u64);
        let bytes = HumanBytes(bytes);
        format!("{verb} {messages} messages, {bytes} in {seconds:.1} s ({rate}/s)")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}
