//! A segment that somebody else has made, before there is a ring in it.

use std::os::unix::fs::FileExt;

use super::draft::reserve;
use super::{Memory, Segment};
use crate::error::Error;
use crate::layout::DATA;

impl Segment {
    /// Whether the header's pages are all zeros.
    pub(crate) fn is_blank(&self) -> Result<bool, Error> {
        let Memory::Mapped { file, .. } = &self.memory else {
            return Ok(true);
        };
        let mut bytes = [0; DATA];
        let read = file.read_exact_at(&mut bytes, 0);
        read.map_err(|source| self.failed("read", source))?;
        Ok(bytes == [0; DATA])
    }

    /// Takes the memory, all of it, which its maker may not have done.
    pub(crate) fn reserve(&self) -> Result<(), Error> {
        match &self.memory {
            Memory::Heap(_) => Ok(()),
            Memory::Mapped { file, .. } => reserve(file, self.length(), self.display_name()),
        }
    }
}
