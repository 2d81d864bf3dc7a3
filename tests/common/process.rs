//! What a process changes about itself: limits, rights, signals. Most tests do it in a child.

use std::ptr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

/// Sets a limit of this process, which may raise it again; returns the old one.
pub(crate) fn set_limit(resource: Resource, most: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(resource);
    let current = current.or(Some(u64::MAX));
    let limit = Rlimit {
        current: Some(most),
        maximum,
    };
    setrlimit(resource, limit).expect("a limit can be changed");
    current.expect("a limit")
}

/// Drops root's rights, which override mode bits. Other users have few enough rights already.
pub(crate) fn drop_root() {
    const UNPRIVILEGED: u32 = 65534;
    if geteuid().is_root() {
        // SAFETY: there is no list, so none is read.
        let groups = unsafe { libc::setgroups(0, ptr::null()) };
        // SAFETY: the call changes only this process's group.
        let group = unsafe { libc::setgid(UNPRIVILEGED) };
        // SAFETY: the call changes only this process's user.
        let user = unsafe { libc::setuid(UNPRIVILEGED) };
        assert_eq!((groups, group, user), (0, 0, 0));
    }
}

/// Installs a handler that runs with its own signal blocked, and that does not restart the
/// system call it interrupts.
pub(crate) fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zero bytes are an action: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: the action outlives the call, and no old one is asked for.
    let set = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(set, 0, "the handler is installed");
}

/// Sends SIGALRM to this process at this interval, or stops that.
pub(crate) fn alarm(every: Duration) {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: every.as_micros() as _,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the timer outlives the call.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    assert_eq!(set, 0, "the timer is set");
}
