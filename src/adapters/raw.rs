//! The interface for `bindings/` and the tool: rings whose record type is known only at run
//! time, and endpoints whose position is moved by code in another language.
//!
//! Hidden, and not part of the API: `bindings/c` is built from the same tree, and changes
//! with this file.
//!
//! The fast path of a binding moves its own copy of the position and stores the shared word
//! itself. It passes that position on before each other call ([`RawProducer::follow`]).
//! Everything else is the code of the Rust endpoints.
#![allow(
    clippy::missing_errors_doc,
    reason = "hidden: each call refers to the public one"
)]

mod reachable;

use core::fmt;
use core::ptr;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub use self::reachable::Reachable;
use super::handoff::{self, HandoffError};
use super::reactor::AsyncError;
use super::select::Interest;
use crate::cursor::{RIDE_WORDS, ReadCursor, TailLine, WriteCursor};
use crate::deadline::Deadline;
use crate::endpoint::{End, Endpoint, shared_methods, wait_for_message};
use crate::error::{ClaimError, Error, PopError};
use crate::frame_producer::FrameProducer;
use crate::layout::{LAYOUT, PADDING, SHAPE_FRAMES, SHAPE_SLOTS, frame_parts, frame_size};
use crate::payload;
pub use crate::ring::Content;
use crate::ring::{Description, Ring, RingOptions};
use crate::sync::AtomicU64;

/// The layout version of every ring.
pub const LAYOUT_VERSION: u32 = LAYOUT;
/// Words of an inline copy.
pub const INLINE_WORDS: usize = RIDE_WORDS;

/// Bytes of the longest record that is also copied inline, and its alignment.
const INLINE: (u64, u32) = (RIDE_WORDS as u64 * 8, 8);

/// The type of a ring whose content is known at run time.
#[derive(Debug)]
pub struct Untyped(());

/// A ring whose content is known at run time.
#[derive(Debug)]
pub struct RawRing {
    ring: Ring<Untyped>,
    content: Content,
}

/// Records of this size and alignment; `None` if they are not supported. The options of the
/// ring have a tag.
pub fn records(size: u64, align: u32) -> Option<Content> {
    let fits = align.is_power_of_two() && align <= 4096 && size > 0;
    let fits = fits && size % u64::from(align) == 0;
    fits.then_some(Content {
        description: Description {
            shape: SHAPE_SLOTS,
            slot_size: size,
            slot_align: align,
        },
        tag: String::new,
    })
}

/// The options with a fingerprint in place of a tag: the tool moves messages whose type it
/// does not know.
pub fn with_schema(mut options: RingOptions, fingerprint: u64) -> RingOptions {
    options.schema = Some(fingerprint);
    options
}

/// Frames.
pub fn frames() -> Content {
    Content::of::<[u8]>()
}

/// The words that a fast path reads and stores, in addition to its own copy of the position.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// The first byte of the data.
    pub data: *mut u8,
    /// The line with the endpoint's own position.
    pub own: *mut u64,
    /// The peer's sleep word.
    pub peer: *const u32,
    /// Bytes of a slot; 0 for frames.
    pub slot_size: u64,
    /// Slots whose lines are fetched together; slots of a line, if they divide it, otherwise 1.
    pub lines: (u64, u64),
    /// Whether a record fits into the tail's line; `false` for frames.
    pub is_inline: bool,
}

impl RawRing {
    /// [`RingOptions::create`].
    pub fn create(options: &RingOptions, content: Content, name: &Path) -> Result<Self, Error> {
        let ring = options.create_with(content, name)?;
        Ok(Self { ring, content })
    }

    /// [`RingOptions::open`].
    pub fn open(options: &RingOptions, content: Content, name: &Path) -> Result<Self, Error> {
        let ring = options.open_with(content, name)?;
        Ok(Self { ring, content })
    }

    /// [`RingOptions::open_or_create`].
    pub fn open_or_create(
        options: &RingOptions,
        content: Content,
        name: &Path,
    ) -> Result<Self, Error> {
        let ring = options.open_or_create_with(content, name)?;
        Ok(Self { ring, content })
    }

