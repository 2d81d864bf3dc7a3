//! Ctrl-C, as a question that a loop can ask.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The signal that has come, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on SIGINT, SIGTERM and SIGHUP end nothing, but are remembered.
pub(crate) fn listen() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize)?;
    }
    Ok(())
}

/// Whether a signal has asked this process to end.
pub(crate) fn asked() -> bool {
    signal() != 0
}

fn signal() -> i32 {
    SIGNAL.load(Ordering::Relaxed) as i32
}

/// Ends this process as the signal does by default, when all is put away: after an exit
/// code a shell would go on with its loop.
pub(crate) fn die() -> ExitCode {
    let _ = low_level::emulate_default_handler(signal());
    ExitCode::FAILURE // the system has refused
}
