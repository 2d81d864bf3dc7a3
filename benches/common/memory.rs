//! Bare words in memory that both processes map: the baselines without the ring's protocol.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::MmapRaw;

use super::link::{Open, Side};

/// A file of such memory; the second process opens the first one's.
pub(crate) fn file(path: &Path, bytes: usize) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(path)?;
    file.set_len(bytes as u64)?;
    Ok(file)
}

/// What each side sends in and receives in: a file's memory from these offsets on.
pub(crate) fn ways(file: &File, side: Side, starts: [usize; 2]) -> [Memory; 2] {
    let map = || MmapRaw::map_raw(file).expect("the file can be mapped");
    side.ways(starts).map(|start| Memory { map: map(), start })
}

/// Creates a file for such memory.
pub(crate) fn wire(path: &Path, bytes: usize, starts: [usize; 2]) -> io::Result<Open<[Memory; 2]>> {
    let file = file(path, bytes)?;
    Ok(Open::new(move |side| ways(&file, side, starts)))
}

#[derive(Debug)]
pub(crate) struct Memory {
    map: MmapRaw,
    start: usize,
}

impl Memory {
    /// The byte at an offset, which is within the file.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: the offset is within the mapping.
        unsafe { self.map.as_mut_ptr().add(self.start + offset) }
    }

    /// The word at an aligned offset.
    #[inline(always)]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the mapping outlives the borrow, and every access to the word is atomic.
        unsafe { AtomicU64::from_ptr(self.at(offset).cast()) }
    }

    /// The word of a futex at an aligned offset.
    #[inline(always)]
    pub(crate) fn futex(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the mapping outlives the borrow, and every access to the word is atomic.
        unsafe { AtomicU32::from_ptr(self.at(offset).cast()) }
    }
}
