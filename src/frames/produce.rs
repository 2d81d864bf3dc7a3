//! Writing frames.

use core::ops::{Deref, DerefMut};
use core::slice;
use std::time::Duration;

use super::LONGEST_SHORT;
use crate::cursor::RIDE_WORDS;
use crate::error::ClaimError;
use crate::ladder::Timeout;
use crate::layout::{FRAME_HEADER, PADDING, frame_header, frame_size, longest_frame};
use crate::producer::Producer;
use crate::sync::{AtomicU64, PLAIN};

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Bytes of padding before the frame: none, or the rest of the lap.
    padding: u64,
    /// Offset of the frame's header in the data.
    offset: usize,
    /// Bytes of payload.
    len: usize,
    /// Bytes that padding and frame take.
    units: u64,
}

/// Frames. See [`Producer<T>`](#impl-Producer<T>-2) for records.
impl Producer<[u8]> {
    /// Bytes of the longest payload: half the ring's capacity less 8, and never
    /// more than 2 GiB.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn longest(&self) -> usize {
        longest_frame(self.capacity()) as usize
    }

    /// Pushes a frame of kind 0 if there is room now. An empty frame is a frame
    /// like any other.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](#method.try_claim-1).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake
    /// of a consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// assert_eq!(&*consumer.try_peek()?, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        self.try_push_kind(0, payload)
    }

    /// Pushes a frame of the caller's `kind` if there is room now. The ring
    /// carries the kind and does not look at it.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](#method.try_claim-1).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake
    /// of a consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_kind(7, b"hello")?;
    /// assert_eq!(consumer.try_peek()?.kind(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_push_kind(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        let place = self.reserve(0, payload.len())?;
        self.fill_in(place, kind, payload);
        Ok(())
    }

    /// Pushes a frame of kind 0, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](#method.try_claim-1), but never [`ClaimError::Full`];
    /// [`ClaimError::Superseded`] in place of `Abandoned` if no consumer will
    /// come. A consumer that dies is noticed within a tenth of a second.
    ///
    /// # Real-time
    ///
    /// As [`try_push`](#method.try_push-1) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.push(&[1; 24])?;
    /// producer.push(&[2; 24])?; // now it is full
    /// let reader = thread::spawn(move || consumer.pop(&mut [0; 24]));
    /// producer.push(&[3; 24])?; // waits until the first is popped
    /// assert_eq!(reader.join().expect("no panic"), Ok(24));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        self.push_until(payload, None)
    }

    /// Pushes a frame of kind 0, and waits for room at most so long.
    ///
    /// # Errors
    ///
    /// As [`push`](#method.push-1), and [`ClaimError::Full`] if no room came in
    /// time.
    ///
    /// # Real-time
    ///
    /// As [`try_push`](#method.try_push-1) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(&[[1; 24], [2; 24]])?;
    /// let pushed = producer.push_timeout(b"", Duration::from_millis(1));
    /// assert_eq!(pushed, Err(ClaimError::Full)); // an empty frame has a header
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_timeout(&mut self, payload: &[u8], timeout: Duration) -> Result<(), ClaimError> {
        self.push_until(payload, Some(timeout))
    }

    fn push_until(&mut self, payload: &[u8], timeout: Timeout) -> Result<(), ClaimError> {
        let place = self.wait_for(payload.len(), timeout)?;
        self.fill_in(place, 0, payload);
        Ok(())
    }

    /// Pushes as many of `payloads` as there is room for now, each a frame of
    /// kind 0, with one publish; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](#method.try_claim-1), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake
    /// of a consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, _consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// assert_eq!(producer.try_push_slice(&["one", "two", "three"])?, 3);
    /// assert_eq!(producer.fill(), 48); // bytes: three headers, three words
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_slice(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<usize, ClaimError> {
        let mut batch = self.batch();
        for (pushed, payload) in payloads.iter().enumerate() {
            let payload = payload.as_ref();
            match batch.try_claim(payload.len()) {
                Ok(room) => room.copy_from_slice(payload),
                Err(error) if pushed == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(batch.commit())
    }

    /// Waits for room for the first of `payloads`, then pushes as many as there
    /// is room for; returns how many.
    ///
    /// # Errors
    ///
    /// As [`push`](#method.push-1).
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let reader = thread::spawn(move || {
    ///     let mut count = 0;
    ///     while let Ok(frame) = consumer.peek() {
    ///         frame.release();
    ///         count += 1;
    ///     }
    ///     count
    /// });
    /// let mut rest = &["tick"; 100][..];
    /// while !rest.is_empty() {
    ///     let pushed = producer.push_slice(rest)?;
    ///     rest = &rest[pushed..];
    /// }
    /// drop(producer);
    /// assert_eq!(reader.join().expect("no panic"), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_slice(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<usize, ClaimError> {
        self.push_slice_until(payloads, None)
    }

    /// [`push_slice`](#method.push_slice-1) that waits at most so long.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](#method.push_timeout-1).
    ///
    /// # Real-time
    ///
    /// May sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// let frames = [[7; 24]; 3];
    /// assert_eq!(producer.push_slice_timeout(&frames, Duration::ZERO), Ok(2));
    /// let pushed = producer.push_slice_timeout(&frames[2..], Duration::from_millis(1));
    /// assert_eq!(pushed, Err(ClaimError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_slice_timeout(
        &mut self,
        payloads: &[impl AsRef<[u8]>],
        timeout: Duration,
    ) -> Result<usize, ClaimError> {
        self.push_slice_until(payloads, Some(timeout))
    }

    fn push_slice_until(
        &mut self,
        payloads: &[impl AsRef<[u8]>],
        timeout: Timeout,
    ) -> Result<usize, ClaimError> {
        if let Some(first) = payloads.first() {
            self.wait_for(first.as_ref().len(), timeout)?;
        }
        self.try_push_slice(payloads)
    }

    /// Claims room for a frame of at most `len` bytes, to be filled in place,
    /// if there is room now.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Full`] if there is not enough room,
    /// [`ClaimError::Abandoned`] if there is not and the consumer closed its
    /// end, [`ClaimError::TooLong`] if there never can be,
    /// [`ClaimError::Corrupt`] if the endpoint is poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// let mut claim = producer.try_claim(64)?;
    /// claim[..5].copy_from_slice(b"quoit");
    /// claim.set_kind(7);
    /// claim.commit_first(5); // five bytes are enough after all
    /// let frame = consumer.try_peek()?;
    /// assert_eq!((&*frame, frame.kind()), (&b"quoit"[..], 7));
    /// frame.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A claim borrows the producer; one at a time:
    ///
    /// ```compile_fail,E0499
    /// let (mut producer, _consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let claim = producer.try_claim(8)?;
    /// producer.try_push(b"")?;
    /// claim.commit();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_claim(&mut self, len: usize) -> Result<FrameClaim<'_>, ClaimError> {
        let place = self.reserve(0, len)?;
        Ok(FrameClaim::new(self, place))
    }

    /// Claims room for a frame of at most `len` bytes, and waits for it if there
    /// is none.
    ///
    /// # Errors
    ///
    /// As [`push`](#method.push-1).
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](#method.try_claim-1) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// let mut claim = producer.claim(5)?; // waits while there is not enough room
    /// claim.copy_from_slice(b"quoit");
    /// claim.commit();
    /// assert_eq!(&*consumer.try_peek()?, b"quoit");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim(&mut self, len: usize) -> Result<FrameClaim<'_>, ClaimError> {
        let place = self.wait_for(len, None)?;
        Ok(FrameClaim::new(self, place))
    }

    /// Claims room for a frame of at most `len` bytes, and waits for it at most
    /// so long.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](#method.push_timeout-1).
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](#method.try_claim-1) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(&[[1; 24], [2; 24]])?;
    /// let claim = producer.claim_timeout(24, Duration::from_millis(1));
    /// assert_eq!(claim.err(), Some(ClaimError::Full));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claim_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<FrameClaim<'_>, ClaimError> {
        let place = self.wait_for(len, Some(timeout))?;
        Ok(FrameClaim::new(self, place))
    }

    /// Begins a batch: several frames, filled in place, published together.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// let mut batch = producer.batch();
    /// batch.try_claim(3)?.copy_from_slice(b"one");
    /// batch.try_claim_kind(7, 3)?.copy_from_slice(b"two");
    /// assert_eq!(batch.commit(), 2);
    /// let mut word = [0; 3];
    /// assert_eq!(consumer.try_pop(&mut word)?, 3);
    /// assert_eq!(&word, b"one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&mut self) -> FrameBatch<'_> {
        FrameBatch {
            producer: self,
            bytes: 0,
            frames: 0,
        }
    }

    /// The place of a frame that comes after `ahead` bytes which are written
    /// and not yet published, whether or not there is room.
    #[inline(always)]
    fn place(&self, ahead: u64, len: usize) -> Result<Place, ClaimError> {
        let longest = self.longest();
        if len > longest {
            return Err(ClaimError::TooLong {
                wanted: len,
                longest,
            });
        }
        let size = frame_size(len as u64);
        let offset = self.cursor.index(ahead as usize);
        let rest = self.capacity() - offset as u64;
        let (padding, offset) = if size <= rest { (0, offset) } else { (rest, 0) };
        Ok(Place {
            padding,
            offset,
            len,
            units: padding + size,
        })
    }

    /// Bytes of room that a frame of `len` bytes needs here; none for one that
    /// never fits.
    pub(crate) fn units(&self, len: usize) -> u64 {
        self.place(0, len).map_or(0, |place| place.units)
    }

    /// A place with room.
    #[inline(always)]
    fn reserve(&mut self, ahead: u64, len: usize) -> Result<Place, ClaimError> {
        let place = self.place(ahead, len)?;
        self.room(ahead + place.units)?;
        Ok(place)
    }

    fn wait_for(&mut self, len: usize, timeout: Timeout) -> Result<Place, ClaimError> {
        let place = self.place(0, len)?;
        self.wait(place.units, timeout)?;
        Ok(place)
    }

    #[inline(always)]
    fn fill_in(&mut self, place: Place, kind: u32, payload: &[u8]) {
        if payload.len() <= LONGEST_SHORT {
            let words = short_frame(kind, payload);
            self.pad(place);
            let words = &words[..frame_size(payload.len() as u64) as usize / 8];
            for (ahead, &word) in words.iter().enumerate() {
                self.write_word(place.offset + ahead * 8, word);
            }
            if self.role.peer_hint() {
                self.publish_riding(place.units, words);
            } else {
                self.publish(place.units);
            }
        } else {
            self.payload(place).copy_from_slice(payload);
            let units = self.seal(place, kind, payload.len());
            self.publish(units);
        }
    }

    /// The payload of a place.
    #[inline(always)]
    fn payload(&mut self, place: Place) -> &mut [u8] {
        // SAFETY: a place lies within the data.
        let start = unsafe { self.at(place.offset + FRAME_HEADER as usize) };
        // SAFETY: a place is this side's until it is published, and a
        // well-behaved consumer does not write; any bytes will do.
        unsafe { slice::from_raw_parts_mut(start, place.len) }
    }

    /// Writes the headers of a place, and zeros to the end of the last word;
    /// returns the bytes that it takes.
    #[inline(always)]
    fn seal(&mut self, place: Place, kind: u32, len: usize) -> u64 {
        let size = frame_size(len as u64);
        self.pad(place);
        let used = len & 7;
        if used != 0 {
            let last = place.offset + size as usize - 8;
            let word = self.word(last) & !(u64::MAX << (used * 8));
            self.write_word(last, word);
        }
        self.write_word(place.offset, frame_header(len as u32, kind));
        place.padding + size
    }

    /// Ends the lap, if the frame is at the next one's start.
    #[inline(always)]
    fn pad(&mut self, place: Place) {
        if place.padding > 0 {
            let offset = (self.capacity() - place.padding) as usize;
            self.write_word(offset, frame_header(PADDING, 0));
        }
    }

    #[inline(always)]
    fn write_word(&mut self, offset: usize, word: u64) {
        // SAFETY: a place lies within the data.
        let at = unsafe { self.at(offset) };
        // SAFETY: it is aligned to a word, and this side's until published.
        unsafe { at.cast::<u64>().write(word) };
    }

    /// A word of a place.
    #[inline(always)]
    fn word(&self, offset: usize) -> u64 {
        // SAFETY: a place lies within the data.
        let at: *const AtomicU64 = unsafe { self.at(offset) }.cast();
        // SAFETY: it is aligned to a word, and any bytes are one.
        let word = unsafe { &*at };
        // This side's own; atomic so that it is one load. Two words in one load
        // would wait until the stores to both have left the core.
        word.load(PLAIN)
    }

    /// Writes the headers and publishes; on the fly if it may ride.
    #[inline(always)]
    fn finish(&mut self, place: Place, kind: u32, len: usize) {
        let units = self.seal(place, kind, len);
        if self.role.peer_hint() && len <= LONGEST_SHORT {
            let mut ride = [0; RIDE_WORDS];
            let ride = &mut ride[..frame_size(len as u64) as usize / 8];
            for (ahead, word) in ride.iter_mut().enumerate() {
                *word = self.word(place.offset + ahead * 8);
            }
            self.publish_riding(units, ride);
        } else {
            self.publish(units);
        }
    }
}

