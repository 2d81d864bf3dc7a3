//! A segment before it has a name.
//!
//! A segment is built and formatted without a name and then linked to it, so that no process ever
//! opens half a segment, and a creator that crashes leaves nothing behind. If the file system has
//! no `O_TMPFILE`, the segment gets a random temporary name.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::enough::{not_enough, survives_in};
use super::memfd::DESCRIPTORS;
use super::{Access, Name, Segment, failed, is_locked, off_standard, random};
use crate::error::Error;

/// A reserved, zeroed, mapped segment that no other process can see.
#[derive(Debug)]
pub(crate) struct Draft {
    segment: Segment,
    name: Name,
    /// The path of a file without a name.
    descriptor: CString,
    temporary: Temporary,
}

/// A name to be removed again, if the file has one.
#[derive(Debug)]
struct Temporary(Option<CString>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // SAFETY: `path` is a C string.
            unsafe { libc::unlink(path.as_ptr()) };
        }
    }
}

/// The result of a link.
pub(crate) enum Linked {
    /// The segment has its name.
    Done(Segment),
    /// Another file has the name; the draft is returned.
    NameTaken(Draft),
}

impl Draft {
    /// Reserves `length` bytes, rounded up to the file system's blocks, in the
    /// directory of `name`.
    pub(crate) fn new(name: &Name, length: u64, mode: u32) -> Result<Self, Error> {
        let failed = |doing| move |source| failed(doing, name.display_name(), source);
        let (file, temporary) = nameless(name).map_err(failed("create"))?;
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(failed("set the mode of"))?;
        // Do not create a ring whose roles no process can take.
        is_locked(&file, 0).map_err(failed("query the locks of"))?;
        // A hugetlbfs file is made of whole huge pages.
        let block = file.metadata().map_err(failed("examine"))?.blksize();
        let length = length.next_multiple_of(block.max(1));
        reserve(&file, length, name.display_name())?;
        let descriptor = CString::new(format!("{DESCRIPTORS}/{}", file.as_raw_fd()))
            .expect("a number holds no zero byte");
        Ok(Self {
            segment: Segment::map(file, length, Some(name), Access::ReadWrite)?,
            name: name.clone(),
            descriptor,
            temporary,
        })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Gives the segment its name, if the name is free.
    pub(crate) fn link(mut self) -> Result<Linked, Error> {
        match self.link_to(self.name.path()) {
            Ok(()) => {
                // Remove the temporary name, now that there is another one.
                drop(Temporary(self.temporary.0.take()));
                Ok(Linked::Done(self.segment))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Linked::NameTaken(self))
            }
            Err(source) => Err(self.segment.failed("link", source)),
        }
    }

    /// Gives the segment its name in place of another one. The caller holds
    /// all locks of the one that loses its name.
    pub(crate) fn replace(mut self) -> Result<Segment, Error> {
        if self.temporary.0.is_none() {
            let path = temporary_path(&self.name);
            self.link_to(&path)
                .map_err(|source| self.segment.failed("link", source))?;
            self.temporary.0 = Some(path);
        }
        if let Some(temporary) = self.temporary.0.take() {
            // SAFETY: both paths are C strings.
            let result = unsafe { libc::rename(temporary.as_ptr(), self.name.path().as_ptr()) };
            if result == -1 {
                let source = io::Error::last_os_error();
                self.temporary.0 = Some(temporary);
                return Err(self.segment.failed("replace", source));
            }
        }
        Ok(self.segment)
    }

