//! Files without a name, and files whose name does not refer to them from here.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};

use super::off_standard;
use crate::error::Error;

/// This thread's descriptors. Those of `/proc/self` are the main thread's, which may have others, or
/// none once it has ended.
pub(super) const DESCRIPTORS: &str = "/proc/thread-self/fd";

/// In place of a name.
pub(super) const SHOWN: &str = "anonymous";

/// An empty memfd, which cannot be executed if the kernel supports that (Linux 6.3).
pub(super) fn create() -> io::Result<File> {
    let with = |flags| {
        // SAFETY: the name, which only people see, is a C string.
        match unsafe { libc::memfd_create(c"quoit".as_ptr(), libc::MFD_CLOEXEC | flags) } {
            -1 => Err(io::Error::last_os_error()),
            // SAFETY: the descriptor was just opened and has no other owner.
            fd => off_standard(unsafe { File::from_raw_fd(fd) }),
        }
    };
    with(libc::MFD_ALLOW_SEALING | libc::MFD_NOEXEC_SEAL).or_else(|_| with(libc::MFD_ALLOW_SEALING))
}

/// The same file, with a separate description.
pub(super) fn reopen(file: impl AsFd, shown: &str) -> Result<File, Error> {
    let path = format!("{DESCRIPTORS}/{}", file.as_fd().as_raw_fd());
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.and_then(off_standard).map_err(|source| Error::Io {
        doing: "reopen",
        name: shown.to_owned(),
        source,
    })
}
