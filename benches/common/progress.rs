//! The progress of the bench, only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// One bar on standard error, which is removed at the end.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta:>4}");
        let style = style.expect("the template is valid");
        Self(ProgressBar::new(0).with_style(style))
    }

    /// Shows that `done` of `total` steps of `what` are done.
    pub(crate) fn show(&self, what: &str, done: usize, total: usize) {
        if self.0.is_finished() {
            self.0.reset();
        }
        self.0.set_message(what.to_owned());
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
    }

    /// Removes the bar, to print a line.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
