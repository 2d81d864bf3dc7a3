//! A second mapping of a segment: what a stray process could write behind the
//! back of both ends.

use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::path::Path;

use memmap2::{MmapOptions, MmapRaw};

use super::choices::Choices;

pub(crate) const TAIL: usize = 4096;
const RIDE_POSITION: usize = 4104;
const RIDE: usize = 4112;
const RIDE_BYTES: usize = 48;
const PRODUCER_STATE: usize = 4224;
pub(crate) const HEAD: usize = 8192;
const CONSUMER_STATE: usize = 8320;
const WORDS: [usize; 2] = [12288, 12416];
const SEMAPHORES: [usize; 2] = [12544, 12672];
pub(crate) const SUPERSEDED: usize = 128;
pub(crate) const DATA: usize = 16384;

/// What lies behind the data, up to the end of the last page.
const SLACK: u8 = 0xa5;

pub(crate) struct Memory {
    map: MmapRaw,
    /// Bytes of the data.
    data: usize,
    /// The header of the fresh ring.
    header: Vec<u8>,
}

/// Some bytes, and where to write them.
pub(crate) struct Scribble {
    offset: usize,
    bytes: [u8; 8],
    width: usize,
}

impl Memory {
    /// Of a fresh ring with so many bytes of data.
    pub(crate) fn new(path: &Path, data: usize) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let map = MmapOptions::new().map_raw(&file.expect("the segment's file opens"));
        let mut memory = Self {
            map: map.expect("the segment can be mapped"),
            data,
            header: vec![],
        };
        memory.header = memory.read(0..DATA);
        memory
    }

    pub(crate) fn length(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn address(&self) -> usize {
        self.map.as_ptr().addr()
    }

    /// Makes it a fresh ring again, at this position. Nobody holds a role.
    pub(crate) fn reset(&self, first: u64, fill: u8) {
        let mut fresh = self.header.clone();
        for position in [TAIL, HEAD] {
            fresh[position..position + 8].copy_from_slice(&first.to_le_bytes());
        }
        fresh.resize(DATA + self.data, fill);
        fresh.resize(self.length(), SLACK);
        // SAFETY: the mapping is as long, and alive; it is nobody else's now.
        unsafe {
            self.map
                .as_mut_ptr()
                .copy_from_nonoverlapping(fresh.as_ptr(), fresh.len());
        };
    }

    /// Whether nothing was written behind the data.
    pub(crate) fn slack_is_whole(&self) -> bool {
        let slack = self.read(DATA + self.data..self.length());
        slack.iter().all(|&byte| byte == SLACK)
    }

    /// What lies there. Nobody writes meanwhile.
    pub(crate) fn read(&self, range: Range<usize>) -> Vec<u8> {
        assert!(range.end <= self.length());
        let mut bytes = vec![0; range.len()];
        // SAFETY: the range lies within the mapping.
        let start = unsafe { self.map.as_ptr().add(range.start) };
        // SAFETY: so do the bytes from there on; the mapping is alive.
        unsafe { start.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    /// Whether these bytes lie at that offset in the data.
    pub(crate) fn data_at(&self, offset: usize, bytes: &[u8]) -> bool {
        let start = DATA + offset;
        start + bytes.len() <= self.length() && self.read(start..start + bytes.len()) == bytes
    }

    /// Whether these bytes ride, after so many others.
    pub(crate) fn ride_at(&self, offset: usize, bytes: &[u8]) -> bool {
        let end = offset + bytes.len();
        end <= RIDE_BYTES && self.read(RIDE + offset..RIDE + end) == bytes
    }

    pub(crate) fn word(&self, offset: usize) -> u64 {
        let bytes = self.read(offset..offset + 8);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    pub(crate) fn scribble(&self, scribble: &Scribble) {
        for (step, &byte) in scribble.bytes[..scribble.width].iter().enumerate() {
            self.write(scribble.offset + step, byte);
        }
    }

    fn write(&self, offset: usize, value: u8) {
        assert!(offset < self.length());
        // SAFETY: the offset lies within the mapping.
        let byte = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: the mapping is alive; others read the bytes, so volatile.
        unsafe { byte.write_volatile(value) };
    }
}

impl Scribble {
    /// Any bytes anywhere before the slack, and more often a word that means
    /// something.
    pub(crate) fn choose(choices: &mut Choices<'_>, memory: &Memory) -> Self {
        let data_words = memory.data / 8;
        let offset = match choices.below(16) {
            0 | 1 => TAIL,
            2 | 3 => HEAD,
            4 => RIDE_POSITION,
            5 => RIDE + 8 * choices.below(6),
            6 => PRODUCER_STATE + 8 * choices.below(6),
            7 => CONSUMER_STATE + 8 * choices.below(6),
            8 => choices.one_of(&WORDS),
            9 => choices.one_of(&SEMAPHORES) + 8 * choices.below(4),
            10 => 8 * choices.below(9),
            11 => SUPERSEDED,
            12..15 => DATA + 8 * (usize::from(choices.half()) % data_words),
            _ => usize::from(choices.half()) % (DATA + memory.data),
        };
        let width = choices.one_of(&[8, 8, 8, 4, 1]);
        let offset = offset.min(DATA + memory.data - width);
        let value = match choices.below(10) {
            0 => 0,
            1 => u64::MAX,
            2 => memory.word(offset.min(memory.length() - 8)) ^ 1 << choices.below(64),
            3 => choices.near(memory.word(TAIL)),
            4 => choices.near(memory.word(HEAD)),
            5 => memory.word(TAIL) << 1 | 1,
            6 => u64::from(choices.byte()),
            7 => u64::from(u32::MAX) | u64::from(choices.byte()) << 32,
            8 => u64::from(choices.half()),
            _ => choices.word(),
        };
        Self {
            offset,
            bytes: value.to_le_bytes(),
            width,
        }
    }

    /// Whether it changes which operation glibc asks the kernel for. Between
    /// two calls that is seen; during one it ends the process.
    pub(crate) fn takes_a_semaphore_apart(&self) -> bool {
        let written = self.offset..self.offset + self.width;
        SEMAPHORES
            .iter()
            .any(|semaphore| written.start < semaphore + 16 && semaphore + 8 < written.end)
    }
}

/// A page that nobody may touch.
pub(crate) struct Guard(usize);

pub(crate) const PAGE: usize = 4096;

impl Guard {
    /// Wherever there is room, which is below other mappings.
    pub(crate) fn new() -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping touches nothing that is there.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED, "there is room for a page");
        Self(page.addr())
    }

    pub(crate) fn is_at(&self, address: usize) -> bool {
        self.0 == address
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: the page is this guard's, and nobody has a pointer into it.
        unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(self.0), PAGE) };
    }
}

/// The addresses at which this process has mapped the file.
pub(crate) fn mappings(path: &Path) -> Vec<usize> {
    let maps = fs::read_to_string("/proc/self/maps").expect("this process's mappings");
    let path = path.to_str().expect("a path in UTF-8");
    let of_file = maps.lines().filter(|line| line.ends_with(path));
    of_file
        .map(|line| {
            let (start, _) = line.split_once('-').expect("start-end");
            usize::from_str_radix(start, 16).expect("an address")
        })
        .collect()
}
