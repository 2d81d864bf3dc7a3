//! A ring in use is kept: no process removes it because of an outdated check, takes it for
//! superseded because of its own root directory, or changes a file of another program. A
//! superseded ring blocks no other one.

pub(crate) mod foreign;
pub(crate) mod marks;
pub(crate) mod places;
pub(crate) mod room;

/// Becomes a user that may not remove files of other users in a sticky directory. Only root can do this.
fn drop_root() {
    const UNPRIVILEGED: u32 = 65534;
    // SAFETY: there is no list, so none is read.
    let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
    // SAFETY: the call changes only this process's group.
    let group = unsafe { libc::setgid(UNPRIVILEGED) };
    // SAFETY: the call changes only this process's user.
    let user = unsafe { libc::setuid(UNPRIVILEGED) };
    assert_eq!((groups, group, user), (0, 0, 0));
}

/// Whether this process may become another user; prints a note if not.
fn is_root() -> bool {
    // SAFETY: the call only reads.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("[no other user: this process is not root] ");
    }
    root
}

/// Runs a child's part in a private directory.
fn plays_in_a_directory(part: &str) {
    let directory = crate::common::names::shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    crate::common::child::Child::start(part, &[path]).succeeds();
}
