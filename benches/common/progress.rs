//! How far the bench is, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// One bar on standard error, which is gone at the end.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta:>4}");
        let style = style.expect("the template is one");
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

    /// Makes room for a figure.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
