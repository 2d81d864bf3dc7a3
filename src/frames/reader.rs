//! Reading frames: how they are found and checked, and the views that show them.

use core::fmt;
use core::slice;

use crate::cursor::{RIDE_WORDS, ReadCursor};
use crate::endpoint::Endpoint;
use crate::endpoint::inline_copy::InlineCopy;
use crate::error::{Corrupt, PopError};
use crate::layout::{FRAME_HEADER, PADDING, frame_parts, frame_size};
use crate::payload;
use crate::sync::LINE;

/// Reads the frames of a ring.
pub(crate) struct FrameReader {
    pub(crate) end: Endpoint<ReadCursor>,
    /// The inline copy of the next frame.
    inline: InlineCopy,
}

/// A frame that was found and checked: from here on, nothing of it is read from the
/// segment but the payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) kind: u32,
    pub(crate) len: usize,
    /// Offset of the payload in the data, unless the frame was copied inline.
    offset: usize,
    /// Whether the payload is in the inline copy.
    is_inline: bool,
    /// Bytes to release: padding, header, payload, zeros.
    pub(crate) units: u64,
}

/// Payloads up to this size are copied out of the ring by the word.
const BY_WORDS: usize = 16;
/// Bytes that are prefetched together with the header at most.
const PREFETCHED: usize = 1024 + LINE;

impl FrameReader {
    pub(crate) fn new(end: Endpoint<ReadCursor>) -> Self {
        Self {
            end,
            inline: InlineCopy::default(),
        }
    }

    /// Finds the next frame, in its place or inline.
    #[inline(always)]
    pub(crate) fn find(&mut self) -> Result<Found, PopError> {
        if self.end.cursor.seen() == 0 {
            let unread = self.end.poll(1)?;
            if unread <= (RIDE_WORDS * 8) as u64 && self.take_inline(unread) {
                self.end.lone(unread);
                return Ok(self.found_inline());
            }
            self.prefetch_unread(unread);
            let found = self.parse(0, unread);
            let found = found.map_err(|corrupt| self.poison(corrupt))?;
            if found.units < unread {
                self.end.crowded(unread);
            } else {
                self.end.lone(unread);
            }
            return Ok(found);
        }
        if self.inline.position == Some(self.end.cursor.position()) {
            return Ok(self.found_inline());
        }
        let found = self.parse(0, self.end.cursor.seen());
        found.map_err(|corrupt| self.poison(corrupt))
    }

    /// Asks for the first lines at once: otherwise the header and the payload would be two cache
    /// misses, one after the other.
    #[inline(always)]
    fn prefetch_unread(&self, unread: u64) {
        let last = unread as usize - 1; // the lines after it are the producer's
        for ahead in (LINE..PREFETCHED.min(last + LINE)).step_by(LINE) {
            let index = self.end.cursor.index(ahead.min(last));
            payload::prefetch(self.end.at(index));
        }
    }

    /// Takes the inline copy if it is the one frame that is unread.
    #[inline(always)]
    fn take_inline(&mut self, unread: u64) -> bool {
        let mut words = [0; RIDE_WORDS];
        if !self.end.take_inline(&mut words) {
            return false;
        }
        let (len, _) = frame_parts(words[0]);
        // Otherwise there is padding before it, or more than one frame, or an invalid
        // length: fall back to the ring.
        if len == PADDING || frame_size(u64::from(len)) != unread {
            return false;
        }
        self.inline.words = words;
        self.inline.position = Some(self.end.cursor.position());
        true
    }

    /// The frame in the inline copy; its length was checked when it was taken.
    #[inline(always)]
    fn found_inline(&self) -> Found {
        let (len, kind) = frame_parts(self.inline.words[0]);
        Found {
            kind,
            len: len as usize,
            offset: 0,
            is_inline: true,
            units: frame_size(u64::from(len)),
        }
    }

