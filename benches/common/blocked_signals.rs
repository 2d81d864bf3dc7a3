//! Blocked signals, around code that must not be interrupted.

use std::mem::zeroed;
use std::ptr;

/// Until this is dropped or released, no signal ends this process. A child that is forked
/// in between inherits the blocked signals.
pub(crate) struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    pub(crate) fn new() -> Self {
        // SAFETY: a zeroed set is empty.
        let [mut all, mut before] = [(); 2].map(|()| unsafe { zeroed() });
        // SAFETY: the set outlives the call, which cannot fail.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets outlive the call, which cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }

    pub(crate) fn release(&self) {
        // SAFETY: the set outlives the call, which cannot fail.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        self.release();
    }
}
