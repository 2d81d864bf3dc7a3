//! Signals that wait: what must be done as a whole is.

use std::mem::zeroed;
use std::ptr;

/// No signal ends this process until this is dropped or released. A child
/// that is forked meanwhile begins so, too.
pub(crate) struct Held {
    before: libc::sigset_t,
}

impl Held {
    pub(crate) fn new() -> Self {
        // SAFETY: all zero bytes are an empty set.
        let [mut all, mut before] = [(); 2].map(|()| unsafe { zeroed() });
        // SAFETY: the set lives through the call, which cannot fail.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets live through the call, which cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }

    pub(crate) fn release(&self) {
        // SAFETY: the set lives through the call, which cannot fail.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}