    /// Reads and checks the frame after `visited` bytes, within `unread` bytes that are
    /// published. Each header is read once.
    #[inline(always)]
    pub(crate) fn parse(&self, visited: u64, unread: u64) -> Result<Found, Corrupt> {
        let offset = self.end.cursor.index(visited as usize);
        let rest = self.end.cursor.capacity() - offset as u64;
        let left = unread - visited;
        let header = self.header_word(offset, left)?;
        let (len, kind) = frame_parts(header);
        if len != PADDING {
            let size = frame_size(u64::from(len));
            if size > left.min(rest) {
                return Err(corrupt("frame length", len.into()));
            }
            return Ok(Found {
                kind,
                len: len as usize,
                offset: offset + FRAME_HEADER as usize,
                is_inline: false,
                units: size,
            });
        }
        // Padding fills the ring and is published together with its frame.
        if left <= rest {
            return Err(corrupt("padding", len.into()));
        }
        let left = left - rest;
        let header = self.header_word(0, left)?;
        let (len, kind) = frame_parts(header);
        if len == PADDING {
            return Err(corrupt("padding", len.into()));
        }
        let size = frame_size(u64::from(len));
        if size > left {
            return Err(corrupt("frame length", len.into()));
        }
        Ok(Found {
            kind,
            len: len as usize,
            offset: FRAME_HEADER as usize,
            is_inline: false,
            units: rest + size,
        })
    }

    /// The header at `offset`, if `left` bytes can hold one.
    #[inline(always)]
    fn header_word(&self, offset: usize, left: u64) -> Result<u64, Corrupt> {
        if left < FRAME_HEADER || offset & 7 != 0 {
            let cursor = &self.end.cursor;
            let tail = cursor.position().wrapping_add(cursor.seen());
            return Err(corrupt("tail", tail));
        }
        // SAFETY: an index lies within the data, which are mapped; it is aligned to a
        // word, and so is the data's length.
        Ok(unsafe { payload::load_word(self.end.at(offset)) })
    }

    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> PopError {
        self.end.cursor.poison(corrupt.field, corrupt.found);
        PopError::Corrupt
    }

    /// Copies the payload into a buffer of the same length.
    #[inline(always)]
    pub(crate) fn copy(&self, found: &Found, buffer: &mut [u8]) {
        debug_assert_eq!(buffer.len(), found.len);
        if found.is_inline {
            // A fixed number of turns, which the compiler writes out.
            for (index, &word) in self.inline.words[1..].iter().enumerate() {
                let Some(part) = buffer.get_mut(index * 8..index * 8 + 8) else {
                    return put_word(&mut buffer[index * 8..], word);
                };
                part.copy_from_slice(&word.to_le_bytes());
            }
        } else if found.len > BY_WORDS {
            let source = self.end.at(found.offset);
            // SAFETY: a frame that was found lies within the data, which are mapped.
            unsafe { payload::copy_long(buffer.as_mut_ptr(), source, found.len) };
        } else {
            for (ahead, part) in buffer.chunks_mut(8).enumerate() {
                let address = self.end.at(found.offset + ahead * 8);
                // SAFETY: as above, and a frame ends at a multiple of a word.
                put_word(part, unsafe { payload::load_word(address) });
            }
        }
    }

    /// Appends the payload.
    pub(crate) fn append(&self, found: &Found, bytes: &mut Vec<u8>) {
        let old = bytes.len();
        bytes.reserve(found.len);
        let source = self.address(found);
        // SAFETY: the frame lies within the data or the inline copy, and as many bytes
        // are reserved.
        unsafe { payload::copy_long(bytes.as_mut_ptr().wrapping_add(old), source, found.len) };
        // SAFETY: as many bytes were reserved and written.
        unsafe { bytes.set_len(old + found.len) };
    }

    /// Where the payload is.
    #[inline(always)]
    fn address(&self, found: &Found) -> *const u8 {
        if found.is_inline {
            self.inline.words[1..].as_ptr().cast()
        } else {
            self.end.at(found.offset)
        }
    }
}

/// What was found, out of the way of those that find nothing wrong.
#[cold]
#[inline(never)]
fn corrupt(field: &'static str, found: u64) -> Corrupt {
    Corrupt { field, found }
}

/// Writes the first bytes of a word, as many as `part` has.
#[inline(always)]
fn put_word(part: &mut [u8], mut word: u64) {
    if let Some(whole) = part.first_chunk_mut() {
        *whole = word.to_le_bytes();
        return;
    }
    // No loop over the bytes, which would become a call of `memcpy`.
    let mut fours = part.chunks_exact_mut(4);
    if let Some(four) = fours.next() {
        four.copy_from_slice(&(word as u32).to_le_bytes());
        word >>= 32;
    }
    let mut twos = fours.into_remainder().chunks_exact_mut(2);
    if let Some(two) = twos.next() {
        two.copy_from_slice(&(word as u16).to_le_bytes());
        word >>= 16;
    }
    if let [last] = twos.into_remainder() {
        *last = word as u8;
    }
}

