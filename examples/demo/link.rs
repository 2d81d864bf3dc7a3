//! The ways to bring a numbered message to another process and back: two shapes of a ring, and a
//! stream of bytes. Each message is sent by one call.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use quoit::{Consumer, FrameConsumer, FrameProducer, Producer, RingOptions};
use zerocopy::{FromZeros, IntoBytes};

use super::common::message::{Message, scramble};
use super::common::{Result, interrupt};
use super::slices::Slice;
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
    let frames = (frames(out)?.producer()?, frames(back)?.consumer()?);
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
    /// Waits for the next message; fails if it is not this one, or not whole.
    fn receive(&mut self, number: u64, is_trip: bool) -> Result<()>;

    /// Sends the messages of a slice, and in round trips waits for each.
    fn ask(&mut self, slice: &Slice, row: &mut Row) -> Result<()> {
        for number in slice.numbers.clone() {
            interrupt::check()?;
            let begin = slice.is_trip.then(Instant::now);
            row.bytes += self.send(number, slice.is_trip)?;
            row.sent += 1;
            let Some(begin) = begin else { continue };
            self.receive(number, true)?;
            // The first one wakes the other process.
            if number > slice.numbers.start {
                row.trips.record(begin.elapsed().as_nanos() as u64)?;
            }
        }
        Ok(())
    }

    /// Verifies the messages of a slice, and in round trips returns each.
    fn answer(&mut self, slice: &Slice) -> Result<()> {
        for number in slice.numbers.clone() {
            self.receive(number, slice.is_trip)?;
            if slice.is_trip {
                self.send(number, true)?;
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
    fn receive(&mut self, number: u64, _: bool) -> Result<()> {
        self.1.pop()?.check(number)
    }
}

/// Frames, each made in a private buffer and copied into the ring, and copied out of it before it
/// is checked.
impl Link for (FrameProducer, FrameConsumer) {
    #[inline]
    fn send(&mut self, number: u64, is_trip: bool) -> Result<usize> {
        let (buffer, length) = frame(number, is_trip);
        self.0.push(&buffer[..length])?;
        Ok(length)
    }

    #[inline]
    fn receive(&mut self, number: u64, is_trip: bool) -> Result<()> {
        let mut buffer = [0; 256];
        let popped = self.1.pop(&mut buffer)?.len;
        let (wanted, length) = frame(number, is_trip);
        match buffer[..popped] == wanted[..length] {
            true => Ok(()),
            false => Err(format!("another frame is in place of frame {number}").into()),
        }
    }
}

/// The bytes of this frame, a message and its content, and how many they are.
#[inline]
fn frame(number: u64, is_trip: bool) -> ([u8; 256], usize) {
    let mut frame = [number as u8; 256];
    frame[..32].copy_from_slice(Message::numbered(number).as_bytes());
    let content = if is_trip { 0 } else { scramble(number) % 224 };
    (frame, 32 + content as usize)
}

/// A pipe or a socket in each direction. It takes as many bytes at once as there are.
pub(crate) struct Bytes<R, W>(pub(crate) R, pub(crate) W);

impl<R: Read, W: Write> Link for Bytes<R, W> {
    fn send(&mut self, number: u64, _: bool) -> Result<usize> {
        self.1.write_all(Message::numbered(number).as_bytes())?;
        Ok(size_of::<Message>())
    }

    fn receive(&mut self, number: u64, _: bool) -> Result<()> {
        let mut message = Message::new_zeroed();
        self.0.read_exact(message.as_mut_bytes())?;
        message.check(number)
    }
}
