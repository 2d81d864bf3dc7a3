//! Reading frames.

use core::ops::Deref;
use core::slice;
use std::time::Duration;

use super::LONGEST_SHORT;
use crate::consumer::Consumer;
use crate::cursor::RIDE_WORDS;
use crate::error::PopError;
use crate::ladder::Timeout;
use crate::layout::{FRAME_HEADER, PADDING, frame_parts, frame_size};
use crate::sync::{AtomicU64, LINE, PLAIN, fetch};

/// A frame that was found and checked: from here on, nothing of it is read
/// from the segment but the payload.
#[derive(Debug, Clone, Copy)]
struct Found {
    kind: u32,
    len: usize,
    /// Offset of the payload in the data; `None` if the frame is carried.
    offset: Option<usize>,
    /// Bytes to release: padding, header, payload, zeros.
    units: u64,
}

/// Bytes that are fetched together with the header at most.
const FETCHED: usize = 1024 + LINE;

/// Frames. See [`Consumer<T>`](#impl-Consumer<T>-2) for records.
impl Consumer<[u8]> {
    /// Copies the next frame into `buffer` if there is one now; returns its
    /// length in bytes. To see its kind, peek.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if there is none, [`PopError::Abandoned`] if there is
    /// none and the producer closed its end, [`PopError::TooShort`] if the frame
    /// is longer than the buffer, and then it stays; [`PopError::Corrupt`] if
    /// the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake
    /// of a producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// let mut buffer = [0; 24]; // the longest frame of this ring
    /// let len = consumer.try_pop(&mut buffer)?;
    /// assert_eq!(&buffer[..len], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_pop(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        let found = self.find()?;
        if found.len > buffer.len() {
            return Err(PopError::TooShort { needed: found.len });
        }
        copy(self.payload(&found), &mut buffer[..found.len]);
        self.release(found.units);
        Ok(found.len)
    }

    /// Copies the next frame into `buffer`, and waits if there is none; returns
    /// its length in bytes.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](#method.try_pop-1), but never [`PopError::Empty`];
    /// [`PopError::Superseded`] in place of `Abandoned` if no producer will
    /// come. A producer that dies is noticed within a tenth of a second.
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](#method.try_pop-1) if there is a frame; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (mut producer, mut consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// thread::spawn(move || producer.push(b"hello")); // and leaves
    /// assert_eq!(consumer.pop(&mut [0; 24]), Ok(5)); // waits for it
    /// assert_eq!(consumer.pop(&mut [0; 24]), Err(PopError::Abandoned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop(&mut self, buffer: &mut [u8]) -> Result<usize, PopError> {
        self.pop_until(buffer, None)
    }

    /// Copies the next frame into `buffer`, and waits for one at most so long;
    /// returns its length in bytes.
    ///
    /// # Errors
    ///
    /// As [`pop`](#method.pop-1), and [`PopError::Empty`] if none came in time.
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](#method.try_pop-1) if there is a frame; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (_producer, mut consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// let popped = consumer.pop_timeout(&mut [0; 24], Duration::from_millis(1));
    /// assert_eq!(popped, Err(PopError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> Result<usize, PopError> {
        self.pop_until(buffer, Some(timeout))
    }

    #[inline]
    fn pop_until(&mut self, buffer: &mut [u8], timeout: Timeout) -> Result<usize, PopError> {
        match self.try_pop(buffer) {
            Err(PopError::Empty | PopError::Abandoned) => {
                self.wait(timeout, |consumer| consumer.try_pop(buffer))
            }
            other => other,
        }
    }

    /// Borrows the next frame where it lies, if there is one now.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](#method.try_pop-1), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// let frame = consumer.try_peek()?;
    /// assert_eq!(&*frame, b"hello");
    /// frame.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_peek(&mut self) -> Result<Frame<'_>, PopError> {
        let found = self.find()?;
        Ok(Frame {
            consumer: self,
            found,
        })
    }

    /// Borrows the next frame, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`pop`](#method.pop-1), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](#method.try_peek-1) if there is a frame; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// let frame = consumer.peek()?; // waits while there is none
    /// assert_eq!(&*frame, b"hello");
    /// frame.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        let found = self.wait(None, Self::find)?;
        Ok(Frame {
            consumer: self,
            found,
        })
    }

    /// Borrows the next frame, and waits for one at most so long.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](#method.pop_timeout-1), but never
    /// [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](#method.try_peek-1) if there is a frame; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (_producer, mut consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// let frame = consumer.peek_timeout(Duration::from_millis(1));
    /// assert_eq!(frame.err(), Some(PopError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Frame<'_>, PopError> {
        let found = self.wait(Some(timeout), Self::find)?;
        Ok(Frame {
            consumer: self,
            found,
        })
    }

    /// Borrows the frames that are there now, one after the other; releasing
    /// them gives back those that were visited, with one release.
    ///
    /// # Errors
    ///
    /// As [`try_peek`](#method.try_peek-1).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// producer.try_push_slice(&["one", "two", "three"])?;
    /// let mut frames = consumer.try_peek_many()?;
    /// assert_eq!(frames.next_frame()?, Some((0, &b"one"[..])));
    /// assert_eq!(frames.next_frame()?, Some((0, &b"two"[..])));
    /// frames.release(); // "three" stays
    /// assert_eq!(&*consumer.try_peek()?, b"three");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_peek_many(&mut self) -> Result<Frames<'_>, PopError> {
        Ok(Frames {
            end: self.look()?,
            consumer: self,
            visited: 0,
            count: 0,
            error: None,
        })
    }

    /// Hands every frame that is there now to `visit`, as kind and payload, with
    /// one release at the end; returns how many. If `visit` panics they all stay.
    ///
    /// # Errors
    ///
    /// As [`try_peek`](#method.try_peek-1). If a frame is corrupt, those before it
    /// were visited and are released.
    ///
    /// # Real-time
    ///
    /// Wait-free but for `visit`, no allocation, no syscall but the wake of a
    /// producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(&["one", "two", "three"])?;
    /// let mut bytes = Vec::new();
    /// let count = consumer.try_pop_each(|_kind, payload| bytes.extend_from_slice(payload))?;
    /// assert_eq!((count, &bytes[..]), (3, &b"onetwothree"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_pop_each(&mut self, mut visit: impl FnMut(u32, &[u8])) -> Result<usize, PopError> {
        let mut count = 0;
        let mut frames = self.try_peek_many()?;
        let end = loop {
            match frames.next_frame() {
                Ok(Some((kind, payload))) => {
                    visit(kind, payload);
                    count += 1;
                }
                Ok(None) => break Ok(count),
                Err(error) => break Err(error),
            }
        };
        frames.release();
        end
    }

    /// Finds the next frame, in its place or riding.
    #[inline(always)]
    fn find(&mut self) -> Result<Found, PopError> {
        if self.cursor.seen() == 0 {
            let unread = self.look()?;
            if unread <= (RIDE_WORDS * 8) as u64 && self.catch_ride(unread) {
                return Ok(self.carried());
            }
            self.fetch_unread(unread);
            let found = self.parse(0, unread)?;
            if found.units < unread {
                self.crowded(unread);
            }
            return Ok(found);
        }
        if self.carried.position == Some(self.position()) {
            return Ok(self.carried());
        }
        self.parse(0, self.cursor.seen())
    }

    /// Asks for the first lines at once: where a copy ends is known only when the
    /// header has come, and that would be one miss after the other.
    #[inline(always)]
    fn fetch_unread(&self, unread: u64) {
        let last = unread as usize - 1; // the lines behind it are the producer's
        for ahead in (LINE..FETCHED.min(last + LINE)).step_by(LINE) {
            // SAFETY: an index lies within the data.
            fetch(unsafe { self.at(self.cursor.index(ahead.min(last))) });
        }
    }

    /// Carries the ride off if it is the one frame that is unread.
    #[inline(always)]
    fn catch_ride(&mut self, unread: u64) -> bool {
        let mut words = [0; RIDE_WORDS];
        if !self.ride(&mut words) {
            return false;
        }
        let (len, _) = frame_parts(words[0]);
        // Otherwise there is padding before it, or more than one frame, or the
        // length is nonsense: what lies in the ring tells.
        if len == PADDING || frame_size(u64::from(len)) != unread {
            return false;
        }
        self.carried.words = words;
        self.carried.position = Some(self.position());
        true
    }

    /// The frame that is carried; its length was checked when it was caught.
    #[inline(always)]
    fn carried(&self) -> Found {
        let (len, kind) = frame_parts(self.carried.words[0]);
        Found {
            kind,
            len: len as usize,
            offset: None,
            units: frame_size(u64::from(len)),
        }
    }

    /// Reads and checks the frame after `visited` bytes, within `unread` bytes
    /// that are published. Each header is read once.
    #[inline(always)]
    fn parse(&mut self, visited: u64, unread: u64) -> Result<Found, PopError> {
        let offset = self.cursor.index(visited as usize);
        let rest = self.capacity() - offset as u64;
        let left = unread - visited;
        let header = self.read_word(offset, left)?;
        let (len, kind) = frame_parts(header);
        if len != PADDING {
            let size = frame_size(u64::from(len));
            if size > left.min(rest) {
                return Err(self.corrupt("frame length", header));
            }
            return Ok(Found {
                kind,
                len: len as usize,
                offset: Some(offset + FRAME_HEADER as usize),
                units: size,
            });
        }
        // Padding fills the lap and is published together with its frame.
        if left <= rest {
            return Err(self.corrupt("padding", header));
        }
        let left = left - rest;
        let header = self.read_word(0, left)?;
        let (len, kind) = frame_parts(header);
        let size = frame_size(u64::from(len));
        if len == PADDING || size > left {
            return Err(self.corrupt("frame length", header));
        }
        Ok(Found {
            kind,
            len: len as usize,
            offset: Some(FRAME_HEADER as usize),
            units: rest + size,
        })
    }

    /// The header at `offset`, if `left` bytes can hold one.
    #[inline(always)]
    fn read_word(&mut self, offset: usize, left: u64) -> Result<u64, PopError> {
        if left < FRAME_HEADER || offset & 7 != 0 {
            return Err(self.corrupt("tail", left));
        }
        // SAFETY: an index lies within the data, which are whole words.
        let word: *const AtomicU64 = unsafe { self.at(offset) }.cast();
        // SAFETY: it is aligned to a word, and any bytes are one.
        let word = unsafe { &*word };
        // publish -> ready ordered it; atomic so that it is read just once.
        Ok(word.load(PLAIN))
    }

    #[inline(always)]
    fn payload(&self, found: &Found) -> &[u8] {
        let start = match found.offset {
            // SAFETY: a frame that was found lies within the data.
            Some(offset) => unsafe { self.at(offset) },
            None => self.carried.words[1..].as_ptr().cast(),
        };
        // SAFETY: the frame is published and not released, so a well-behaved
        // producer does not write to it; a carried one is private, and its
        // length was checked against the words.
        unsafe { slice::from_raw_parts(start, found.len) }
    }

    #[cold]
    fn corrupt(&mut self, field: &'static str, found: u64) -> PopError {
        PopError::Corrupt(self.cursor.poison(field, found))
    }
}