    fn link_to(&self, path: &CStr) -> io::Result<()> {
        let source = self.temporary.0.as_ref().unwrap_or(&self.descriptor);
        // SAFETY: both paths are C strings.
        let result = unsafe {
            libc::linkat(
                libc::AT_FDCWD,
                source.as_ptr(),
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::AT_SYMLINK_FOLLOW,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

/// Opens a file without a name, or with a temporary one.
fn nameless(name: &Name) -> io::Result<(File, Temporary)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let proc = Path::new(DESCRIPTORS).exists(); // what links a file without a name
    let opened = options
        .clone()
        .custom_flags(libc::O_TMPFILE)
        .open(name.directory());
    match opened {
        Ok(file) if proc => Ok((off_standard(file)?, Temporary(None))),
        // A directory that refuses every file refuses this one as well.
        _ => {
            let path = temporary_path(name);
            let file = options
                .create_new(true)
                .open(std::ffi::OsStr::from_bytes(path.to_bytes()))?;
            let temporary = Temporary(Some(path));
            Ok((off_standard(file)?, temporary))
        }
    }
}

fn temporary_path(name: &Name) -> CString {
    let path = name
        .directory()
        .join(format!(".quoit-{:016x}.new", random()));
    CString::new(path.as_os_str().as_bytes()).expect("a checked name holds no zero byte")
}

/// Takes the memory now, so that a full file system is an error here and not a SIGBUS at a later
/// store.
pub(super) fn reserve(file: &File, length: u64, shown: &str) -> Result<(), Error> {
    // Beyond this limit the kernel would kill with SIGXFSZ.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` outlives the call.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    if known && length > limit.rlim_cur {
        return Err(Error::FileSizeLimit {
            wanted: length,
            limit: limit.rlim_cur,
        });
    }
    let before = file.metadata().map(|metadata| metadata.len());
    let before = before.map_err(|source| failed("examine", shown, source))?;
    survives_in(file, length)?;
    let reserved = in_pieces(length, |start, size| {
        // SAFETY: the descriptor is open, and no memory is involved.
        unsafe { libc::posix_fallocate(file.as_raw_fd(), start, size) }
    });
    reserved.map_err(|error| {
        // A hugetlbfs keeps the pages that it found. A file that another process has mapped keeps
        // its length.
        let _ = file.set_len(before);
        unreserved(file, length, shown, error)
    })
}

/// The smallest piece: it takes less time than there is between two ticks of a timer.
const PIECE: u64 = 1 << 20;

/// Reserves `length` bytes by calls that take a start and a size and return an error number. A tmpfs
/// before Linux 6.11 undoes a call that a signal interrupts, so that a timer would interrupt a
/// long one again and again: each call after such a one is shorter.
fn in_pieces(length: u64, mut call: impl FnMut(i64, i64) -> i32) -> Result<(), i32> {
    let whole = i64::try_from(length).map_err(|_| libc::ENOSPC)?;
    let (mut start, mut piece) = (0, whole);
    while start < whole {
        let size = piece.min(whole - start);
        match call(start, size) {
            0 => start += size,
            libc::EINTR => piece = (size as u64 / 2).next_multiple_of(PIECE) as i64,
            error => return Err(error),
        }
    }
    Ok(())
}

/// Why memory could not be reserved.
fn unreserved(file: &File, length: u64, shown: &str, error: i32) -> Error {
    match error {
        libc::ENOSPC | libc::ENOMEM => not_enough(file, length),
        _ => failed(
            "reserve memory for",
            shown,
            io::Error::from_raw_os_error(error),
        ),
    }
}

/// Reserves the missing blocks before `end` in a sparse file that others may have mapped. A file
/// system that cannot do so needs no memory, or takes it at each store.
pub(super) fn allocate_all(file: &File, end: u64, shown: &str) -> Result<(), Error> {
    survives_in(file, end)?;
    let allocated = in_pieces(end, |start, size| {
        // Not posix_fallocate, which may write where there is no such call.
        // SAFETY: the descriptor is open, and no memory is involved.
        match unsafe { libc::fallocate(file.as_raw_fd(), 0, start, size) } {
            0 => 0,
            _ => io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        }
    });
    match allocated {
        Ok(()) | Err(libc::EOPNOTSUPP | libc::ENOSYS) => Ok(()),
        Err(error) => Err(unreserved(file, end, shown, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_interrupts_each_long_call_interrupts_no_short_one() {
        const LENGTH: i64 = 9 * PIECE as i64 + 4096;
        let (mut end, mut calls) = (0, 0);
        let reserved = in_pieces(LENGTH as u64, |start, size| {
            calls += 1;
            assert!(calls < 20, "it does not end");
            if size > 2 * PIECE as i64 || calls == 6 {
                return libc::EINTR;
            }
            assert_eq!(start, end);
            end += size;
            0
        });
        assert_eq!((reserved, end), (Ok(()), LENGTH));
        assert_eq!(in_pieces(5, |_, _| libc::EIO), Err(libc::EIO));
        assert_eq!(in_pieces(u64::MAX, |_, _| 0), Err(libc::ENOSPC));
    }
}
