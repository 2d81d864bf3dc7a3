//! `quoit send`: standard input to a ring.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::progress::Progress;
use crate::ring::{Kind, RingArguments};
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

    /// What a message is [default: lines into frames, raw into records]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Bytes of a message's length in a stream.
const LENGTH: usize = 4;

/// How messages lie in a stream of bytes.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// A line, without its newline
    Lines,
    /// A length (32 bits, little-endian), and so many bytes
    Frames,
    /// Any piece of the stream; of records, as many bytes as one has
    Raw,
}

impl Send {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let input = Patient::input(&interrupt)?;
        let (ring, mut sink) = self.ring.producer(Kind::FRAMES)?;
        let mut progress = Progress::new("sent", io::stdin().is_terminal(), output);
        let format = Format::chosen(self.format, sink.record());
        let mut input = Input {
            input,
            buffer: vec![0; 65536],
            at: 0,
            end: 0,
            offset: 0,
            messages: 0,
        };
        let mut message = Vec::new();
        let wait = self.ring.senders_wait(&sink);
        let ended = loop {
            message.clear();
            let (longest, piece) = (sink.longest(), sink.piece());
            match input.read(format, &mut message, longest, piece, sink.record()) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(stop) => break Err(stop),
            }
            let pushed = sink.push((0, &message), wait, &interrupt, &mut progress);
            if let Err(stop) = pushed {
                break Err(stop);
            }
        };
        drop(sink);
        self.ring.leave(&ring, ended, progress, output)
    }
}

/// A stream of bytes, and what was read of it.
struct Input<'a> {
    input: Patient<'a>,
    buffer: Vec<u8>,
    /// What is in the buffer and was not taken.
    at: usize,
    end: usize,
    offset: u64,
    messages: u64,
}

impl Input<'_> {
    /// Some bytes that come next, which stay; none at the end.
    fn some(&mut self) -> Result<&[u8], Stop> {
        if self.at == self.end {
            self.at = 0;
            self.end = self.input.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..self.end])
    }

    /// Takes bytes, up to so many and up to the one that ends them; how many.
    fn take(&mut self, to: &mut Vec<u8>, most: usize, last: Option<u8>) -> Result<usize, Stop> {
        let mut taken = 0;
        while taken < most {
            let some = self.some()?;
            let some = &some[..some.len().min(most - taken)];
            let end = last.and_then(|last| some.iter().position(|&byte| byte == last));
            let count = end.map_or(some.len(), |end| end + 1);
            to.extend_from_slice(&some[..count]);
            self.at += count;
            taken += count;
            if end.is_some() || count == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Reads the next message; false at the end. One that is too long is cut
    /// somewhere beyond `longest`, and the ring refuses it.
    fn read(
        &mut self,
        format: Format,
        message: &mut Vec<u8>,
        longest: usize,
        piece: usize,
        record: Option<usize>,
    ) -> Result<bool, Stop> {
        let found = match (format, record) {
            (Format::Lines, _) => {
                let found = self.take(message, longest + 2, Some(b'\n'))?;
                if message.last() == Some(&b'\n') {
                    message.pop();
                }
                found
            }
            (Format::Frames, _) => {
                let found = self.take(message, LENGTH, None)?;
                let Ok(length) = <[u8; LENGTH]>::try_from(&message[..]) else {
                    return match found {
                        0 => Ok(false),
                        _ => Err(self.cut("its length", LENGTH, found)),
                    };
                };
                message.clear();
                let length = u32::from_le_bytes(length) as usize;
                let wanted = length.min(longest + 1);
                let found = self.take(message, wanted, None)?;
                if found < wanted {
                    return Err(self.cut("the frame", length, found));
                }
                LENGTH + found
            }
            (Format::Raw, Some(size)) => match self.take(message, size, None)? {
                found @ 1.. if found < size => return Err(self.cut("the record", size, found)),
                found => found,
            },
            (Format::Raw, None) => {
                let count = self.some()?.len().min(piece);
                self.take(message, count, None)?
            }
        };
        self.offset += found as u64;
        self.messages += u64::from(found > 0);
        Ok(found > 0)
    }

    /// The input ends in the middle of something that begins with the message, or after
    /// its length.
    fn cut(&self, what: &str, length: usize, found: usize) -> Stop {
        let (number, offset) = (self.messages + 1, self.offset);
        let missing = length - found;
        Stop::CutInput(format!(
            "it ends within message {number}, which begins at byte {offset}: {what} has {length} bytes, and {missing} of them are missing"
        ))
    }
}

impl Format {
    /// What was asked for, or what suits the ring.
    pub(crate) fn chosen(asked: Option<Self>, record: Option<usize>) -> Self {
        asked.unwrap_or(match record {
            Some(_) => Self::Raw,
            None => Self::Lines,
        })
    }

    /// Adds a message to a stream.
    pub(crate) fn write(self, bytes: &mut Vec<u8>, message: &[u8]) {
        if let Self::Frames = self {
            // A frame's length is 32 bits in the ring, too.
            bytes.extend((message.len() as u32).to_le_bytes());
        }
        bytes.extend_from_slice(message);
        if let Self::Lines = self {
            bytes.push(b'\n');
        }
    }
}
