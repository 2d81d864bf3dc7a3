//! The lock of those that create rings in a directory.
//!
//! Two programs that create the same ring at once would each reserve its memory, and where there is
//! no room for both, one of them would get an error, or both: each keeps what the other lacks. So
//! creators lock the directory, which they share at first. One that lacks memory waits until the
//! others have ended, looks for their ring, and tries again, alone.
//!
//! The lock is advice: without it, or after a while, a creator continues.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::Name;
use crate::deadline::Deadline;

/// How long a creator waits for one that is alone.
const FOR_ONE: Duration = Duration::from_millis(100);
/// How long one that is to be alone waits for the others: for the memory of large rings.
const FOR_ALL: Duration = Duration::from_secs(10);

/// A lock on a directory, if the system grants it.
#[derive(Debug)]
pub(crate) struct DirectoryLock(Option<File>);

impl DirectoryLock {
    /// Together with others.
    pub(crate) fn shared(name: &Name) -> Self {
        Self::take(name, libc::LOCK_SH, FOR_ONE)
    }

    /// After the others. The caller has no other lock.
    pub(crate) fn exclusive(name: &Name) -> Self {
        Self::take(name, libc::LOCK_EX, FOR_ALL)
    }

    fn take(name: &Name, lock: libc::c_int, patience: Duration) -> Self {
        let Ok(directory) = name.open_directory() else {
            return Self(None);
        };
        // EWOULDBLOCK: another creator has it.
        let is_mine = || Ok(flock(&directory, lock | libc::LOCK_NB) != Err(libc::EWOULDBLOCK));
        let is_mine = Deadline::from(patience).retry(is_mine);
        Self(is_mine.is_ok_and(|is_mine| is_mine).then_some(directory))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            // A process that is being started may have the descriptor until its `exec`.
            let _ = flock(directory, libc::LOCK_UN);
        }
    }
}

fn flock(directory: &File, operation: libc::c_int) -> Result<(), i32> {
    // SAFETY: the descriptor is open, and no memory is involved.
    match unsafe { libc::flock(directory.as_raw_fd(), operation) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}
