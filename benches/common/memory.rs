//! Bare words in memory that both processes map: the baselines without the ring's protocol.
#![allow(
    clippy::disallowed_types,
    reason = "bare words, to compare the ring's protocol with none"
)]

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::MmapRaw;

use super::link::Open;

/// Opens or creates a file of such memory: each side sends in it from one of these offsets on, and
/// receives from the other.
pub(crate) fn wire(path: &Path, bytes: usize, starts: [usize; 2]) -> io::Result<Open<[Memory; 2]>> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(path)?;
    file.set_len(bytes as u64)?;
    Ok(Open::new(move |side| {
        let map = || MmapRaw::map_raw(&file).expect("the file can be mapped");
        side.ways(starts).map(|start| Memory { map: map(), start })
    }))
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
