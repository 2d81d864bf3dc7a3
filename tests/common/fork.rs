//! Real forks: a copy of this process, in the middle of a test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};

use super::PATIENCE;
use super::names::shared_memory_directory;
use super::program::signal;

/// Forks; `None` in the child. The child ends with `done` or a panic, or by an alarm if it
/// hangs.
pub(crate) fn fork() -> Option<libc::pid_t> {
    // SAFETY: there is no other thread, or the child's code allows for them.
    let pid = unsafe { libc::fork() };
    assert_ne!(pid, -1, "a child is forked");
    if pid > 0 {
        return Some(pid);
    }
    // SAFETY: the call has no pointers.
    unsafe { libc::alarm(PATIENCE.as_secs() as u32) };
    None
}

/// Ends a child, without exit handlers.
pub(crate) fn done() -> ! {
    exit(0)
}

fn exit(code: libc::c_int) -> ! {
    // SAFETY: the call does not return.
    unsafe { libc::_exit(code) }
}

/// The status of a child, from `waitpid`.
pub(crate) fn ending(pid: libc::pid_t) -> libc::c_int {
    let waited = waitpid(Pid::from_raw(pid), WaitOptions::empty());
    let (_, status) = waited.expect("it can be reaped").expect("it has ended");
    status.as_raw()
}

/// Starts the work in a child, which dies with its parent.
pub(crate) fn forked(work: impl FnOnce()) -> libc::pid_t {
    fork().unwrap_or_else(|| {
        die_with_the_parent();
        // A caller that catches panics would continue in the child.
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            exit(101);
        }
        done()
    })
}

/// `kill -9`, and waits for the exit; nothing else may have ended the child.
pub(crate) fn kill(pid: libc::pid_t) {
    signal(pid as u32, libc::SIGKILL);
    assert_eq!(ending(pid), libc::SIGKILL);
}

/// Waits until the child has exited with success.
pub(crate) fn succeeds(pid: libc::pid_t) {
    assert_eq!(ending(pid), 0, "the child succeeds");
}

/// Waits for the kill.
pub(crate) fn pause() -> ! {
    loop {
        // SAFETY: the call has no pointers.
        unsafe { libc::pause() };
    }
}

/// Runs the work in a child, which must succeed.
pub(crate) fn in_a_child(work: impl FnOnce()) {
    succeeds(forked(work));
}

/// The same for work that needs a private directory, which the parent removes.
pub(crate) fn in_a_directory(work: impl FnOnce(&Path)) {
    let directory = shared_memory_directory();
    in_a_child(|| work(directory.path()));
}

/// In a child that may work for a long time: it ends with its parent, and by no alarm.
pub(crate) fn work_as_long_as_the_parent() {
    // SAFETY: the call has no pointers.
    unsafe { libc::alarm(0) };
    die_with_the_parent();
}

/// Has this process killed when its parent ends.
pub(super) fn die_with_the_parent() {
    set_parent_process_death_signal(Some(Signal::KILL)).expect("any process may");
}
