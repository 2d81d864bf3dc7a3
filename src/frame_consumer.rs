//! The endpoint that reads frames.

use core::ops::ControlFlow;

use crate::cursor::ReadCursor;
use crate::deadline::Deadline;
use crate::endpoint::{
    End, Endpoint, open_methods, shared_methods, shared_traits, wait_for_message,
};
use crate::error::PopError;
use crate::frames::{Found, Frame, FrameReader, FrameView, Frames};

/// The consumer of a ring of frames: messages of any length, each with the `kind`
/// that its sender chose.
///
/// [`Consumer`](crate::Consumer) reads records of one size, and says what happens when
/// an endpoint is dropped, crashes or is inherited by a child of `fork`.
///
/// ```
/// use quoit::{FrameConsumer, RingOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("quoit-doc-frame-consumer-{}", std::process::id());
/// let ring = RingOptions::new(1 << 20).schema_tag("log/1").open_or_create::<[u8]>(name)?;
/// # ring.producer()?.try_push(b"hello")?;
/// let mut consumer: FrameConsumer = ring.consumer()?;
/// let mut bytes = Vec::new();
/// let kind = consumer.try_pop_into(&mut bytes)?;
/// println!("a frame of kind {kind}: {bytes:?}");
/// # drop(consumer);
/// # quoit::unlink(name)?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a dropped consumer frees its role"]
pub struct FrameConsumer {
    frames: FrameReader,
}

shared_traits!([] FrameConsumer, "FrameConsumer", ReadCursor, frames.end);

/// What a pop has copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Popped {
    /// Bytes of the payload, at the beginning of the buffer.
    pub len: usize,
    /// The kind that the sender chose; 0 if it chose none.
    pub kind: u32,
}

impl FrameConsumer {
    pub(crate) fn new(end: Endpoint<ReadCursor>) -> Self {
        Self {
            frames: FrameReader::new(end),
        }
    }

    open_methods!([u8], consumer, "bytes",);
    shared_methods!("producer", "bytes");

