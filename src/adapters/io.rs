//! Byte streams: a ring of frames as a pipe.

use core::borrow::BorrowMut;
use core::fmt;
use std::io::{self, IoSlice};
use std::time::Duration;

use crate::deadline::{Deadline, LATE_BYTES};
use crate::error::{ClaimError, PopError};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::frames::Found;

/// A producer of frames as [`io::Write`], from [`FrameProducer::writer`], which
/// borrows the producer, or [`FrameProducer::into_writer`], which owns it.
///
/// Like a pipe, it buffers nothing: each write that succeeds has published one
/// frame, which the reader can see and which outlives this process. A write
/// takes as many bytes as a frame of a quarter of the ring holds, so that
/// reader and writer work at the same time; `write_all` and `io::copy` repeat
/// it. Many small writes are many small frames: wrap the writer in a
/// [`BufWriter`](io::BufWriter). A vectored write is one frame. An empty
/// write publishes nothing.
///
/// There is nothing to flush, and `flush` does nothing. To write the bytes to a disk, call
/// [`FrameProducer::sync_all`].
///
/// A write waits for room with the ring's wait strategy
/// ([`RingOptions::wait_strategy`](crate::RingOptions::wait_strategy)). It fails with
///
/// - `BrokenPipe` if there is no room for it and the consumer has closed or crashed; a shorter write
///   may still fit, for the next consumer, and when that one has made room, you can write more;
/// - `TimedOut` if no room was freed within the [timeout](Self::set_timeout);
/// - `InvalidData` if the endpoint is poisoned;
///
/// and then has published nothing. It never fails with `Interrupted`: a wait that a signal
/// interrupts continues.
///
/// # Real-time
///
/// A write is as [`FrameProducer::try_push`] if there is
/// room; otherwise may sleep. An error allocates.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (mut producer, mut consumer) = quoit::RingOptions::new(1024).heap::<[u8]>()?;
/// let mut writer = producer.writer();
/// writer.write_all(b"one\ntw")?;
/// writer.write_all(b"o\n")?;
/// drop(producer); // the end of the file
///
/// let lines: Result<Vec<_>, _> = consumer.reader().lines().collect();
/// assert_eq!(lines?, ["one", "two"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a stream moves nothing until it is used"]
pub struct Writer<P = FrameProducer> {
    producer: P,
    timeout: Option<Duration>,
}

/// A consumer of frames as [`io::Read`] and [`io::BufRead`], made by
/// [`FrameConsumer::reader`], which borrows the consumer, or
/// [`FrameConsumer::into_reader`], which owns it.
///
/// The bytes of all frames, one after the other; you do not see where a frame ends, nor its kind.
/// `fill_buf` returns the rest of the next frame, and the frame is released when all of it was
/// consumed. A reader that is dropped or killed in the middle of a frame leaves it in the ring, and
/// the next reader begins with all of it.
///
/// A file ends when the producer has closed or crashed and everything that it published was read.
/// That does not mean that the producer was done: if it matters, put a final marker into the
/// stream. When another producer has attached, reading continues after the end of the file; if it
/// attaches before you saw that, its bytes follow without one. A reader waits for a producer that
/// has never attached, unless the ring was unlinked or replaced.
///
/// A read waits for a frame with the ring's wait strategy
/// ([`RingOptions::wait_strategy`](crate::RingOptions::wait_strategy)). It fails with
///
/// - `TimedOut` if none arrived within the [timeout](Self::set_timeout);
/// - `InvalidData` if the endpoint is poisoned.
///
/// It never fails with `Interrupted`: a wait that a signal interrupts continues.
///
/// # Real-time
///
/// `read` is as [`FrameConsumer::try_pop`] if there is a frame; otherwise may sleep.
/// `fill_buf` also allocates for a frame longer than all before. An error allocates.
#[must_use = "a stream moves nothing until it is used"]
pub struct Reader<C = FrameConsumer> {
    consumer: C,
    timeout: Option<Duration>,
    /// Bytes of the next frame that were consumed.
    consumed: usize,
    /// A private copy of the next frame, if `fill_buf` has made one.
    buffer: Option<Vec<u8>>,
    /// What the next copy is made in.
    spare: Vec<u8>,
}

/// Shows the endpoint, and no payload.
impl<C: fmt::Debug> fmt::Debug for Reader<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("consumer", &self.consumer)
            .field("timeout", &self.timeout)
            .field("consumed", &self.consumed)
            .finish_non_exhaustive()
    }
}

impl FrameProducer {
    /// This endpoint as a stream of bytes, for anything that writes to [`io::Write`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn writer(&mut self) -> Writer<&mut Self> {
        Writer::new(self)
    }

    /// [`writer`](Self::writer) that owns this endpoint: `Send` and `'static`.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_writer(self) -> Writer {
        Writer::new(self)
    }
}

