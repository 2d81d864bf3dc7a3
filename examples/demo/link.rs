//! Four ways to bring a numbered message to another process: two shapes of a ring, a pipe and a
//! socket. Each message is sent by one call.

use std::error::Error;
use std::io::{BufReader, Read, Write};

use quoit::{Consumer, FrameConsumer, FrameProducer, Producer};
use zerocopy::{FromZeros, IntoBytes};

use super::common::check::Check;
use super::common::message::Message;
use super::frame;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where messages go in.
pub(crate) trait Outlet {
    /// Sends the message with this number.
    fn send(&mut self, number: u64) -> Result<()>;
}

/// Where messages come out.
pub(crate) trait Inlet {
    /// Waits for the next message and passes its number to `check`; returns its length.
    fn receive(&mut self, check: &mut Check) -> Result<usize>;
}

impl Outlet for Producer<Message> {
    #[inline]
    fn send(&mut self, number: u64) -> Result<()> {
        Ok(self.push(Message::numbered(number))?)
    }
}

impl Inlet for Consumer<Message> {
    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        check.take(self.pop()?.number());
        Ok(size_of::<Message>())
    }
}

/// Computes the length of the frame with this number.
pub(crate) type Length = fn(u64) -> usize;

/// Room for the longest frame.
pub(crate) type Buffer = [u8; 256];

/// Frames, each made in a private buffer and copied into the ring.
pub(crate) struct FrameOutlet {
    pub(crate) producer: FrameProducer,
    pub(crate) length: Length,
    pub(crate) buffer: Buffer,
}

impl Outlet for FrameOutlet {
    #[inline]
    fn send(&mut self, number: u64) -> Result<()> {
        let frame = &mut self.buffer[..(self.length)(number)];
        frame::fill(frame, number);
        Ok(self.producer.push(frame)?)
    }
}

/// Frames, each copied out of the ring before it is checked.
pub(crate) struct FrameInlet {
    pub(crate) consumer: FrameConsumer,
    pub(crate) buffer: Buffer,
}

impl Inlet for FrameInlet {
    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        let length = self.consumer.pop(&mut self.buffer)?.len;
        check.take(frame::number(&self.buffer[..length]));
        Ok(length)
    }
}

/// The writing side of a pipe or a socket.
pub(crate) struct ByteOutlet<W>(pub(crate) W);

impl<W: Write> Outlet for ByteOutlet<W> {
    fn send(&mut self, number: u64) -> Result<()> {
        Ok(self.0.write_all(Message::numbered(number).as_bytes())?)
    }
}

/// The reading side of a pipe or a socket; takes as many bytes at once as there are.
pub(crate) struct ByteInlet<R>(BufReader<R>);

impl<R: Read> ByteInlet<R> {
    pub(crate) fn new(source: R) -> Self {
        Self(BufReader::with_capacity(1 << 16, source))
    }
}

impl<R: Read> Inlet for ByteInlet<R> {
    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        let mut message = Message::new_zeroed();
        self.0.read_exact(message.as_mut_bytes())?;
        check.take(message.number());
        Ok(size_of::<Message>())
    }
}
