//! An existing file, before it is mapped.
//!
//! Mapping a file that is not a ring is dangerous: an access to a sparse part takes memory, and
//! raises SIGBUS if there is none. So the file is read, and only a ring is mapped.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::draft::allocate_all;
#[cfg(feature = "shared_memory")]
use super::draft::reserve;
use super::{Access, Memory, Name, Segment, display_name, failed, not_a_ring, open_file};
use crate::error::Error;
use crate::layout::{DATA, LAYOUT, MAGIC};

/// A regular file that is longer than a ring's header.
pub(super) struct Found<'a> {
    pub(super) file: File,
    pub(super) length: u64,
    /// Bytes that the file system has allocated for it.
    taken: u64,
    name: Option<&'a Name>,
}

impl<'a> Found<'a> {
    pub(super) fn open(name: &'a Name, access: Access) -> Result<Self, Error> {
        Self::new(open_file(name, access)?, Some(name))
    }

    pub(super) fn new(file: File, name: Option<&'a Name>) -> Result<Self, Error> {
        let metadata = file.metadata();
        let metadata = metadata.map_err(|source| failed("examine", display_name(name), source))?;
        let found = Self {
            file,
            length: metadata.len(),
            taken: metadata.blocks().saturating_mul(512),
            name,
        };
        if !metadata.is_file() {
            return Err(found.not_a_ring("it is not a regular file"));
        }
        if found.length <= DATA as u64 {
            return Err(found.not_a_ring("it is too short"));
        }
        Ok(found)
    }

    /// Makes sure that it is a ring of this layout, whose header can be accessed.
    pub(super) fn check(&self, access: Access) -> Result<(), Error> {
        let mut start = [0; 12];
        self.read(&mut start)?;
        let [magic @ .., a, b, c, d] = start;
        if magic != MAGIC.to_le_bytes() {
            return Err(self.not_a_ring("it does not begin with quoit's magic"));
        }
        let layout = u32::from_le_bytes([a, b, c, d]);
        if layout != LAYOUT {
            return Err(Error::VersionMismatch {
                found: layout,
                expected: LAYOUT,
            });
        }
        match access {
            _ if self.taken >= self.length => Ok(()),
            Access::ReadWrite => allocate_all(&self.file, DATA as u64, display_name(self.name)),
            // In memory, even reading a sparse part allocates it.
            Access::ReadOnly if is_memory(&self.file) => {
                Err(self.not_a_ring("it is a sparse file"))
            }
            Access::ReadOnly => Ok(()),
        }
    }

    #[cfg(feature = "shared_memory")]
    fn is_blank(&self) -> Result<bool, Error> {
        let mut bytes = [0; DATA];
        self.read(&mut bytes)?;
        Ok(bytes == [0; DATA])
    }

    fn read(&self, bytes: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_exact_at(bytes, 0);
        read.map_err(|source| failed("read", display_name(self.name), source))
    }

    fn not_a_ring(&self, reason: &'static str) -> Error {
        match self.name {
            Some(name) => not_a_ring(name, reason),
            None => Error::WrongDescriptor { reason },
        }
    }
}

/// Whether the file's pages are in memory alone.
fn is_memory(file: &File) -> bool {
    // SAFETY: all zero bytes are a `statfs`.
    let mut stat: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: `stat` outlives the call.
    let known = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut stat) } == 0;
    known && stat.f_type as i64 == libc::TMPFS_MAGIC
}

impl Segment {
    /// Maps a whole existing segment.
    pub(crate) fn open(name: &Name) -> Result<Self, Error> {
        Self::existing(name, Access::ReadWrite)
    }

    /// Maps an existing segment, whose memory cannot be written through the
    /// mapping.
    pub(crate) fn observe(name: &Name) -> Result<Self, Error> {
        Self::existing(name, Access::ReadOnly)
    }

    fn existing(name: &Name, access: Access) -> Result<Self, Error> {
        let found = Found::open(name, access)?;
        found.check(access)?;
        Self::map(found.file, found.length, Some(name), access)
    }

    /// Maps a file in which there is a ring or nothing yet.
    #[cfg(feature = "shared_memory")]
    pub(crate) fn open_blank(name: &Name) -> Result<Self, Error> {
        let found = Found::open(name, Access::ReadWrite)?;
        if !found.is_blank()? {
            let checked = found.check(Access::ReadWrite);
            checked.map_err(|_| found.not_a_ring("it holds something else"))?;
        }
        Self::map(found.file, found.length, Some(name), Access::ReadWrite)
    }

    /// Whether the header's pages are all zeros.
    #[cfg(feature = "shared_memory")]
    pub(crate) fn is_blank(&self) -> Result<bool, Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(true);
        };
        let mut bytes = [0; DATA];
        let read = file.read_exact_at(&mut bytes, 0);
        read.map_err(|source| self.failed("read", source))?;
        Ok(bytes == [0; DATA])
    }

    /// Reserves all of the memory, which its creator may not have done.
    #[cfg(feature = "shared_memory")]
    pub(crate) fn reserve(&self) -> Result<(), Error> {
        match &self.memory {
            Memory::Heap(_) => Ok(()),
            Memory::Mapped { file, .. } => reserve(file, self.length(), self.display_name()),
        }
    }

    /// Reserves the memory that an existing ring lacks, such as a sparse copy.
    pub(crate) fn allocate_all(&self) -> Result<(), Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(());
        };
        if self.metadata(file)?.blocks().saturating_mul(512) >= self.length() {
            return Ok(());
        }
        allocate_all(file, self.length(), self.display_name())
    }
}
