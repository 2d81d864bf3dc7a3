//! The endpoint that writes frames.
//!
//! A position counts bytes. A frame is a header, the payload, and zeros up to a
//! multiple of eight; it never wraps: where it would wrap, a padding header fills the rest
//! of the ring, and padding and frame are published together. A frame of at most 40
//! bytes is also copied into the tail's line while the consumer has caught up.

use crate::cursor::WriteCursor;
use crate::deadline::Deadline;
use crate::endpoint::{End, Endpoint, open_methods, shared_methods, shared_traits};
use crate::error::ClaimError;
use crate::frames::{FrameBatch, FrameClaim, FrameWriter};
use crate::layout::FRAME_HEADER;

/// The producer of a ring of frames: messages of any length, each with a `kind`, a number of the
/// sender's choice that the ring carries and does not interpret.
///
/// [`Producer`](crate::Producer) writes records of one size, and says what happens when an endpoint
/// is dropped, crashes or is inherited by a child of `fork`.
///
/// ```
/// use quoit::{FrameProducer, RingOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-frame-producer-{}", std::process::id());
/// let ring = RingOptions::new(1 << 20).schema_tag("log/1").open_or_create::<[u8]>(name)?;
/// let mut producer: FrameProducer = ring.producer()?;
/// producer.try_push(b"hello")?;
/// # drop(producer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a dropped producer frees its role"]
pub struct FrameProducer {
    frames: FrameWriter,
}

shared_traits!([] FrameProducer, "FrameProducer", WriteCursor, frames.end);

impl FrameProducer {
    pub(crate) fn new(end: Endpoint<WriteCursor>) -> Self {
        Self {
            frames: FrameWriter::new(end),
        }
    }

    open_methods!([u8], producer, "bytes",);
    shared_methods!("consumer", "bytes");

