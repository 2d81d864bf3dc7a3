//! `quoit send`: standard input to a ring.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use clap::{Args, ValueEnum};
use quoit::FrameView;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::progress::Progress;
use crate::ring::{self, RingArguments};
use crate::stop::Stop;

/// Sends standard input to a ring
///
/// It ends when all of it is in the ring. If the ring fills up, it waits for its
/// consumer, or for one to come; if that leaves with the ring full, it gives up
/// (exit code 5).
#[derive(Args)]
pub(crate) struct Send {
    #[command(flatten)]
    ring: RingArguments,

    /// What a frame is
    #[arg(long, value_enum, default_value_t = Format::Lines)]
    format: Format,
}

/// Bytes of a frame's length in a stream.
const LENGTH: usize = 4;

/// How frames lie in a stream of bytes.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// A line, without its newline
    Lines,
    /// A length (32 bits, little-endian), and so many bytes
    Frames,
    /// Any piece of the stream, which has no boundaries
    Raw,
}

impl Send {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let input = Patient::input(&interrupt)?;
        let (ring, mut producer) = self.ring.producer(None)?;
        let mut progress = Progress::new("sent", io::stdin().is_terminal(), output);
        // As `FrameProducer::writer` does it: four frames fill a lap.
        let most = (producer.capacity() / 4 - 8) as usize;
        let longest = producer.max_frame_len();
        let mut input = Input {
            input: BufReader::with_capacity(65536, input),
            offset: 0,
            frames: 0,
        };
        let mut frame = Vec::new();
        let wait = self.ring.senders_wait(&producer);
        let ended = loop {
            frame.clear();
            match input.read(self.format, &mut frame, longest, most) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(Stop::io("read standard input")(error)),
            }
            let frame = (0, &frame[..]);
            let pushed = ring::push(&mut producer, frame, wait, &interrupt, &mut progress);
            if let Err(stop) = pushed {
                break Err(stop);
            }
        };
        drop(producer);
        self.ring.leave(&ring, ended, progress, output)
    }
}

/// A stream of bytes, and what was read of it.
struct Input<R> {
    input: R,
    offset: u64,
    frames: u64,
}

impl<R: BufRead> Input<R> {
    /// Reads the next frame; false at the end. One that is too long is cut
    /// somewhere beyond `longest`, and the ring refuses it.
    fn read(
        &mut self,
        format: Format,
        frame: &mut Vec<u8>,
        longest: usize,
        most: usize,
    ) -> io::Result<bool> {
        let input = &mut self.input;
        let found = match format {
            Format::Lines => {
                let found = input.take(longest as u64 + 2).read_until(b'\n', frame)?;
                if frame.last() == Some(&b'\n') {
                    frame.pop();
                }
                found
            }
            Format::Frames => {
                let found = input.take(LENGTH as u64).read_to_end(frame)?;
                let Ok(length) = <[u8; LENGTH]>::try_from(&frame[..]) else {
                    return match found {
                        0 => Ok(false),
                        _ => Err(self.cut("its length", LENGTH, found)),
                    };
                };
                frame.clear();
                let length = u32::from_le_bytes(length) as usize;
                let wanted = length.min(longest + 1);
                let found = input.take(wanted as u64).read_to_end(frame)?;
                if found < wanted {
                    return Err(self.cut("the frame", length, found));
                }
                LENGTH + found
            }
            Format::Raw => {
                let found = input.fill_buf()?;
                let count = found.len().min(most);
                frame.extend_from_slice(&found[..count]);
                input.consume(count);
                count
            }
        };
        self.offset += found as u64;
        self.frames += u64::from(found > 0);
        Ok(found > 0)
    }

    /// The input ends in the middle of something that begins with the frame, or after
    /// its length.
    fn cut(&self, what: &str, length: usize, found: usize) -> io::Error {
        let (number, offset) = (self.frames + 1, self.offset);
        let missing = length - found;
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!(
                "it ends within frame {number}, which begins at byte {offset}: {what} has {length} bytes, and {missing} of them are missing"
            ),
        )
    }
}

impl Format {
    /// Adds a frame to a stream.
    pub(crate) fn write(self, bytes: &mut Vec<u8>, frame: &FrameView<'_>) {
        if let Self::Frames = self {
            // A frame's length is 32 bits in the ring, too.
            bytes.extend((frame.len() as u32).to_le_bytes());
        }
        frame.append_to(bytes);
        if let Self::Lines = self {
            bytes.push(b'\n');
        }
    }
}
