//! The segment as a file: reads and writes that bypass both endpoints, as another process
//! could do. Offsets are those of `layout.md`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use quoit::Role;

pub(crate) const MAGIC: u64 = 0;
pub(crate) const LAYOUT: u64 = 8;
pub(crate) const SHAPE: u64 = 12;
pub(crate) const CAPACITY: u64 = 16;
pub(crate) const SLOT_SIZE: u64 = 24;
pub(crate) const SLOT_ALIGN: u64 = 32;
pub(crate) const DOORBELL: u64 = 36;
pub(crate) const SCHEMA: u64 = 40;
pub(crate) const LENGTH: u64 = 64;
pub(crate) const SUPERSEDED: u64 = 128;
pub(crate) const TAIL: u64 = 4096;
pub(crate) const RIDE_POSITION: u64 = 4104;
pub(crate) const RIDE: u64 = 4112;
pub(crate) const HEAD: u64 = 8192;
pub(crate) const DATA: u64 = 16384;

/// The place of a role's position. Its state is 128 bytes behind.
pub(crate) fn position(role: Role) -> u64 {
    match role {
        Role::Producer => TAIL,
        Role::Consumer => HEAD,
    }
}

/// A ring's file. Reads and writes access the same pages that the endpoints have mapped.
pub(crate) struct SegmentFile(File);

impl SegmentFile {
    pub(crate) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self(file.expect("the segment's file opens"))
    }

    pub(crate) fn read(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        let read = self.0.read_exact_at(&mut bytes, offset);
        read.expect("the segment has these bytes");
        u64::from_le_bytes(bytes)
    }

    /// Everything before the data.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut bytes = vec![0; DATA as usize];
        let read = self.0.read_exact_at(&mut bytes, 0);
        read.expect("a segment has a header");
        bytes
    }

    pub(crate) fn write(&self, offset: u64, word: u64) {
        self.write_bytes(offset, &word.to_le_bytes());
    }

    pub(crate) fn write_half(&self, offset: u64, word: u32) {
        self.write_bytes(offset, &word.to_le_bytes());
    }

    pub(crate) fn write_bytes(&self, offset: u64, bytes: &[u8]) {
        let written = self.0.write_all_at(bytes, offset);
        written.expect("the segment is writable");
    }

    pub(crate) fn truncate(&self, length: u64) {
        let truncated = self.0.set_len(length);
        truncated.expect("the segment can be truncated");
    }

    /// Whether the last published message has an inline copy.
    pub(crate) fn has_inline_copy(&self) -> bool {
        self.read(RIDE_POSITION) == self.read(TAIL) << 1 | 1
    }
}
