//! The ways to bring a numbered message to another process and back: two shapes of a ring, and a
//! stream of bytes. Each message is sent by one call.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use quoit::{Consumer, FrameConsumer, FrameProducer, Producer, RingOptions};
use zerocopy::{FromZeros, IntoBytes};

use super::common::check::Check;
use super::common::message::{Message, checksum, scramble};
use super::common::{Result, interrupt};
use super::slices::{Report, Slice};
use super::table::Row;

/// Bytes that a ring holds: enough for one endpoint to continue while the other one is off its
/// core.
const BUFFER: u64 = 1 << 20;

/// One endpoint of each transport. The two processes name the ways in reverse order.
pub(crate) fn links(
    directory: &Path,
    [out, back]: [&str; 2],
    pipe: Bytes<impl Read + 'static, impl Write + 'static>,
    socket: UnixStream,
) -> Result<[Box<dyn Link>; 4]> {
    let file = |shape, way| directory.join(format!("{shape}-{way}"));
    let options = RingOptions::new(BUFFER / 32).prefault(true);
    let records = |way| options.open_or_create::<Message>(file("records", way));
    let records = (records(out)?.producer()?, records(back)?.consumer()?);
    let options = RingOptions::new(BUFFER).prefault(true);
    let frames = |way| options.open_or_create::<[u8]>(file("frames", way));
    let frames = Frames {
        producer: frames(out)?.producer()?,
        consumer: frames(back)?.consumer()?,
        buffer: [0; 256],
    };
    let socket = Bytes(BufReader::new(socket.try_clone()?), socket);
    Ok([
        Box::new(records),
        Box::new(frames),
        Box::new(pipe),
        Box::new(socket),
    ])
}

pub(crate) trait Link {
    /// Sends the message with this number; returns its length.
    fn send(&mut self, number: u64, is_trip: bool) -> Result<usize>;
    /// Waits for the next message and passes its number to `check`.
    fn receive(&mut self, check: &mut Check) -> Result<()>;

    /// Sends the messages of a slice, and in round trips waits for each.
    fn ask(&mut self, slice: &Slice, row: &mut Row) -> Result<()> {
        for number in 0..slice.count {
            interrupt::check()?;
            let begin = slice.is_trip.then(Instant::now);
            row.bytes += self.send(row.near.sent, slice.is_trip)?;
            row.near.sent += 1;
            let Some(begin) = begin else { continue };
            self.receive(&mut row.near.check)?;
            // The first one wakes the other process.
            if number > 0 {
                row.trips.record(begin.elapsed().as_nanos() as u64)?;
            }
        }
        Ok(())
    }

    /// Verifies the messages of a slice, and in round trips returns each.
    fn answer(&mut self, slice: &Slice, report: &mut Report) -> Result<()> {
        for _ in 0..slice.count {
            self.receive(&mut report.check)?;
            if slice.is_trip {
                self.send(report.sent, true)?;
                report.sent += 1;
            }
        }
        Ok(())
    }
}

impl Link for (Producer<Message>, Consumer<Message>) {
    #[inline]
    fn send(&mut self, number: u64, _: bool) -> Result<usize> {
        self.0.push(Message::numbered(number))?;
        Ok(size_of::<Message>())
    }

    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<()> {
        check.take(self.1.pop()?.number());
        Ok(())
    }
}

/// Frames, each made in a private buffer and copied into the ring, and copied out of it before it
/// is checked.
struct Frames {
    producer: FrameProducer,
    consumer: FrameConsumer,
    buffer: [u8; 256],
}

/// A frame is a checksum, a number, and some content.
impl Link for Frames {
    #[inline]
    fn send(&mut self, number: u64, is_trip: bool) -> Result<usize> {
        let length = match is_trip {
            true => size_of::<Message>(),
            false => 16 + (scramble(number) % 240) as usize,
        };
        let frame = &mut self.buffer[..length];
        frame[8..16].copy_from_slice(&number.to_le_bytes());
        frame[16..].fill(scramble(number) as u8);
        let sum = checksum(&frame[8..]);
        frame[..8].copy_from_slice(&sum.to_le_bytes());
        self.producer.push(frame)?;
        Ok(length)
    }

    #[inline]
    fn receive(&mut self, check: &mut Check) -> Result<()> {
        let length = self.consumer.pop(&mut self.buffer)?.len;
        let word = |at: usize| Some(u64::from_le_bytes(*self.buffer[at..length].first_chunk()?));
        let is_whole = word(0) == Some(checksum(&self.buffer[8..length]));
        check.take(word(8).filter(|_| is_whole));
        Ok(())
    }
}

/// A pipe or a socket in each direction. It takes as many bytes at once as there are.
pub(crate) struct Bytes<R, W>(pub(crate) R, pub(crate) W);

impl<R: Read, W: Write> Link for Bytes<R, W> {
    fn send(&mut self, number: u64, _: bool) -> Result<usize> {
        self.1.write_all(Message::numbered(number).as_bytes())?;
        Ok(size_of::<Message>())
    }

    fn receive(&mut self, check: &mut Check) -> Result<()> {
        let mut message = Message::new_zeroed();
        self.0.read_exact(message.as_mut_bytes())?;
        check.take(message.number());
        Ok(())
    }
}