/// A frame that may ride, put together in registers: reading back what has just
/// been stored would wait for the line to arrive from the other core.
#[inline(always)]
fn short_frame(kind: u32, payload: &[u8]) -> [u64; RIDE_WORDS] {
    let mut words = [0; RIDE_WORDS];
    words[0] = frame_header(payload.len() as u32, kind);
    let whole = payload.chunks_exact(8);
    let rest = whole.remainder();
    if !rest.is_empty() {
        let word = |word, &byte| word << 8 | u64::from(byte);
        words[payload.len() / 8 + 1] = rest.iter().rev().fold(0, word);
    }
    for (word, bytes) in words[1..].iter_mut().zip(whole) {
        *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    words
}

/// Room for a frame, to be filled in place: what
/// [`Producer::claim`](Producer#method.claim-1) and its like give.
///
/// Holds whatever the ring held there until it is written.
/// [`commit`](Self::commit) publishes it, [`commit_first`](Self::commit_first)
/// a shorter frame; dropping it publishes nothing.
#[derive(Debug)]
#[must_use = "a dropped claim publishes nothing; commit it"]
pub struct FrameClaim<'a> {
    producer: &'a mut Producer<[u8]>,
    place: Place,
    kind: u32,
}

impl<'a> FrameClaim<'a> {
    fn new(producer: &'a mut Producer<[u8]>, place: Place) -> Self {
        Self {
            producer,
            place,
            kind: 0,
        }
    }

