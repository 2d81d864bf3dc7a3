#![doc = include_str!("layout.md")]
//
// The specification is layout.md; this file is the same thing for the compiler.

mod frame;

use core::mem::{align_of, offset_of, size_of};

pub(crate) use self::frame::{
    FRAME_HEADER, PADDING, frame_header, frame_parts, frame_size, max_frame_len,
};
use crate::sync::{AtomicU32, AtomicU64};

/// `"quoit\r\n\x1a"` as a little-endian number: a text-mode copy breaks it.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"quoit\r\n\x1a");
/// The version of the byte layout, independent of the version of the crate.
pub(crate) const LAYOUT: u32 = 1;
/// Where the data begin, after four pages of header.
pub(crate) const DATA: usize = 16384;

/// Fixed-size records.
pub(crate) const SHAPE_SLOTS: u32 = 1;
/// Length-prefixed messages.
pub(crate) const SHAPE_FRAMES: u32 = 2;

/// Both endpoints sleep on futexes.
pub(crate) const DOORBELL_FUTEX: u32 = 0;

/// Both endpoints sleep on POSIX semaphores; the C library and the size of its
/// `sem_t` are in the field's upper bytes.
pub(crate) const DOORBELL_SEMAPHORE: u32 = 1;

/// The first four pages of a segment.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) fixed: FixedPage,
    pub(crate) producer: ProducerPage,
    pub(crate) consumer: ConsumerPage,
    pub(crate) sleep: SleepPage,
}

/// Page 0, written once, except `superseded`, which goes from 0 to 1 when the segment is replaced
/// or unlinked, and back if its name cannot be removed.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct FixedPage {
    pub(crate) magic: AtomicU64,
    pub(crate) layout: AtomicU32,
    pub(crate) shape: AtomicU32,
    /// Slots or bytes, a power of two.
    pub(crate) capacity: AtomicU64,
    /// Bytes of a slot; 1 for frames.
    pub(crate) slot_size: AtomicU64,
    /// Alignment of a slot; 8 for frames.
    pub(crate) slot_align: AtomicU32,
    pub(crate) doorbell: AtomicU32,
    pub(crate) schema: AtomicU64,
    pub(crate) incarnation: AtomicU64,
    /// Nanoseconds since 1970.
    pub(crate) created: AtomicU64,
    /// Bytes of the whole segment.
    pub(crate) length: AtomicU64,
    pub(crate) superseded: Stripe<AtomicU32>,
}

/// Page 1, stored to by the producer only.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct ProducerPage {
    pub(crate) tail: AtomicU64,
    pub(crate) ride_position: AtomicU64,
    pub(crate) ride: [AtomicU64; 6],
    pub(crate) state: Stripe<RoleState>,
}

/// Page 2, stored to by the consumer only.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct ConsumerPage {
    pub(crate) head: AtomicU64,
    pub(crate) state: Stripe<RoleState>,
}

/// Page 3, stored to by both.
#[repr(C, align(4096))]
#[derive(Debug)]
pub(crate) struct SleepPage {
    pub(crate) consumer: Stripe<AtomicU32>,
    pub(crate) producer: Stripe<AtomicU32>,
    pub(crate) consumer_semaphore: Stripe<[AtomicU64; 4]>,
    pub(crate) producer_semaphore: Stripe<[AtomicU64; 4]>,
}

/// An endpoint's state and counters.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RoleState {
    /// `epoch << 1 | closed`: `peer.rs`.
    pub(crate) state: AtomicU64,
    /// Informative: the locks decide.
    pub(crate) pid: AtomicU32,
    /// 1 if the endpoint takes part in membarrier.
    pub(crate) registered: AtomicU32,
    /// Nanoseconds since 1970 at which the role was taken; informative.
    pub(crate) since: AtomicU64,
    pub(crate) parks: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) rescues: AtomicU64,
    /// Messages that the role's processes refused or skipped, as they count them.
    pub(crate) dropped: AtomicU64,
}

/// One writer's stripe: the prefetch pair of x86-64, the line of some ARM.
/// Not `CachePadded`, whose size changes with the CPU.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Stripe<T>(pub(crate) T);