/// A frame in the ring: what [`FrameConsumer::drain_with`](crate::FrameConsumer::drain_with) shows and [`Frames`] visits.
///
/// Its payload is the producer's memory, too. So it is copied, and does not dereference.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    frames: &'a FrameReader,
    found: Found,
}

impl<'a> FrameView<'a> {
    pub(crate) fn new(frames: &'a FrameReader, found: Found) -> Self {
        Self { frames, found }
    }

    /// Bytes that the frame takes in the ring.
    pub(crate) fn units(&self) -> u64 {
        self.found.units
    }

    /// The kind that the sender chose; 0 if it chose none.
    #[inline]
    pub fn kind(&self) -> u32 {
        self.found.kind
    }

    /// Bytes of the payload.
    #[inline]
    pub fn len(&self) -> usize {
        self.found.len
    }

    /// Whether the payload has no bytes.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.found.len == 0
    }

    /// Copies the whole payload to the beginning of `buffer`; returns how many bytes.
    ///
    /// # Panics
    ///
    /// If `buffer` is shorter than the payload.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    #[inline]
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let len = self.found.len;
        self.frames.copy(&self.found, &mut buffer[..len]);
        len
    }

    /// Fills `buffer` with the bytes of the payload from `offset` on.
    ///
    /// # Panics
    ///
    /// If the payload ends before `buffer` does.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) {
        let (wanted, len) = (buffer.len(), self.found.len);
        let fits = len.checked_sub(offset).is_some_and(|rest| wanted <= rest);
        assert!(fits, "{wanted} bytes read at {offset}, of {len}");
        let source = self.as_ptr().wrapping_add(offset);
        // SAFETY: these bytes lie within the payload, which is mapped.
        unsafe { payload::copy_long(buffer.as_mut_ptr(), source, wanted) };
    }

    /// Appends the payload to `bytes`.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall; allocates if `bytes` is too small.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        self.frames.append(&self.found, bytes);
    }

    /// A copy of the payload.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall; allocates.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        bytes
    }

    /// Where the payload is, for code that reads through a pointer.
    /// [`len`](Self::len) bytes are mapped there while the frame is borrowed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.frames.address(&self.found)
    }

    /// The payload in place, without a copy.
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the reference exists; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub unsafe fn as_bytes(&self) -> &'a [u8] {
        // SAFETY: as `as_ptr` says; the caller promises the rest.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.found.len) }
    }
}

/// The next frame of a ring, in place: what [`FrameConsumer::peek`](crate::FrameConsumer::peek) and its like return.
///
/// [`release`](Self::release) gives its room back; dropping it does not, and the next
/// peek is the same frame.
///
/// Its payload is the producer's memory, too. So it is copied, and does not dereference:
///
/// ```compile_fail,E0614
/// let (_producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
/// let frame = consumer.try_peek()?;
/// let bytes: &[u8] = &*frame; // use `to_vec`, or the unsafe `as_bytes`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a dropped frame stays in the ring; release it"]
pub struct Frame<'a> {
    frames: &'a mut FrameReader,
    found: Found,
}

impl<'a> Frame<'a> {
    #[inline(always)]
    pub(crate) fn new(frames: &'a mut FrameReader, found: Found) -> Self {
        Self { frames, found }
    }

