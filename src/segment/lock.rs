//! Open-file-description locks on single bytes of a segment.
//!
//! The kernel frees them when the last descriptor of the description is gone,
//! however the process ended, and across PID namespaces. Two descriptions
//! conflict even within one process. The description is opened for the locks
//! alone: a mapping would pin it beyond the descriptor's life.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// A description that may hold locks; dropping it frees them all at once.
#[derive(Debug)]
pub(crate) struct LockFile(File);

impl LockFile {
    /// `file` is neither mapped nor shared with another holder of locks.
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// Locks one byte; `false` if another description holds it.
    pub(crate) fn try_lock(&self, byte: u64) -> io::Result<bool> {
        match fcntl(&self.0, libc::F_OFD_SETLK, byte) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether some other description than `file` holds the byte.
pub(crate) fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
    let answer = fcntl(file, libc::F_OFD_GETLK, byte)?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

fn fcntl(file: &File, command: libc::c_int, byte: u64) -> io::Result<libc::flock> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        l_pid: 0, // the kernel wants zero for these commands
    };
    loop {
        // SAFETY: both commands take a `flock`, which lives through the call.
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
