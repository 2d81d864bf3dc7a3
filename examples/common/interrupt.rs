//! Ctrl-C, as a question that a loop can ask.

use std::io;
use std::mem::MaybeUninit;
use std::process::ExitCode;
use std::ptr;
use std::sync::OnceLock;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// The first signal that has come.
static SIGNAL: OnceLock<i32> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP end nothing, but are remembered. One that is
/// ignored, as `nohup` ignores SIGHUP, still is.
pub(crate) fn listen() -> io::Result<()> {
    let wanted = [SIGHUP, SIGINT, SIGTERM];
    let mut signals = Signals::new(wanted.iter().filter(|&&signal| !is_ignored(signal)))?;
    thread::spawn(move || {
        for signal in &mut signals {
            let _ = SIGNAL.set(signal);
        }
    });
    Ok(())
}

/// Whether a signal has asked this process to end.
pub(crate) fn asked() -> bool {
    SIGNAL.get().is_some()
}

/// Ends this process as the signal does by default, when all is put away: after an exit
/// code a shell would go on with its loop.
pub(crate) fn die() -> ExitCode {
    if let Some(&signal) = SIGNAL.get() {
        let _ = low_level::emulate_default_handler(signal);
    }
    ExitCode::FAILURE // the system has refused
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and the record has its size.
    unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes are a value of it, and so is what the kernel wrote.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