    /// Sets the caller's kind of the frame, by default 0.
    pub fn set_kind(&mut self, kind: u32) {
        self.kind = kind;
    }

    /// Publishes the frame.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    #[inline]
    pub fn commit(self) {
        self.producer.finish(self.place, self.kind, self.place.len);
    }

    /// Publishes a frame of the first `len` bytes.
    ///
    /// # Panics
    ///
    /// If so many were not claimed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    #[inline]
    pub fn commit_first(self, len: usize) {
        assert!(
            len <= self.place.len,
            "{len} bytes committed, {} claimed",
            self.place.len
        );
        self.producer.finish(self.place, self.kind, len);
    }
}

impl Deref for FrameClaim<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: a place lies within the data.
        let start = unsafe { self.producer.at(self.place.offset + FRAME_HEADER as usize) };
        // SAFETY: as in `payload`; the claim is borrowed for as long.
        unsafe { slice::from_raw_parts(start, self.place.len) }
    }
}

impl DerefMut for FrameClaim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.producer.payload(self.place)
    }
}

/// Several frames, filled in place and published together; begun by
/// [`Producer::batch`].
///
/// [`commit`](Self::commit) publishes them; dropping the batch publishes
/// nothing.
#[derive(Debug)]
#[must_use = "a dropped batch publishes nothing; commit it"]
pub struct FrameBatch<'a> {
    producer: &'a mut Producer<[u8]>,
    bytes: u64,
    frames: usize,
}

