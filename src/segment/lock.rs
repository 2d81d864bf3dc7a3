//! Open-file-description locks on single bytes of a segment.
//!
//! The kernel frees them when the last descriptor of the description is closed, even by a crash,
//! and across PID namespaces. Two descriptions conflict even within one process. The description is
//! opened for the locks alone: a mapping would pin it beyond the descriptor's life.

use core::ptr::NonNull;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::fork::{Entry, Held};

/// A description that may hold locks; dropping it frees them all at once. The
/// mapping that it is for outlives it.
#[derive(Debug)]
pub(crate) struct LockFile {
    /// Ends before the descriptor does.
    entry: Entry,
    file: File,
}

impl LockFile {
    /// `file` is neither mapped nor shared with another holder of locks; it is
    /// the file of which `mapped` is mapped at `base`.
    pub(super) fn new(file: File, mapped: &File, base: NonNull<u8>, length: usize) -> Self {
        let entry = Entry::new(Held {
            lock: file.as_raw_fd(),
            file: mapped.as_raw_fd(),
            base,
            length,
        });
        Self { entry, file }
    }

    /// Locks one byte; `false` if another description holds it.
    pub(crate) fn try_lock(&self, byte: u64) -> io::Result<bool> {
        match fcntl(&self.file, libc::F_OFD_SETLK, libc::F_WRLCK, byte, 1) {
            Ok(_) => Ok(true),
            // Linux returns only this for a conflict: EACCES comes from a security module.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Frees one byte.
    pub(crate) fn unlock(&self, byte: u64) {
        let _ = fcntl(&self.file, libc::F_OFD_SETLK, libc::F_UNLCK, byte, 1);
    }

    /// Whether this process is a child, forked since: then it has no lock.
    pub(crate) fn is_inherited(&self) -> bool {
        self.entry.is_inherited()
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // death -> left: a process that only queries a lock may see it free without taking any lock
        // of the kernel. For that process, the fence (WAKE) in `Waker::wake_unconditionally`, which `RoleGuard`'s
        // drop has run, orders all stores of this endpoint first.
        //
        // The close alone does not free it: a process that is being started may have the descriptor
        // until its `exec`.
        let _ = fcntl(&self.file, libc::F_OFD_SETLK, libc::F_UNLCK, 0, TO_THE_END);
    }
}

/// The length of an unbounded lock.
const TO_THE_END: u64 = 0;

/// Whether a description other than `file` holds the byte.
pub(crate) fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
    let answer = fcntl(file, libc::F_OFD_GETLK, libc::F_WRLCK, byte, 1)?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

fn fcntl(
    file: &File,
    command: libc::c_int,
    kind: libc::c_int,
    start: u64,
    length: u64,
) -> io::Result<libc::flock> {
    let mut lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start as libc::off_t,
        l_len: length as libc::off_t,
        l_pid: 0, // the kernel requires zero for these commands
    };
    loop {
        // SAFETY: both commands take a `flock`, which outlives the call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
        if result != -1 {
            return Ok(lock);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
