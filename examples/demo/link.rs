//! The ways to bring a numbered message to another process and back: two shapes of a ring, and a
//! stream of bytes. Each message is sent by one call.

use std::io::{BufReader, Read, Write};

use quoit::{Consumer, FrameConsumer, FrameProducer, Producer};
use zerocopy::{FromZeros, IntoBytes};

use super::common::Result;
use super::common::check::Check;
use super::common::message::{Message, checksum, scramble};

pub(crate) trait Link {
    /// Sends the message with this number.
    fn send(&mut self, number: u64) -> Result<()>;
    /// Waits for the next message and passes its number to `check`; returns its length.
    fn receive(&mut self, check: &mut Check) -> Result<usize>;
}

impl Link for (Producer<Message>, Consumer<Message>) {
    #[inline]
    fn send(&mut self, number: u64) -> Result<()> {
        Ok(self.0.push(Message::numbered(number))?)
    }

    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        check.take(self.1.pop()?.number());
        Ok(size_of::<Message>())
    }
}

/// Frames, each made in a private buffer and copied into the ring, and copied out of it before it
/// is checked.
pub(crate) struct Frames {
    pub(crate) producer: FrameProducer,
    pub(crate) consumer: FrameConsumer,
    /// Computes the length of the frame with this number.
    pub(crate) length: fn(u64) -> usize,
    pub(crate) buffer: [u8; 256],
}

/// Between 16 and 255 bytes.
pub(crate) fn mixed_length(number: u64) -> usize {
    16 + (scramble(number) % 240) as usize
}

/// A frame is a checksum, a number, and some content.
impl Link for Frames {
    #[inline]
    fn send(&mut self, number: u64) -> Result<()> {
        let frame = &mut self.buffer[..(self.length)(number)];
        frame[8..16].copy_from_slice(&number.to_le_bytes());
        frame[16..].fill(scramble(number) as u8);
        let sum = checksum(&frame[8..]);
        frame[..8].copy_from_slice(&sum.to_le_bytes());
        Ok(self.producer.push(frame)?)
    }

    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        let length = self.consumer.pop(&mut self.buffer)?.len;
        let word = |at: usize| Some(u64::from_le_bytes(*self.buffer[at..length].first_chunk()?));
        let is_whole = word(0) == Some(checksum(&self.buffer[8..length]));
        check.take(word(8).filter(|_| is_whole));
        Ok(length)
    }
}

/// A pipe or a socket in each direction. It takes as many bytes at once as there are.
impl<R: Read, W: Write> Link for (BufReader<R>, W) {
    fn send(&mut self, number: u64) -> Result<()> {
        Ok(self.1.write_all(Message::numbered(number).as_bytes())?)
    }

    fn receive(&mut self, check: &mut Check) -> Result<usize> {
        let mut message = Message::new_zeroed();
        self.0.read_exact(message.as_mut_bytes())?;
        check.take(message.number());
        Ok(size_of::<Message>())
    }
}