/// Copies a payload into a buffer as long; a short one by the word, because a
/// call that learns the length first takes longer than the copy.
#[inline(always)]
fn copy(payload: &[u8], buffer: &mut [u8]) {
    if payload.len() > LONGEST_SHORT {
        return buffer.copy_from_slice(payload);
    }
    let words = payload.chunks_exact(8);
    let bytes = words.remainder();
    let mut places = buffer.chunks_exact_mut(8);
    for (place, word) in places.by_ref().zip(words) {
        place.copy_from_slice(word);
    }
    for (place, &byte) in places.into_remainder().iter_mut().zip(bytes) {
        *place = byte;
    }
}

/// The next frame of a ring, where it lies: what
/// [`Consumer::peek`](Consumer#method.peek-1) and its like give.
///
/// [`release`](Self::release) gives its room back; dropping it does not, and
/// the next peek is the same frame. The bytes are the producer's memory: one
/// that breaks the rules can change them under the borrow. A copying read
/// (`try_pop`) is immune to that.
#[derive(Debug)]
#[must_use = "a dropped frame stays in the ring; release it"]
pub struct Frame<'a> {
    consumer: &'a mut Consumer<[u8]>,
    found: Found,
}

impl<'a> Frame<'a> {
    /// The payload for as long as the consumer is borrowed; the frame stays.
    pub(crate) fn into_bytes(self) -> &'a [u8] {
        self.consumer.payload(&self.found)
    }

    /// The kind that the producer gave the frame; 0 if none.
    pub fn kind(&self) -> u32 {
        self.found.kind
    }

    /// Gives the frame's room back to the producer.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    #[inline]
    pub fn release(self) {
        self.consumer.release(self.found.units);
    }
}

