//! Ctrl-C, as a question that a loop can ask.

use std::sync::OnceLock;

static ASKED: OnceLock<()> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP end nothing, but are remembered.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        let _ = ASKED.set(());
    })
}

/// Whether a signal has asked this process to end.
pub(crate) fn asked() -> bool {
    ASKED.get().is_some()
}
