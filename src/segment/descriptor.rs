//! Descriptors above those of the standard streams.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};

/// The file under a number that is not that of a standard stream. In a program whose standard
/// output is closed, a new file gets its number: then the program would print into a ring.
pub(crate) fn off_standard(file: File) -> io::Result<File> {
    const FIRST: libc::c_int = libc::STDERR_FILENO + 1;
    if file.as_raw_fd() >= FIRST {
        return Ok(file);
    }
    // SAFETY: the descriptor is open, and no memory is involved.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the descriptor was just made and has no other owner.
        fd => Ok(unsafe { File::from_raw_fd(fd) }),
    }
}
