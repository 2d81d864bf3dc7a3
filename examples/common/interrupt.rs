//! Ctrl-C, as a flag that a loop can read.
#![expect(clippy::disallowed_types, reason = "it is in no ring")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::Result;

/// The last signal that has arrived; 0 before.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on SIGINT, SIGTERM and SIGHUP only set the flag. A signal that is ignored, as `nohup`
/// ignores SIGHUP, stays ignored.
pub(crate) fn listen() -> Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        if !is_ignored(signal) {
            flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize)?;
        }
    }
    Ok(())
}

/// Whether a signal has asked this process to end.
pub(crate) fn asked() -> bool {
    SIGNAL.load(Relaxed) != 0
}

/// Fails if a signal has asked this process to end.
pub(crate) fn check() -> Result<()> {
    match asked() {
        true => Err("interrupted".into()),
        false => Ok(()),
    }
}

/// Ends this process by the signal, if there was one: after an exit code a shell would continue
/// its loop.
pub(crate) fn die_if_asked() {
    if asked() {
        let _ = low_level::emulate_default_handler(SIGNAL.load(Relaxed) as i32);
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and the record has its size.
    unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes are a valid value, and so are the kernel's bytes.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