impl FrameConsumer {
    /// This endpoint as a stream of bytes, for anything that reads from [`io::Read`] or
    /// [`io::BufRead`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn reader(&mut self) -> Reader<&mut Self> {
        Reader::new(self)
    }

    /// [`reader`](Self::reader) that owns this endpoint: `Send` and `'static`.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_reader(self) -> Reader {
        Reader::new(self)
    }
}

impl<P: BorrowMut<FrameProducer>> Writer<P> {
    fn new(producer: P) -> Self {
        Self {
            producer,
            timeout: None,
        }
    }

    /// Lets each write wait for room up to `timeout`; `None`, the default, waits forever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns the producer.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_inner(self) -> P {
        self.producer
    }

    /// The most bytes of one write: with its header a quarter of the ring, so that four
    /// of them fill it.
    fn max_write(&self) -> usize {
        let producer = self.producer.borrow();
        (producer.capacity() / 4 - 8).min(producer.max_frame_len() as u64) as usize
    }
}

/// A pipe has one error for a reader that has closed or crashed.
fn write_error(error: ClaimError) -> io::Error {
    match error {
        ClaimError::Superseded => io::Error::new(io::ErrorKind::BrokenPipe, error),
        error => error.into(),
    }
}

impl<P: BorrowMut<FrameProducer>> io::Write for Writer<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.max_write());
        if len > 0 {
            let producer = self.producer.borrow_mut();
            let pushed = producer.push_timeout(&bytes[..len], self.timeout);
            pushed.map_err(write_error)?;
        }
        Ok(len)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let all = parts
            .iter()
            .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let len = all.min(self.max_write());
        if len > 0 {
            let producer = self.producer.borrow_mut();
            let claimed = producer.claim_timeout(len, self.timeout);
            let mut claim = claimed.map_err(write_error)?;
            let mut written = 0;
            for part in parts {
                let part = &part[..part.len().min(len - written)];
                claim.write_at(written, part);
                written += part.len();
            }
            claim.publish().map_err(write_error)?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<C: BorrowMut<FrameConsumer>> Reader<C> {
    fn new(consumer: C) -> Self {
        Self {
            consumer,
            timeout: None,
            consumed: 0,
            buffer: None,
            spare: Vec::new(),
        }
    }

    /// Lets each read wait for a frame up to `timeout`; `None`, the default, waits forever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns the consumer. A frame that was read in part is still in the ring, complete.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation; frees the private copy of a frame.
    pub fn into_inner(self) -> C {
        self.consumer
    }

    /// The next frame with unread bytes; `None` at the end of the stream.
    fn next_frame(&mut self) -> io::Result<Option<Found>> {
        let deadline = Deadline::from(self.timeout).fixed();
        let consumer = self.consumer.borrow_mut();
        // Skip the empty frames that were there at the first one, up to a limit: otherwise the peer
        // would decide how long this takes.
        let mut there = None;
        loop {
            match consumer.find_timeout(deadline) {
                // No bytes would mean the end of the stream.
                Ok(found) if found.len <= self.consumed => {
                    let there = there.get_or_insert_with(|| consumer.len().min(LATE_BYTES));
                    *there = there.saturating_sub(found.units);
                    consumer.frame(found).release();
                    self.consumed = 0;
                    if *there == 0 && deadline.is_over() {
                        return Err(PopError::TimedOut.into());
                    }
                }
                Ok(found) => return Ok(Some(found)),
                Err(PopError::Abandoned | PopError::Superseded) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Continues after a frame that was consumed completely.
    fn release(&mut self) {
        if let Ok(frame) = self.consumer.borrow_mut().try_peek() {
            frame.release();
        }
        self.consumed = 0;
        self.spare = self.buffer.take().unwrap_or_default();
    }
}

impl<C: BorrowMut<FrameConsumer>> io::BufRead for Reader<C> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer.is_none() {
            let Some(found) = self.next_frame()? else {
                return Ok(&[]);
            };
            let mut bytes = core::mem::take(&mut self.spare);
            bytes.clear();
            self.consumer
                .borrow_mut()
                .frame(found)
                .append_to(&mut bytes);
            self.buffer = Some(bytes);
        }
        let buffer = self.buffer.as_deref().unwrap_or_default();
        Ok(buffer.get(self.consumed..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Some(buffer) = &self.buffer {
            self.consumed += count;
            if self.consumed >= buffer.len() {
                self.release();
            }
        }
    }
}

impl<C: BorrowMut<FrameConsumer>> io::Read for Reader<C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.buffer.is_some() {
            let count = io::BufRead::fill_buf(self)?.read(buffer)?;
            io::BufRead::consume(self, count);
            return Ok(count);
        }
        let Some(found) = self.next_frame()? else {
            return Ok(0);
        };
        let frame = self.consumer.borrow_mut().frame(found);
        let consumed = self.consumed;
        let count = buffer.len().min(frame.len() - consumed);
        frame.read_at(consumed, &mut buffer[..count]);
        if consumed + count == frame.len() {
            frame.release();
            self.consumed = 0;
        } else {
            self.consumed = consumed + count;
        }
        Ok(count)
    }
}