    /// The frame without the right to release it.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn view(&self) -> FrameView<'_> {
        FrameView::new(self.frames, self.found)
    }

    /// As [`FrameView::kind`].
    #[inline]
    pub fn kind(&self) -> u32 {
        self.found.kind
    }

    /// As [`FrameView::len`].
    #[inline]
    pub fn len(&self) -> usize {
        self.found.len
    }

    /// As [`FrameView::is_empty`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.found.len == 0
    }

    /// As [`FrameView::copy_to`].
    ///
    /// # Panics
    ///
    /// If `buffer` is shorter than the payload.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    #[inline]
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        self.view().copy_to(buffer)
    }

    /// As [`FrameView::read_at`].
    ///
    /// # Panics
    ///
    /// If the payload ends before `buffer` does.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall, no allocation.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) {
        self.view().read_at(offset, buffer);
    }

    /// As [`FrameView::append_to`].
    ///
    /// # Real-time
    ///
    /// As [`FrameView::append_to`].
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        self.view().append_to(bytes);
    }

    /// As [`FrameView::to_vec`].
    ///
    /// # Real-time
    ///
    /// As [`FrameView::to_vec`].
    pub fn to_vec(&self) -> Vec<u8> {
        self.view().to_vec()
    }

    /// As [`FrameView::as_ptr`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.view().as_ptr()
    }

    /// As [`FrameView::as_bytes`].
    ///
    /// # Safety
    ///
    /// No process writes these bytes while the reference exists; a peer that keeps the protocol
    /// does not.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    #[inline]
    pub unsafe fn as_bytes(&self) -> &[u8] {
        // SAFETY: the caller's promise.
        unsafe { self.view().as_bytes() }
    }

    /// Gives the frame's room back to the producer.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    #[inline]
    pub fn release(self) {
        self.frames.end.release(self.found.units);
    }
}

/// The frames that were in the ring, in place: what [`FrameConsumer::peek_many`](crate::FrameConsumer::peek_many) and its
/// like return.
///
/// [`release`](Self::release) releases those that were visited,
/// [`release_first`](Self::release_first) the first of those; dropping it releases none.
#[derive(Debug)]
#[must_use = "dropped frames stay in the ring; release them"]
pub struct Frames<'a> {
    frames: &'a mut FrameReader,
    /// Bytes that were published when the frames were found.
    end: u64,
    /// Bytes of the frames visited so far.
    visited: u64,
    /// How many those were.
    count: usize,
}

impl<'a> Frames<'a> {
    /// Every frame that is there now.
    pub(crate) fn new(frames: &'a mut FrameReader) -> Result<Self, PopError> {
        Ok(Self {
            end: frames.end.poll(1)?,
            frames,
            visited: 0,
            count: 0,
        })
    }

    /// The next frame; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`PopError::Corrupt`]: then the consumer is poisoned, and a release does nothing.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn next_frame(&mut self) -> Result<Option<FrameView<'_>>, PopError> {
        if self.is_poisoned() {
            return Err(PopError::Corrupt);
        }
        if self.visited == self.end {
            return Ok(None);
        }
        let found = self.frames.parse(self.visited, self.end);
        let found = found.map_err(|corrupt| self.frames.poison(corrupt))?;
        self.visited += found.units;
        self.count += 1;
        Ok(Some(FrameView::new(self.frames, found)))
    }

    /// Gives back the room of every frame that was visited.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a producer that sleeps.
    pub fn release(self) {
        let visited = self.visited;
        self.release_bytes(visited);
    }

    /// Bytes of the frames visited so far, with headers and padding: the position after the
    /// last one is the consumer's plus this.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn visited(&self) -> u64 {
        self.visited
    }

    /// Gives back the room of the first `count` frames that were visited. If their
    /// headers have changed since, the consumer is poisoned, and nothing is given back.
    ///
    /// # Panics
    ///
    /// If fewer than `count` were visited.
    ///
    /// # Real-time
    ///
    /// As [`release`](Self::release); linear in `count`.
    pub fn release_first(self, count: usize) {
        let visited = self.count;
        assert!(
            count <= visited,
            "{count} frames released, {visited} visited"
        );
        let mut bytes = 0;
        for _ in 0..count {
            match self.frames.parse(bytes, self.visited) {
                Ok(found) => bytes += found.units,
                Err(corrupt) => {
                    self.frames.poison(corrupt);
                    return;
                }
            }
        }
        self.release_bytes(bytes);
    }

    fn release_bytes(self, bytes: u64) {
        if bytes == 0 || self.is_poisoned() {
            return;
        }
        self.frames.end.release(bytes);
        if self.count > 1 {
            self.frames.end.crowded(self.end);
        } else {
            self.frames.end.lone(self.end);
        }
    }

    /// How many frames were visited.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    fn is_poisoned(&self) -> bool {
        self.frames.end.cursor.corruption().is_some()
    }
}

impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").finish_non_exhaustive()
    }
}