    /// Bytes of the longest payload of any frame: half the ring's capacity less 8, and
    /// never more than 2 GiB.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn max_frame_len(&self) -> usize {
        self.frames.max_frame_len()
    }

    /// Bytes of the longest payload that fits now; `None` if not even an empty frame
    /// does. A snapshot: the consumer may free more at any moment.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, _consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(&[0; 24])?; // and a header of 8
    /// assert_eq!(producer.vacant(), Some(24));
    /// producer.try_push(&[0; 24])?;
    /// assert_eq!(producer.vacant(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn vacant(&self) -> Option<usize> {
        let room = self.capacity() - self.len();
        let rest = self.capacity() - self.frames.end.cursor.index(0) as u64;
        // In the rest of the ring, or after padding at its beginning.
        let longest = room.min(rest).max(room.saturating_sub(rest));
        let payload = longest.checked_sub(FRAME_HEADER)? as usize;
        Some(payload.min(self.max_frame_len()))
    }

    /// Pushes a frame of kind 0 if there is room now. An empty frame is a frame like
    /// any other.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        self.try_push_kind(0, payload)
    }

    /// Pushes a frame of kind 0, and waits for room if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), but never [`ClaimError::Full`];
    /// [`ClaimError::Superseded`] in place of `Abandoned` if no consumer can attach. A
    /// consumer that crashes is noticed within
    /// [`peer_check`](crate::RingOptions::peer_check).
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
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
    /// assert_eq!(reader.join().expect("no panic")?.len, 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, payload: &[u8]) -> Result<(), ClaimError> {
        self.push_kind_timeout(0, payload, Deadline::NEVER)
    }

    /// Pushes a frame of kind 0, and waits for room up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use quoit::{ClaimError, RingOptions};
    ///
    /// let (mut producer, _consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(0, &[[1; 24], [2; 24]])?;
    /// let pushed = producer.push_timeout(b"", Duration::from_millis(1));
    /// assert_eq!(pushed, Err(ClaimError::TimedOut)); // an empty frame has a header
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_timeout(
        &mut self,
        payload: &[u8],
        timeout: impl Into<Deadline>,
    ) -> Result<(), ClaimError> {
        self.push_kind_timeout(0, payload, timeout)
    }

    /// [`try_push`](Self::try_push) with a `kind`.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_kind(7, b"hello")?;
    /// assert_eq!(consumer.try_pop(&mut [0; 24])?.kind, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_push_kind(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        let place = self.frames.reserve(0, payload.len())?;
        self.frames.fill(place, kind, payload)
    }

    /// [`push`](Self::push) with a `kind`.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    pub fn push_kind(&mut self, kind: u32, payload: &[u8]) -> Result<(), ClaimError> {
        self.push_kind_timeout(kind, payload, Deadline::NEVER)
    }

    /// [`push_timeout`](Self::push_timeout) with a `kind`.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](Self::push_timeout).
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    pub fn push_kind_timeout(
        &mut self,
        kind: u32,
        payload: &[u8],
        timeout: impl Into<Deadline>,
    ) -> Result<(), ClaimError> {
        let place = self.frames.wait_for(0, payload.len(), timeout.into())?;
        self.frames.fill(place, kind, payload)
    }

    /// Pushes one frame whose payload is all of `parts`, one after the other, if there
    /// is room now.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_parts(7, &[b"head", b"er and payload"])?;
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"header and payload");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_parts(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), ClaimError> {
        let claim = self.try_claim(parts_len(parts))?;
        claim.commit_parts(kind, parts)
    }

    /// [`try_push_parts`](Self::try_push_parts) that waits for room.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    pub fn push_parts(&mut self, kind: u32, parts: &[&[u8]]) -> Result<(), ClaimError> {
        self.push_parts_timeout(kind, parts, Deadline::NEVER)
    }

    /// [`push_parts`](Self::push_parts) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](Self::push_timeout).
    ///
    /// # Real-time
    ///
    /// As [`try_push`](Self::try_push) if there is room; otherwise may sleep.
    pub fn push_parts_timeout(
        &mut self,
        kind: u32,
        parts: &[&[u8]],
        timeout: impl Into<Deadline>,
    ) -> Result<(), ClaimError> {
        let claim = self.claim_timeout(parts_len(parts), timeout)?;
        claim.commit_parts(kind, parts)
    }

    /// Pushes as many of `payloads` as there is room for now, each a frame of `kind`,
    /// with one publish; returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_claim`](Self::try_claim), if there is room for none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake of a
    /// consumer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, _consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// assert_eq!(producer.try_push_slice(0, &["one", "two", "three"])?, 3);
    /// assert_eq!(producer.len(), 48); // bytes: three headers, three words
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_push_slice(
        &mut self,
        kind: u32,
        payloads: &[impl AsRef<[u8]>],
    ) -> Result<usize, ClaimError> {
        let mut batch = self.batch();
        for payload in payloads {
            match batch.try_push(kind, payload.as_ref()) {
                Err(error) if batch.is_empty() => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
        }
        let full = batch.len();
        let count = batch.commit();
        if count < full {
            return Err(ClaimError::Abandoned); // a forked child
        }
        Ok(count)
    }

    /// Waits for room for the first of `payloads`, then pushes as many as there is room
    /// for; returns how many. [`push_all`](Self::push_all) pushes all.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn push_slice(
        &mut self,
        kind: u32,
        payloads: &[impl AsRef<[u8]>],
    ) -> Result<usize, ClaimError> {
        self.push_slice_timeout(kind, payloads, Deadline::NEVER)
    }

    /// [`push_slice`](Self::push_slice) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](Self::push_timeout).
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn push_slice_timeout(
        &mut self,
        kind: u32,
        payloads: &[impl AsRef<[u8]>],
        timeout: impl Into<Deadline>,
    ) -> Result<usize, ClaimError> {
        if let Some(first) = payloads.first() {
            self.frames
                .wait_for(0, first.as_ref().len(), timeout.into())?;
        }
        self.try_push_slice(kind, payloads)
    }

    /// Pushes all of `payloads`, and waits for room as often as it takes.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push). Frames that were pushed until then stay pushed.
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
    /// producer.push_all(0, &["tick"; 100])?;
    /// drop(producer);
    /// assert_eq!(reader.join().expect("no panic"), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push_all(&mut self, kind: u32, payloads: &[impl AsRef<[u8]>]) -> Result<(), ClaimError> {
        self.push_all_timeout(kind, payloads, Deadline::NEVER)
    }

    /// [`push_all`](Self::push_all) that waits up to `timeout` in all.
    ///
    /// # Errors
    ///
    /// As [`push_all`](Self::push_all), and [`ClaimError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// May sleep.
    pub fn push_all_timeout(
        &mut self,
        kind: u32,
        payloads: &[impl AsRef<[u8]>],
        timeout: impl Into<Deadline>,
    ) -> Result<(), ClaimError> {
        let timeout = timeout.into();
        timeout.in_parts(payloads.len(), ClaimError::TimedOut, |done, deadline| {
            self.push_slice_timeout(kind, &payloads[done..], deadline)
        })
    }

    /// Claims room for a frame of at most `len` bytes, to be filled in place, if there
    /// is room now.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Full`] if there is not enough room, [`ClaimError::Abandoned`] if
    /// there is not and the consumer has closed, [`ClaimError::TooLong`] if there
    /// never can be, [`ClaimError::Corrupt`] if the endpoint is poisoned.
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
    /// claim.write_at(0, b"quoit");
    /// claim.set_kind(7);
    /// claim.commit_first(5); // five bytes are enough after all
    /// let frame = consumer.try_peek()?;
    /// assert_eq!((frame.to_vec(), frame.kind()), (b"quoit".to_vec(), 7));
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
        let place = self.frames.reserve(0, len)?;
        Ok(FrameClaim::new(&mut self.frames, place))
    }

    /// Claims room for a frame of at most `len` bytes, and waits for it if there is
    /// none.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<FrameClaim<'_>, ClaimError> {
        self.claim_timeout(len, Deadline::NEVER)
    }

    /// Claims room for a frame of at most `len` bytes, and waits for it up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`push_timeout`](Self::push_timeout).
    ///
    /// # Real-time
    ///
    /// As [`try_claim`](Self::try_claim) if there is room; otherwise may sleep.
    #[inline]
    pub fn claim_timeout(
        &mut self,
        len: usize,
        timeout: impl Into<Deadline>,
    ) -> Result<FrameClaim<'_>, ClaimError> {
        let place = self.frames.wait_for(0, len, timeout.into())?;
        Ok(FrameClaim::new(&mut self.frames, place))
    }

    /// Begins a batch: several frames that are published together.
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
    /// batch.try_push(0, b"one")?;
    /// batch.try_claim(7, 3)?.write_at(0, b"two");
    /// assert_eq!(batch.commit(), 2);
    /// let mut word = [0; 3];
    /// assert_eq!(consumer.try_pop(&mut word)?.kind, 0);
    /// assert_eq!(&word, b"one");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&mut self) -> FrameBatch<'_> {
        FrameBatch::new(&mut self.frames)
    }

    /// Bytes of room that a frame of `len` bytes needs here; 0 if it can never fit.
    pub(crate) fn bytes_needed(&self, len: usize) -> u64 {
        self.frames.bytes_needed(len)
    }
}

/// Bytes of all parts; as good as infinite if they overflow.
pub(crate) fn parts_len(parts: &[&[u8]]) -> usize {
    let add = |sum: usize, part: &&[u8]| sum.saturating_add(part.len());
    parts.iter().fold(0, add)
}