    /// [`RingOptions::create_anonymous`].
    pub fn create_anonymous(options: &RingOptions, content: Content) -> Result<Self, Error> {
        let ring = options.create_anonymous_with(content)?;
        Ok(Self { ring, content })
    }

    /// [`RingOptions::open_descriptor`].
    pub fn open_descriptor(
        options: &RingOptions,
        content: Content,
        descriptor: BorrowedFd<'_>,
    ) -> Result<Self, Error> {
        let ring = options.open_descriptor_with(content, descriptor)?;
        Ok(Self { ring, content })
    }

    /// [`handoff::receive_with`].
    pub fn receive(
        options: &RingOptions,
        content: Content,
        socket: &UnixStream,
    ) -> Result<Self, HandoffError> {
        handoff::receive_by(socket, |descriptor| {
            Self::open_descriptor(options, content, descriptor)
        })
    }

    /// The ring, for operations without a type: the name, its removal, the descriptor to send.
    pub fn ring(&self) -> &Ring<Untyped> {
        &self.ring
    }

    /// [`Ring::producer`].
    pub fn producer(&self) -> Result<RawProducer, Error> {
        let description = self.content.description;
        let end = Endpoint::producer(self.ring.shared(), description)?;
        Ok(RawProducer { end, description })
    }

    /// [`Ring::producer`] of frames.
    pub fn frame_producer(&self) -> Result<FrameProducer, Error> {
        let end = Endpoint::producer(self.ring.shared(), self.content.description);
        end.map(FrameProducer::new)
    }

    /// [`Ring::consumer`].
    pub fn consumer(&self) -> Result<RawConsumer, Error> {
        let description = self.content.description;
        let end = Endpoint::consumer(self.ring.shared(), description)?;
        Ok(RawConsumer { end, description })
    }
}

fn is_inline(description: Description) -> bool {
    description.shape == SHAPE_SLOTS
        && description.slot_size <= INLINE.0
        && description.slot_align <= INLINE.1
}

fn slot_size(description: Description) -> u64 {
    match description.shape {
        SHAPE_FRAMES => 0,
        _ => description.slot_size,
    }
}

/// The common methods of both endpoints.
macro_rules! raw_methods {
    ($own:ident) => {
        /// The words that the fast path reads and stores.
        pub fn words(&self) -> Words {
            let header = self.end.role.header();
            Words {
                data: self.end.at(0),
                own: ptr::from_ref(&header.$own).cast_mut().cast(),
                peer: self.end.role.peer_word().0.as_ptr().cast_const().cast(),
                slot_size: slot_size(self.description),
                lines: self.end.lines().sizes(),
                is_inline: is_inline(self.description),
            }
        }

        /// The value of the peer's sleep word that requires no wake.
        pub fn calm(&self) -> u32 {
            self.end.role.peer_word().1
        }

        /// Whether a stream lasts: the rest of a line is left for the next poll.
        pub fn is_stream(&self) -> bool {
            self.end.is_stream()
        }

        /// The interest for a [`Select`](crate::Select).
        pub fn interest(&mut self, wanted: u64) -> Interest<'_> {
            Interest::new(&mut self.end, wanted)
        }
    };
}

/// The writing endpoint.
pub struct RawProducer {
    end: Endpoint<WriteCursor>,
    description: Description,
}

impl End for RawProducer {
    type Cursor = WriteCursor;

    fn endpoint(&self) -> &Endpoint<WriteCursor> {
        &self.end
    }

    fn endpoint_mut(&mut self) -> &mut Endpoint<WriteCursor> {
        &mut self.end
    }
}

impl RawProducer {
    shared_methods!("consumer", "slots or bytes");
    raw_methods!(producer);

    /// Takes over the position that the fast path has published.
    pub fn follow(&mut self, tail: u64) {
        let published = tail.wrapping_sub(self.end.cursor.position());
        if published != 0 {
            // The shared word already has this value.
            let (tail, mark) = (AtomicU64::new(0), AtomicU64::new(0));
            let line = TailLine {
                tail: &tail,
                ride_position: &mark,
                ride: &[const { AtomicU64::new(0) }; RIDE_WORDS],
            };
            self.end.cursor.publish(published, line);
        }
    }

