//! Ctrl-C, as a flag that a loop can read.

use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::{ptr, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// The first signal that has arrived.
static SIGNAL: OnceLock<i32> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP only set the flag. A signal that is ignored, as `nohup`
/// ignores SIGHUP, stays ignored.
pub(crate) fn listen() -> super::Result<()> {
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

/// Fails if a signal has asked this process to end.
pub(crate) fn check() -> super::Result<()> {
    match asked() {
        true => Err("interrupted".into()),
        false => Ok(()),
    }
}

/// Ends this process by the signal, if there was one: after an exit code a shell would continue
/// its loop.
pub(crate) fn die_if_asked() {
    if let Some(&signal) = SIGNAL.get() {
        let _ = low_level::emulate_default_handler(signal);
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and the record has its size.
    unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes are a valid value, and so are the kernel's bytes.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
