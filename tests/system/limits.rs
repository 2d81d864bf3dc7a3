//! A refusal of the system is an error that says what to do. It is never a signal, and
//! leaves no files: memory, descriptors, file size, permission, a read-only file system. A
//! ring has exactly the requested mode bits, with any umask.
//!
//! Limits apply to a process, so most tests run a child under a limit.

pub(crate) mod descriptors;
pub(crate) mod groups;
pub(crate) mod huge_pages;
pub(crate) mod memory;
pub(crate) mod mounts;
pub(crate) mod rights;
pub(crate) mod seccomp;

use std::io;

use crate::common::child::Child;
use crate::common::names::shared_memory_directory;
use quoit::Error;

/// Runs a child's part in a private directory.
fn plays_in_a_directory(part: &str) {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start(part, &[path]).succeeds();
}

/// Checks that the system refused for this reason, and that the text says what failed and what to do.
fn is_refused<R>(result: Result<R, Error>, reason: i32, says: [&str; 2]) {
    let refusal = result.err().expect("it is refused");
    let text = refusal.to_string();
    let Error::Io { source, .. } = refusal else {
        panic!("the wrong error: {refusal:?}");
    };
    assert_eq!(source.raw_os_error(), Some(reason), "{text}");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

/// Sets a limit of this process, which may raise it again.
fn set_limit(resource: impl Into<i64>, most: u64) {
    let resource = resource.into();
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the call.
    let known = unsafe { libc::getrlimit(resource as _, &raw mut limit) };
    limit.rlim_cur = most;
    // SAFETY: `limit` outlives the call.
    let set = unsafe { libc::setrlimit(resource as _, &raw const limit) };
    assert_eq!((known, set), (0, 0), "{}", io::Error::last_os_error());
}

/// Drops root's rights, which override mode bits. Other users have few enough rights
/// already.
fn drop_root() {
    const UNPRIVILEGED: u32 = 65534;
    // SAFETY: the call only reads.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: there is no list, so none is read.
        let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
        // SAFETY: the call changes only this process's group.
        let group = unsafe { libc::setgid(UNPRIVILEGED) };
        // SAFETY: the call changes only this process's user.
        let user = unsafe { libc::setuid(UNPRIVILEGED) };
        assert_eq!((groups, group, user), (0, 0, 0));
    }
}
