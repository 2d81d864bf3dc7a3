//! What tests do with descriptors: waits in `poll`, and locks of bytes.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::PATIENCE;

/// The numbers of the open descriptors, without a look at `/proc`.
pub(crate) fn open_descriptors() -> Vec<RawFd> {
    // SAFETY: the call only reads.
    let is_open = |&number: &RawFd| unsafe { libc::fcntl(number, libc::F_GETFD) } != -1;
    (0..1024).filter(is_open).collect()
}

/// Whether a descriptor is readable, or becomes readable within the timeout.
pub(crate) fn readable(end: &impl AsRawFd, timeout: Duration) -> bool {
    // SAFETY: it stays open during the call.
    let end = unsafe { BorrowedFd::borrow_raw(end.as_raw_fd()) };
    let timeout = Timespec::try_from(timeout).expect("it is short");
    let found = poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&timeout));
    found.expect("the descriptor can be polled") == 1
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