impl FrameBatch<'_> {
    /// Adds a frame of kind 0 and `len` bytes, to be filled, if there is room now.
    ///
    /// # Errors
    ///
    /// As [`Producer::try_claim`](Producer#method.try_claim-1); what the batch holds so far stays.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn try_claim(&mut self, len: usize) -> Result<&mut [u8], ClaimError> {
        self.try_claim_kind(0, len)
    }

    /// Adds a frame of the caller's `kind` and `len` bytes, to be filled, if there
    /// is room now.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn try_claim_kind(&mut self, kind: u32, len: usize) -> Result<&mut [u8], ClaimError> {
        let place = self.producer.reserve(self.bytes, len)?;
        self.bytes += self.producer.seal(place, kind, len);
        self.frames += 1;
        Ok(self.producer.payload(place))
    }

    /// How many frames the batch holds.
    pub fn len(&self) -> usize {
        self.frames
    }

    /// Whether the batch holds no frame yet.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Publishes the frames, all at once; returns how many.
    ///
    /// # Real-time
    ///
    /// Wait-free, no allocation, no syscall but the wake of a consumer that
    /// sleeps.
    pub fn commit(self) -> usize {
        if self.bytes > 0 {
            self.producer.publish(self.bytes);
        }
        self.frames
    }
}