impl<T> core::ops::Deref for Stripe<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Locked by the process that may rename over the name or unlink it.
pub(crate) const NAME_BYTE: u64 = 0;
/// Locked by the producer: the first byte of its page.
pub(crate) const PRODUCER_BYTE: u64 = offset_of!(Header, producer) as u64;
/// Locked by the consumer: the first byte of its page.
pub(crate) const CONSUMER_BYTE: u64 = offset_of!(Header, consumer) as u64;

/// FNV-1a over size, alignment (both as eight little-endian bytes) and tag.
pub(crate) fn schema(size: u64, align: u64, tag: &str) -> u64 {
    let size = size.to_le_bytes();
    let align = align.to_le_bytes();
    let bytes = size.iter().chain(&align).chain(tag.as_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

macro_rules! offsets {
    ($($base:literal: $type:ty { $($field:ident = $offset:literal),* $(,)? })*) => {
        $($(const _: () = assert!(offset_of!($type, $field) + $base == $offset);)*)*

        /// Every offset that `layout.md` promises, for the test that compares.
        #[cfg(test)]
        const OFFSETS: &[(&str, usize)] = &[$($((
            concat!(stringify!($type), ".", stringify!($field)),
            $offset,
        )),*),*];
    };
}

offsets! {
    0: Header { fixed = 0, producer = 4096, consumer = 8192, sleep = 12288 }
    0: FixedPage {
        magic = 0, layout = 8, shape = 12, capacity = 16, slot_size = 24, slot_align = 32,
        doorbell = 36, schema = 40, incarnation = 48, created = 56, length = 64,
        superseded = 128,
    }
    4096: ProducerPage { tail = 4096, ride_position = 4104, ride = 4112, state = 4224 }
    8192: ConsumerPage { head = 8192, state = 8320 }
    12288: SleepPage {
        consumer = 12288, producer = 12416, consumer_semaphore = 12544, producer_semaphore = 12672,
    }
    0: RoleState {
        state = 0, pid = 8, registered = 12, since = 16, parks = 24, wakes = 32, rescues = 40,
        dropped = 48,
    }
}

const _: () = assert!(size_of::<Header>() == DATA);
const _: () = assert!(align_of::<Header>() == 4096);
const _: () = assert!(size_of::<RoleState>() <= 128);
const _: () = assert!(size_of::<AtomicU64>() == 8 && size_of::<AtomicU32>() == 4);

#[cfg(test)]
mod tests {
    use super::*;

    /// `layout.md` names every field with its offset, in a table row each:
    /// `| 4096 | u64 | tail |` under the heading of its page.
    #[test]
    fn the_specification_names_every_offset() {
        let text = include_str!("layout.md");
        for (name, offset) in OFFSETS {
            let (page, field) = name.split_once('.').expect("type.field");
            if matches!(page, "Header") || field == "state" && page != "RoleState" {
                continue; // these are headings, not fields
            }
            let found = text.lines().any(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                let plus = format!("+{offset}");
                let wanted = if page == "RoleState" {
                    plus
                } else {
                    offset.to_string()
                };
                cells.next() == Some(&wanted) && cells.nth(1) == Some(&format!("`{field}`"))
            });
            assert!(found, "layout.md has no row for {name} at {offset}");
        }
    }

    #[test]
    fn the_schema_is_the_published_fnv() {
        // FNV-1a of sixteen bytes and the tag, as in layout.md's example.
        assert_eq!(schema(8, 8, "u64"), 0xa5da_1340_4ef9_a232);
    }

    #[test]
    fn frames_are_aligned_and_at_most_half_the_ring() {
        assert_eq!(frame_size(0), 8);
        assert_eq!(frame_size(1), 16);
        assert_eq!(frame_size(8), 16);
        assert_eq!(frame_size(9), 24);
        assert_eq!(max_frame_len(64), 24);
        assert_eq!(frame_size(max_frame_len(1 << 20)), 1 << 19);
        assert_eq!(max_frame_len(1 << 40), (1 << 31) - 16);
        assert!(max_frame_len(1 << 40) < u64::from(PADDING));
        assert_eq!(frame_parts(frame_header(5, 7)), (5, 7));
    }
}