impl Deref for Frame<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        self.consumer.payload(&self.found)
    }
}

/// The frames that were in the ring, where they lie: what
/// [`Consumer::try_peek_many`](Consumer#method.try_peek_many-1) gives.
///
/// [`release`](Self::release) gives back those that were visited; dropping it
/// gives back none.
#[derive(Debug)]
#[must_use = "dropped frames stay in the ring; release them"]
pub struct Frames<'a> {
    consumer: &'a mut Consumer<[u8]>,
    /// Bytes that were published when the frames were borrowed.
    end: u64,
    /// Bytes of the frames visited so far.
    visited: u64,
    /// How many those were.
    count: u64,
    /// What poisoned the consumer after them.
    error: Option<PopError>,
}

impl Frames<'_> {
    /// The next frame, as kind and payload; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`PopError::Corrupt`], and the consumer is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn next_frame(&mut self) -> Result<Option<(u32, &[u8])>, PopError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.visited == self.end {
            return Ok(None);
        }
        let found = match self.consumer.parse(self.visited, self.end) {
            Ok(found) => found,
            Err(error) => return Err(*self.error.insert(error)),
        };
        self.visited += found.units;
        self.count += 1;
        Ok(Some((found.kind, self.consumer.payload(&found))))
    }

    /// Gives back the room of every frame that was visited.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that
    /// sleeps.
    pub fn release(self) {
        if self.visited > 0 {
            self.consumer.release(self.visited);
        }
        if self.count > 1 {
            self.consumer.crowded(self.end);
        }
        if let Some(PopError::Corrupt(corrupt)) = self.error {
            // The head has moved, and still there is nothing to read.
            self.consumer.cursor.poison(corrupt.field, corrupt.found);
        }
    }
}
