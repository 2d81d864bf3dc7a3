//! An observer's copies of unread messages.
//!
//! The producer may store to the words of a message while they are copied, because the
//! consumer has released it:
//!
//! ```text
//! producer                            observer
//! head: there is room     (FREE)      words of the message
//! fence                  (REUSE)      fence                  (COPIED)
//! words of a later message            head: not yet beyond the message?
//! ```
//!
//! If a word of the later message was copied, the two fences meet, and the head that
//! freed the room is read, or a later one: the copy is dropped.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it unchanged.

use super::super::error::Corrupt;
use super::super::layout::{FRAME_HEADER, PADDING, frame_parts, frame_size};
use super::super::sync::{AtomicU64, COPIED, FREE, PLAIN, READY, fence};

/// A copy of an unread message; from [`Observer::unread`](crate::Observer::unread).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The position after the message before it, or from which on messages were asked for. Before
    /// `position` where frames leave out the end of the ring. A higher one than was asked for:
    /// the messages between the two were released before they were copied.
    pub from: u64,
    /// Its position, in slots, or bytes for frames.
    pub position: u64,
    /// The position after it, for [`Observer::unread_from`](crate::Observer::unread_from).
    pub next: u64,
    /// The producer's kind of a frame; 0 for a record.
    pub kind: u32,
    /// Payload, or record.
    pub bytes: Vec<u8>,
}

/// Why there is no copy.
#[derive(Debug)]
pub(crate) enum NoCopy {
    Corrupt(Corrupt),
    /// A segment may be longer than there is memory for.
    OutOfMemory,
}

/// What an observer reads of a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) tail: &'a AtomicU64,
    pub(crate) head: &'a AtomicU64,
    /// The data: at least the words of `capacity` slots or bytes.
    pub(crate) data: &'a [AtomicU64],
    /// Slots, or bytes for frames; a power of two.
    pub(crate) capacity: u64,
    /// Bytes of a slot; `None` in a ring of frames.
    pub(crate) slot_size: Option<u64>,
}

impl View<'_> {
    /// Head and tail.
    pub(crate) fn positions(self) -> (u64, u64) {
        // reclaim -> free: the head first, so that the tail is not before it.
        let head = self.head.load(FREE);
        // publish -> ready: the messages before this tail are whole.
        let tail = self.tail.load(READY);
        (head, tail)
    }

    /// Shows the unread messages between two positions, and returns how many.
    pub(crate) fn copy(
        self,
        mut at: u64,
        tail: u64,
        most: usize,
        mut see: impl FnMut(Message),
    ) -> Result<usize, NoCopy> {
        let (mut seen, mut from) = (0, at);
        while seen < most && at != tail {
            let left = tail.wrapping_sub(at);
            if left > self.capacity && self.is_there(at) {
                return Err(corrupt("tail", tail));
            }
            let copy = match self.slot_size {
                Some(size) => self.slot(at, size).map(|record| (1, Some(record))),
                None => self.frame(at, tail),
            };
            // Ignore the bytes of a message that was released in between.
            if !self.is_there(at) {
                break;
            }
            let (units, message) = copy?;
            at = at.wrapping_add(units);
            if let Some(message) = message {
                seen += 1;
                see(Message { from, ..message });
                from = at;
            }
        }
        Ok(seen)
    }

    /// Whether the message at a position was not released before this: then its copy is whole.
    fn is_there(self, position: u64) -> bool {
        // copied -> overtaken: no byte above is newer than the head below.
        fence(COPIED);
        let released = self.head.load(PLAIN).wrapping_sub(position);
        // Ahead of the head by a ring at most, or before it.
        released == 0 || released.wrapping_neg() <= self.capacity
    }

    fn slot(self, position: u64, size: u64) -> Result<Message, NoCopy> {
        Ok(Message {
            from: position,
            position,
            next: position.wrapping_add(1),
            kind: 0,
            bytes: self.bytes(self.index(position) * size, size)?,
        })
    }

    /// The frame at a position, or the padding, and how many bytes it takes.
    fn frame(self, position: u64, tail: u64) -> Result<(u64, Option<Message>), NoCopy> {
        let offset = self.index(position);
        let (left, rest) = (tail.wrapping_sub(position), self.capacity - offset);
        if offset % 8 != 0 {
            return Err(corrupt("head", position));
        }
        if left < FRAME_HEADER {
            return Err(corrupt("tail", tail));
        }
        let (len, kind) = frame_parts(self.word(offset));
        if len == PADDING {
            // Never the last thing before a tail.
            return match left > rest {
                true => Ok((rest, None)),
                false => Err(corrupt("padding", len.into())),
            };
        }
        let size = frame_size(u64::from(len));
        if size > left.min(rest) {
            return Err(corrupt("frame length", len.into()));
        }
        let bytes = self.bytes(offset + FRAME_HEADER, u64::from(len))?;
        Ok((
            size,
            Some(Message {
                from: position,
                position,
                next: position.wrapping_add(size),
                kind,
                bytes,
            }),
        ))
    }

    /// The place in the ring of a position.
    fn index(self, position: u64) -> u64 {
        position & (self.capacity - 1)
    }

    /// A copy of bytes of the data, word by word.
    fn bytes(self, offset: u64, len: u64) -> Result<Vec<u8>, NoCopy> {
        let first = offset & !7;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(len as usize + 16).is_err() {
            return Err(NoCopy::OutOfMemory);
        }
        for offset in (first..offset + len).step_by(8) {
            bytes.extend(self.word(offset).to_ne_bytes());
        }
        bytes.drain(..(offset - first) as usize);
        bytes.truncate(len as usize);
        Ok(bytes)
    }

    /// The word of the data that begins at this byte.
    fn word(self, offset: u64) -> u64 {
        self.data[offset as usize / 8].load(PLAIN)
    }
}

fn corrupt(field: &'static str, found: u64) -> NoCopy {
    NoCopy::Corrupt(Corrupt { field, found })
}