    /// Copies the next frame into `buffer` if there is one now.
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if there is none, [`PopError::Abandoned`] if there is none
    /// and the producer has closed, [`PopError::TooShort`] if the frame is longer
    /// than the buffer, and then it stays; [`PopError::Corrupt`] if the endpoint is
    /// poisoned.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no allocation, no syscall but the wake of a
    /// producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push(b"hello")?;
    /// let mut buffer = [0; 24]; // the longest frame of this ring
    /// let popped = consumer.try_pop(&mut buffer)?;
    /// assert_eq!(&buffer[..popped.len], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_pop(&mut self, buffer: &mut [u8]) -> Result<Popped, PopError> {
        let found = self.frames.find()?;
        let Some(buffer) = buffer.get_mut(..found.len) else {
            return Err(PopError::TooShort { needed: found.len });
        };
        self.frames.copy(&found, buffer);
        self.frames.end.release(found.units);
        Ok(Popped {
            len: found.len,
            kind: found.kind,
        })
    }

    /// Copies the next frame into `buffer`, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), but never [`PopError::Empty`];
    /// [`PopError::Superseded`] in place of `Abandoned` if no producer will attach. A
    /// producer that crashes is noticed within
    /// [`peer_check`](crate::RingOptions::peer_check).
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](Self::try_pop) if there is a frame; otherwise may sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    ///
    /// use quoit::{PopError, RingOptions};
    ///
    /// let (mut producer, mut consumer) = RingOptions::new(64).heap::<[u8]>()?;
    /// thread::spawn(move || producer.push(b"hello")); // and closes
    /// assert_eq!(consumer.pop(&mut [0; 24])?.len, 5); // waits for it
    /// assert_eq!(consumer.pop(&mut [0; 24]), Err(PopError::Abandoned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pop(&mut self, buffer: &mut [u8]) -> Result<Popped, PopError> {
        self.pop_timeout(buffer, Deadline::NEVER)
    }

    /// Copies the next frame into `buffer`, and waits for one up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), and [`PopError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`try_pop`](Self::try_pop) if there is a frame; otherwise may sleep.
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
    /// assert_eq!(popped, Err(PopError::TimedOut));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pop_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: impl Into<Deadline>,
    ) -> Result<Popped, PopError> {
        match self.try_pop(buffer) {
            Err(PopError::Empty | PopError::Abandoned) => {
                wait_for_message(self, timeout.into(), |consumer| consumer.try_pop(buffer))
            }
            other => other,
        }
    }

    /// Copies the next frame into `bytes`, in place of what was there, if there is one
    /// now; returns its kind. It is never too short.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), but never [`PopError::TooShort`]; then `bytes` is
    /// as it was.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the bytes), no syscall but the wake of a producer that
    /// sleeps; allocates if `bytes` is too small.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_kind(7, b"hello")?;
    /// let mut bytes = Vec::new();
    /// assert_eq!(consumer.try_pop_into(&mut bytes)?, 7);
    /// assert_eq!(bytes, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<u32, PopError> {
        let found = self.frames.find()?;
        bytes.clear();
        self.frames.append(&found, bytes);
        self.frames.end.release(found.units);
        Ok(found.kind)
    }

    /// [`try_pop_into`](Self::try_pop_into) that waits for a frame.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`try_pop_into`](Self::try_pop_into) if there is a frame; otherwise may sleep.
    pub fn pop_into(&mut self, bytes: &mut Vec<u8>) -> Result<u32, PopError> {
        self.pop_into_timeout(bytes, Deadline::NEVER)
    }

    /// [`pop_into`](Self::pop_into) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop_into`](Self::pop_into), and [`PopError::TimedOut`].
    ///
    /// # Real-time
    ///
    /// As [`try_pop_into`](Self::try_pop_into) if there is a frame; otherwise may sleep.
    pub fn pop_into_timeout(
        &mut self,
        bytes: &mut Vec<u8>,
        timeout: impl Into<Deadline>,
    ) -> Result<u32, PopError> {
        wait_for_message(self, timeout.into(), |consumer| {
            consumer.try_pop_into(bytes)
        })
    }

    /// Finds the next frame in place, if there is one now.
    ///
    /// # Errors
    ///
    /// As [`try_pop`](Self::try_pop), but never [`PopError::TooShort`].
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
    /// let mut first = [0; 4];
    /// frame.read_at(0, &mut first);
    /// assert_eq!(&first, b"hell");
    /// frame.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_peek(&mut self) -> Result<Frame<'_>, PopError> {
        let found = self.frames.find()?;
        Ok(Frame::new(&mut self.frames, found))
    }

    /// Finds the next frame in place, and waits if there is none.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a frame; otherwise may sleep.
    #[inline]
    pub fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        self.peek_timeout(Deadline::NEVER)
    }

    /// Finds the next frame in place, and waits for one up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`pop_timeout`](Self::pop_timeout), but never [`PopError::TooShort`].
    ///
    /// # Real-time
    ///
    /// As [`try_peek`](Self::try_peek) if there is a frame; otherwise may sleep.
    #[inline]
    pub fn peek_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<Frame<'_>, PopError> {
        let found = self.find_timeout(timeout)?;
        Ok(self.frame(found))
    }

    /// Finds the frames that are there now, to be visited one after the other, in place.
    ///
    /// # Errors
    ///
    /// As [`try_peek`](Self::try_peek).
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
    /// producer.try_push_slice(0, &["one", "two", "three"])?;
    /// let mut frames = consumer.try_peek_many()?;
    /// while let Some(frame) = frames.next_frame()? {
    ///     println!("{:?}", frame.to_vec());
    /// }
    /// frames.release_first(2); // "three" stays
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"three");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_peek_many(&mut self) -> Result<Frames<'_>, PopError> {
        Frames::new(&mut self.frames)
    }

    /// [`try_peek_many`](Self::try_peek_many) that waits for a frame.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    ///
    /// # Real-time
    ///
    /// May sleep, if there is no frame.
    pub fn peek_many(&mut self) -> Result<Frames<'_>, PopError> {
        self.peek_many_timeout(Deadline::NEVER)
    }

    /// [`peek_many`](Self::peek_many) that waits up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`peek_timeout`](Self::peek_timeout).
    ///
    /// # Real-time
    ///
    /// May sleep, if there is no frame.
    pub fn peek_many_timeout(
        &mut self,
        timeout: impl Into<Deadline>,
    ) -> Result<Frames<'_>, PopError> {
        wait_for_message(self, timeout.into(), |consumer| consumer.frames.end.poll(1))?;
        self.try_peek_many()
    }

    /// Shows every frame that is there now to `visit`, in place, with one release at the
    /// end; returns how many were released. [`ControlFlow::Break`] ends the visit, and
    /// that frame stays. If `visit` panics, all stay.
    ///
    /// # Errors
    ///
    /// As [`try_peek`](Self::try_peek). If a frame is corrupt, those before it were
    /// visited and are released.
    ///
    /// # Real-time
    ///
    /// Wait-free but for `visit`, no allocation, no syscall but the wake of a producer
    /// that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(0, &["one", "two", "three"])?;
    /// let mut bytes = Vec::new();
    /// let count = consumer.drain_with(|frame| {
    ///     if frame.len() > 3 {
    ///         return ControlFlow::Break(()); // not now
    ///     }
    ///     frame.append_to(&mut bytes);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!((count, &bytes[..]), (2, &b"onetwo"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_with(
        &mut self,
        mut visit: impl FnMut(FrameView<'_>) -> ControlFlow<()>,
    ) -> Result<usize, PopError> {
        let unread = self.frames.end.poll(1)?;
        let (mut visited, mut count) = (0, 0);
        let mut end = Ok(());
        while visited < unread {
            let found = match self.frames.parse(visited, unread) {
                Ok(found) => found,
                Err(corrupt) => {
                    end = Err(corrupt);
                    break;
                }
            };
            if visit(FrameView::new(&self.frames, found)).is_break() {
                break;
            }
            visited += found.units;
            count += 1;
        }
        if count > 0 {
            self.frames.end.release(visited);
        }
        match count {
            0 => {}
            1 => self.frames.end.lone(unread),
            _ => self.frames.end.crowded(unread),
        }
        match end {
            Ok(()) => Ok(count),
            Err(corrupt) => Err(self.frames.poison(corrupt)),
        }
    }

    /// Releases up to `count` frames that are there now without reading their payload;
    /// returns how many.
    ///
    /// # Errors
    ///
    /// As [`try_peek`](Self::try_peek), if there are none.
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the frames), no allocation, no syscall but the wake of a
    /// producer that sleeps.
    pub fn skip(&mut self, count: usize) -> Result<usize, PopError> {
        if count == 0 {
            return Ok(0); // as for records, whatever is there
        }
        let mut left = count;
        self.drain_with(|_| {
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            ControlFlow::Continue(())
        })
    }

    /// Releases every frame that is there now but the newest; returns how many.
    ///
    /// # Errors
    ///
    /// As [`skip`](Self::skip).
    ///
    /// # Real-time
    ///
    /// Wait-free (linear in the frames), no allocation, no syscall but the wake of a
    /// producer that sleeps.
    ///
    /// # Examples
    ///
    /// ```
    /// let (mut producer, mut consumer) = quoit::RingOptions::new(64).heap::<[u8]>()?;
    /// producer.try_push_slice(0, &["one", "two", "three"])?;
    /// assert_eq!(consumer.skip_to_latest()?, 2);
    /// assert_eq!(consumer.try_peek()?.to_vec(), b"three");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn skip_to_latest(&mut self) -> Result<usize, PopError> {
        let mut frames = self.try_peek_many()?;
        let mut older = 0;
        let mut next = 0;
        while let Some(frame) = frames.next_frame()? {
            (older, next) = (next, next + frame.units());
        }
        let count = frames.count() - 1;
        if older > 0 {
            self.frames.end.release(older);
        }
        Ok(count)
    }

    /// Where the next frame is, for a caller that borrows it later: [`frame`](Self::frame)
    /// does not read its header again.
    #[inline]
    pub(crate) fn find_timeout(&mut self, timeout: impl Into<Deadline>) -> Result<Found, PopError> {
        match self.frames.find() {
            Err(PopError::Empty | PopError::Abandoned) => {
                wait_for_message(self, timeout.into(), |consumer| consumer.frames.find())
            }
            other => other,
        }
    }

    /// The frame that was found, if nothing was released since.
    pub(crate) fn frame(&mut self, found: Found) -> Frame<'_> {
        Frame::new(&mut self.frames, found)
    }
}
