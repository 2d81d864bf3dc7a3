//! The model of a ring of frames, computed from `layout.md`.

use std::collections::VecDeque;

use quoit::ClaimError;

/// A frame in the ring.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) kind: u32,
    pub(crate) payload: Vec<u8>,
    /// The bytes that it takes, with the padding before it.
    pub(crate) units: u64,
}

/// The published frames that are not released.
pub(crate) struct Queue {
    frames: VecDeque<Sent>,
    capacity: u64,
    pub(crate) tail: u64,
    pub(crate) head: u64,
}

impl Queue {
    pub(crate) fn new(capacity: u64, first_position: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            capacity,
            tail: first_position,
            head: first_position,
        }
    }

    pub(crate) fn frames(&self) -> impl Iterator<Item = &Sent> {
        self.frames.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The published bytes that are not released.
    pub(crate) fn unread(&self) -> u64 {
        self.frames.iter().map(|frame| frame.units).sum()
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn longest(&self) -> usize {
        usize::try_from(self.capacity).expect("a small ring") / 2 - 8
    }

    /// The bytes of a frame that begins `ahead` bytes after the tail, or the error if there
    /// is no room for it.
    pub(crate) fn place(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        let longest = self.longest();
        if len > longest {
            return Err(ClaimError::TooLong { max: longest });
        }
        let units = self.units(ahead, len).expect("it is not too long");
        if self.unread() + ahead + units <= self.capacity {
            Ok(units)
        } else {
            Err(ClaimError::Full)
        }
    }

    /// The bytes of a frame that begins `ahead` bytes after the tail, with or without room;
    /// `None` if it is too long.
    pub(crate) fn units(&self, ahead: u64, len: usize) -> Option<u64> {
        let rest = self.capacity - self.tail.wrapping_add(ahead) % self.capacity;
        let size = frame_size(len);
        let units = if size > rest { rest + size } else { size };
        (len <= self.longest()).then_some(units)
    }

    /// Whether this is the longest payload for which there is room. A longer payload never
    /// needs less room.
    pub(crate) fn has_room_up_to(&self, len: Option<usize>) -> bool {
        let fits = |len| self.place(0, len).is_ok();
        len.is_none_or(fits) && !fits(len.map_or(0, |len| len + 1))
    }

    pub(crate) fn publish(&mut self, frame: Sent) {
        self.tail = self.tail.wrapping_add(frame.units);
        self.frames.push_back(frame);
    }

    pub(crate) fn release(&mut self, count: usize) {
        for frame in self.frames.drain(..count) {
            self.head = self.head.wrapping_add(frame.units);
        }
    }
}

/// The bytes of a frame with its header, rounded up to a multiple of eight.
pub(crate) fn frame_size(len: usize) -> u64 {
    (8 + len as u64).next_multiple_of(8)
}
