//! Pipes: a ring of frames as a stream of bytes.

use std::io;
use std::time::Duration;

use crate::consumer::Consumer;
use crate::error::{ClaimError, PopError};
use crate::frames::Frame;
use crate::producer::Producer;

/// A producer of frames as [`io::Write`], made by [`Producer::writer`].
///
/// Like a pipe, it buffers nothing: each write that succeeds has published one
/// frame, which the reader can see and which outlives this process. A write
/// takes as many bytes as a frame of a quarter of the ring holds, so that
/// reader and writer work at the same time; `write_all` and `io::copy` repeat
/// it. Many small writes are many small frames: wrap the writer in a
/// [`BufWriter`](io::BufWriter). An empty write publishes nothing.
///
/// There is nothing to flush, and `flush` does nothing. Whether the bytes are
/// on a disk is another question, for [`Producer::flush`].
///
/// A write waits for room as the ring was told to
/// ([`RingOptions::wait_strategy`](crate::RingOptions::wait_strategy)). It fails with
///
/// - `BrokenPipe` if there is no room and the consumer has left or died; what
///   fits still goes into the ring, for the next consumer, and when that one
///   has made room, writing goes on;
/// - `WouldBlock` if no room came within the [time-out](Self::set_timeout);
/// - `InvalidData` if the endpoint is poisoned;
///
/// and then has published nothing. It never fails with `Interrupted`: a wait
/// that a signal interrupts goes on.
///
/// # Real-time
///
/// A write is as [`Producer::try_push`](Producer#method.try_push-1) if there is
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
pub struct Writer<'a> {
    producer: &'a mut Producer<[u8]>,
    timeout: Option<Duration>,
}

/// A consumer of frames as [`io::Read`] and [`io::BufRead`], made by
/// [`Consumer::reader`].
///
/// The bytes of all frames, one after the other; where a frame ends and of
/// which kind it is does not show. It is its own buffer: `fill_buf` returns the
/// rest of the next frame where it lies in the ring, and the frame is released
/// when all of it was consumed. A reader that is dropped or killed in the
/// middle of a frame leaves it in the ring, and the next reader begins with all
/// of it.
///
/// A file ends when the producer has left or died and everything that it
/// published was read. That says nothing of whether the producer was done: if
/// it matters, let the stream itself tell. When another producer has come,
/// reading goes on behind the end; if it comes before the end was seen, its
/// bytes follow without one. A producer that never came is waited for, unless
/// the ring's name leads elsewhere by now.
///
/// A read waits for a frame as the ring was told to
/// ([`RingOptions::wait_strategy`](crate::RingOptions::wait_strategy)). It fails with
///
/// - `WouldBlock` if none came within the [time-out](Self::set_timeout);
/// - `InvalidData` if the endpoint is poisoned.
///
/// It never fails with `Interrupted`: a wait that a signal interrupts goes on.
/// As with [`Frame`], the bytes that `fill_buf` returns are the producer's
/// memory, which one that breaks the rules can change.
///
/// # Real-time
///
/// Reading is as [`Consumer::try_pop`](Consumer#method.try_pop-1) if there is a
/// frame; otherwise may sleep. An error allocates.
#[derive(Debug)]
pub struct Reader<'a> {
    consumer: &'a mut Consumer<[u8]>,
    timeout: Option<Duration>,
    /// Bytes of the next frame that were consumed.
    consumed: usize,
}

impl Producer<[u8]> {
    /// This end as a stream of bytes, for anything that writes to
    /// [`io::Write`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn writer(&mut self) -> Writer<'_> {
        Writer {
            producer: self,
            timeout: None,
        }
    }
}

impl Consumer<[u8]> {
    /// This end as a stream of bytes, for anything that reads from [`io::Read`]
    /// or [`io::BufRead`].
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader {
            consumer: self,
            timeout: None,
            consumed: 0,
        }
    }
}

impl Writer<'_> {
    /// Lets each write wait for room at most so long; `None`, as it is at
    /// first, is as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // With its header a quarter of the ring: four of them fill a lap.
        let most = (self.producer.capacity() / 4 - 8).min(self.producer.longest() as u64);
        let bytes = &bytes[..bytes.len().min(most as usize)];
        let pushed = match self.timeout {
            Some(timeout) => self.producer.push_timeout(bytes, timeout),
            None => self.producer.push(bytes),
        };
        match pushed {
            Ok(()) => Ok(bytes.len()),
            // Whoever writes to a pipe does not mind why nobody reads.
            Err(error @ ClaimError::Superseded) => {
                Err(io::Error::new(io::ErrorKind::BrokenPipe, error))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reader<'_> {
    /// Lets each read wait for a frame at most so long; `None`, as it is at
    /// first, is as long as it takes.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The next frame.
    fn peek(&mut self) -> Result<Frame<'_>, PopError> {
        match self.timeout {
            Some(timeout) => self.consumer.peek_timeout(timeout),
            None => self.consumer.peek(),
        }
    }
}

impl io::BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.peek() {
                // No bytes would be the end.
                Ok(frame) if frame.is_empty() => frame.release(),
                Ok(_) => break,
                Err(PopError::Abandoned | PopError::Superseded) => return Ok(&[]),
                Err(error) => return Err(error.into()),
            }
        }
        let frame = self.consumer.try_peek()?.into_bytes();
        // Only a producer that breaks the rules makes a frame shorter.
        Ok(frame.get(self.consumed..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Ok(frame) = self.consumer.try_peek() {
            self.consumed += count;
            if self.consumed >= frame.len() {
                frame.release();
                self.consumed = 0;
            }
        }
    }
}

impl io::Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = io::BufRead::fill_buf(self)?.read(buffer)?;
        io::BufRead::consume(self, count);
        Ok(count)
    }
}
