//! What tests do with descriptors: waits in `poll`, and locks of bytes.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::PATIENCE;

/// The numbers of the open descriptors, without a look at `/proc`.
pub(crate) fn open_descriptors() -> Vec<RawFd> {
    // SAFETY: the call only reads.
    let is_open = |&number: &RawFd| unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
    (0..1024).filter(is_open).collect()
}

/// Whether a descriptor is readable, or becomes readable within the timeout.
pub(crate) fn readable(end: &impl AsRawFd, timeout: Duration) -> bool {
    let mut entry = libc::pollfd {
        fd: end.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = timeout.as_millis() as libc::c_int;
    // SAFETY: the entry outlives the call.
    let count = unsafe { libc::poll(&raw mut entry, 1, timeout) };
    assert_ne!(count, -1, "the descriptor can be polled");
    count == 1
}

pub(crate) fn becomes_readable(end: &impl AsRawFd) {
    assert!(readable(end, PATIENCE), "it never becomes readable");
}

/// Locks a byte of a ring's file, for this open description: `F_RDLCK` or `F_WRLCK`.
pub(crate) fn lock(file: &File, byte: i64, kind: libc::c_int) {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the lock outlives the call.
    let locked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    assert_eq!(locked, 0, "the byte {byte} is free");
}

/// Locks the bytes of the name and of both roles, as an unlinking process does.
pub(crate) fn lock_all(file: &File) {
    for byte in [0, 4096, 8192] {
        lock(file, byte, libc::F_WRLCK);
    }
}

/// Takes all descriptors that are free, up to a limit of this process, except this many.
pub(crate) fn take_all_but(free: usize) -> Vec<File> {
    let mut taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - free);
    taken
}