    /// The known room.
    pub fn room(&self) -> u64 {
        self.end.cursor.room(0).unwrap_or(0)
    }

    /// Whether the consumer asks for inline copies.
    pub fn hint(&self) -> bool {
        self.end.role.peer_hint()
    }

    /// Whether a consumer of this thread has waited since the last question: there is time to take
    /// the lines of the next record while this one is in flight.
    pub fn was_idle(&mut self) -> bool {
        self.end.was_idle()
    }

    /// Polls the head for this much room, even if it is known; returns the room.
    pub fn poll(&mut self, wanted: u64) -> Result<u64, ClaimError> {
        self.can_have(wanted)?;
        Ok(self.end.poll(wanted)?)
    }

    /// Waits for this much room.
    pub fn wait(&mut self, wanted: u64, deadline: Deadline) -> Result<(), ClaimError> {
        self.can_have(wanted)?;
        Ok(self.end.wait(wanted, deadline)?)
    }

    /// Whether there can be this much room: a wait for more would never end.
    fn can_have(&self, wanted: u64) -> Result<(), ClaimError> {
        let max = self.capacity();
        match wanted <= max {
            true => Ok(()),
            false => Err(ClaimError::TooLong { max: max as usize }),
        }
    }

    /// Pushes a record, if there is room.
    ///
    /// # Panics
    ///
    /// If it does not have the size of a slot.
    pub fn try_push(&mut self, record: &[u8]) -> Result<(), ClaimError> {
        let size = record.len();
        assert_eq!(size as u64, self.description.slot_size, "bytes of a slot");
        self.end.room(1)?;
        let slot = self.end.at(self.end.cursor.index(0) * size);
        let peer_waits = || self.end.role.peer_hint();
        // SAFETY: a slot of this ring has `size` bytes, and all of them are mapped; its bytes
        // are not the caller's.
        unsafe { payload::store_bytes(slot, record.as_ptr(), size, peer_waits) };
        match self.end.publish(1) {
            true => Ok(()),
            false => Err(ClaimError::Abandoned),
        }
    }

    /// After a publish of these units: wakes the peer if its word requires it. `false` in a forked
    /// child, whose endpoint is then closed, and has its position before them.
    pub fn moved(&mut self, units: u64) -> bool {
        self.end.moved(units)
    }
}

/// The reading endpoint.
pub struct RawConsumer {
    end: Endpoint<ReadCursor>,
    description: Description,
}

impl End for RawConsumer {
    type Cursor = ReadCursor;

    fn endpoint(&self) -> &Endpoint<ReadCursor> {
        &self.end
    }

    fn endpoint_mut(&mut self) -> &mut Endpoint<ReadCursor> {
        &mut self.end
    }
}

/// The result of a poll.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Units that can be read.
    pub unread: u64,
    /// Whether the message at the head is in the inline copy.
    pub is_inline: bool,
}

impl RawConsumer {
    shared_methods!("producer", "slots or bytes");
    raw_methods!(consumer);

    /// Takes over the position that the fast path has released.
    pub fn follow(&mut self, head: u64) {
        let released = head.wrapping_sub(self.end.cursor.position());
        if released != 0 {
            // The shared word already has this value.
            self.end.cursor.release(released, &AtomicU64::new(0));
        }
    }

    /// The units that an earlier poll has found.
    pub fn seen(&self) -> u64 {
        self.end.cursor.seen()
    }

