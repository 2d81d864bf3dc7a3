//! A segment without a name: a memfd that can neither shrink nor grow.
//!
//! A process with a descriptor of it can map it, and the seals keep any process from taking the
//! mapped memory away. A role needs a separate description, which is opened through `/proc` because
//! there is no name.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;

use super::draft::reserve;
use super::found::Found;
use super::memfd::{SHOWN, create, reopen};
use super::{Access, Memory, PAGE, Segment, failed, is_locked};
use crate::error::Error;

/// Without this seal a peer could truncate the mapping.
const REQUIRED: libc::c_int = libc::F_SEAL_SHRINK;
/// With one of these nothing can be mapped for writing.
const READ_ONLY: libc::c_int = libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE;

impl Segment {
    /// Zeroed memory, reserved and sealed.
    pub(crate) fn anonymous(length: u64, mode: u32) -> Result<Self, Error> {
        let failed = |doing| move |source| failed(doing, SHOWN, source);
        let length = length.next_multiple_of(PAGE as u64);
        let file = create().map_err(failed("make the memfd of"))?;
        // Its seal keeps it from being executed, and refuses these bits.
        file.set_permissions(Permissions::from_mode(mode & !0o111))
            .map_err(failed("set the mode of"))?;
        is_locked(&file, 0).map_err(failed("query the locks of"))?;
        reserve(&file, length, SHOWN)?;
        let seals = REQUIRED | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: the descriptor is open, and no memory is involved.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } == -1 {
            return Err(failed("seal")(io::Error::last_os_error()));
        }
        Self::map(file, length, None, Access::ReadWrite)
    }

    /// Maps the whole file of a descriptor, whichever process made it.
    pub(crate) fn from_descriptor(descriptor: BorrowedFd<'_>) -> Result<Self, Error> {
        let wrong = |reason| Err(Error::WrongDescriptor { reason });
        // SAFETY: the descriptor is open, and no memory is involved.
        let seals = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GET_SEALS) };
        if seals == -1 {
            return wrong("it is not a memfd");
        }
        if seals & REQUIRED == 0 {
            return wrong("it is not sealed against shrinking");
        }
        if seals & READ_ONLY != 0 {
            return wrong("it is sealed against writing");
        }
        let found = Found::new(reopen(descriptor, SHOWN)?, None)?;
        found.check(Access::ReadWrite)?;
        Self::map(found.file, found.length, None, Access::ReadWrite)
    }

    /// The mapped file, if it has no name.
    pub(crate) fn descriptor(&self) -> Option<&File> {
        match &self.memory {
            Memory::Mapped {
                name: None, file, ..
            } => Some(file),
            _ => None,
        }
    }
}