    /// Polls the tail for this many units. The inline copy is for a caller that takes one
    /// message.
    pub fn poll(
        &mut self,
        wanted: u64,
        copy: Option<&mut [u64; RIDE_WORDS]>,
    ) -> Result<Found, PopError> {
        if wanted > self.capacity() {
            let max = self.capacity() as usize;
            return Err(PopError::TooMany { max });
        }
        let unread = self.end.poll(wanted)?;
        let is_inline = match copy {
            // Of nothing there is no copy: the words are those of the message before.
            Some(words) if (1..=self.longest_inline()).contains(&unread) => {
                self.take_inline(unread, words)
            }
            _ => false,
        };
        if !is_inline && self.is_crowded(unread) {
            self.end.crowded(unread);
        } else {
            self.end.lone(unread);
        }
        Ok(Found { unread, is_inline })
    }

    /// [`poll`](Self::poll) that waits.
    pub fn wait(
        &mut self,
        wanted: u64,
        mut copy: Option<&mut [u64; RIDE_WORDS]>,
        deadline: Deadline,
    ) -> Result<Found, PopError> {
        wait_for_message(self, deadline, |end| end.poll(wanted, copy.as_deref_mut()))
    }

    /// Appends a copy of an unread record, `ahead` records after the next.
    ///
    /// # Panics
    ///
    /// If the last poll has not found it.
    pub fn copy(&self, ahead: usize, bytes: &mut Vec<u8>) {
        assert!(
            (ahead as u64) < self.end.cursor.seen(),
            "a record that was seen"
        );
        let (old, size) = (bytes.len(), self.description.slot_size as usize);
        let slot = self.end.at(self.end.cursor.index(ahead) * size);
        bytes.resize(old + size, 0);
        // SAFETY: a slot of this ring has `size` bytes, and all of them are mapped; the
        // same number was just added to `bytes`.
        unsafe { payload::copy_long(bytes.as_mut_ptr().wrapping_add(old), slot, size) };
    }

    /// Releases this many records.
    ///
    /// # Panics
    ///
    /// If the last poll has not found them.
    pub fn release(&mut self, count: u64) {
        assert!(count <= self.end.cursor.seen(), "records that were seen");
        self.end.release(count);
    }

    /// After a release: wakes the peer if its word requires it.
    pub fn moved(&mut self) {
        self.end.moved();
    }

    /// The fast path has found an impossible value.
    pub fn poison(&mut self, field: &'static str, found: u64) {
        self.end.cursor.poison(field, found);
    }

    /// Whether more than one message is unread.
    fn is_crowded(&self, unread: u64) -> bool {
        if self.description.shape == SHAPE_SLOTS {
            return unread > 1;
        }
        let offset = self.end.cursor.index(0) & !7;
        // SAFETY: an index is within the data, which are mapped; it is aligned to a word,
        // and so is the data's length.
        let (len, _) = frame_parts(unsafe { payload::load_word(self.end.at(offset)) });
        len != PADDING && frame_size(u64::from(len)) < unread
    }

    fn longest_inline(&self) -> u64 {
        match self.description.shape {
            SHAPE_FRAMES => INLINE.0,
            _ => u64::from(is_inline(self.description)),
        }
    }

    fn take_inline(&self, unread: u64, words: &mut [u64; RIDE_WORDS]) -> bool {
        if self.description.shape == SHAPE_SLOTS {
            let used = self.description.slot_size.div_ceil(8) as usize;
            return self.end.take_inline(&mut words[..used]);
        }
        if !self.end.take_inline(words) {
            return false;
        }
        // Otherwise there is padding before the frame, or more than one frame.
        let (len, _) = frame_parts(words[0]);
        len != PADDING && frame_size(u64::from(len)) == unread
    }
}

impl fmt::Debug for RawProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawProducer").finish_non_exhaustive()
    }
}

impl fmt::Debug for RawConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawConsumer").finish_non_exhaustive()
    }
}

/// A method for each endpoint: the bounds of the function are private.
macro_rules! arm {
    ($($end:ty)*) => {$(
        impl Reachable<$end> {
            /// Makes the descriptor readable as soon as the endpoint has `wanted` units of work, or its
            /// peer has closed or crashed, until the next [`get`](Self::get).
            pub fn arm(&mut self, wanted: u64) -> Result<RawFd, AsyncError> {
                reachable::arm(self, wanted)
            }
        }
    )*};
}
arm!(RawProducer RawConsumer);
