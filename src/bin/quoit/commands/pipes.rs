//! `quoit send`: standard input to a ring, and `quoit recv`: a ring to standard output.

use std::io::{self, IsTerminal};
use std::ops::Range;

use clap::{Args, ValueEnum};
use quoit::observer::Message;

use crate::ends::{Progress, Source, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::ring::{Kind, RingArguments};
use crate::standard::{Patient, Standard};
use crate::stop::{Code, Stop};

/// Sends standard input to a ring
///
/// It ends when all input is in the ring. While the ring is full, it waits for the
/// consumer, or for one to attach. If the consumer closes or crashes and leaves the ring
/// full, it fails with exit code 5.
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

/// How messages are placed in a stream of bytes.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// A line, without its newline
    Lines,
    /// A length (32 bits, little-endian), and that many bytes
    Frames,
    /// Any piece of the stream; of records, as many bytes as one has
    Raw,
}

impl Send {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let input = Standard::Input.open(Some(&interrupt))?;
        let progress = Progress::new("sent", io::stdin().is_terminal(), &interrupt, output);
        self.ring.send(Kind::FRAMES, progress, |sink, progress| {
            let (longest, piece) = sink.lengths();
            let mut input = Input {
                input,
                format: Format::chosen(self.format, sink.record().is_some()),
                longest,
                piece,
                record: sink.record(),
                buffer: vec![0; 65536],
                unread: 0..0,
                offset: 0,
                messages: 0,
                message: Vec::new(),
            };
            while input.read()? {
                sink.push(0, &input.message, progress)?;
            }
            Ok(())
        })
    }
}

/// A stream of bytes, and what was read of it.
struct Input<'a> {
    input: Patient<'a>,
    format: Format,
    /// Bytes of the longest message, of a piece, and of a record.
    longest: usize,
    piece: usize,
    record: Option<usize>,
    buffer: Vec<u8>,
    /// What is in the buffer and was not taken.
    unread: Range<usize>,
    offset: u64,
    messages: u64,
    message: Vec<u8>,
}

impl Input<'_> {
    /// Some bytes that are next, which stay; none at the end.
    fn some(&mut self) -> Result<&[u8], Stop> {
        if self.unread.is_empty() {
            self.unread = 0..self.input.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    /// Takes bytes, at most this many and up to the one that ends them; how many.
    fn take(&mut self, most: usize, last: Option<u8>) -> Result<usize, Stop> {
        let mut taken = 0;
        while taken < most {
            let some = self.some()?;
            let some = &some[..some.len().min(most - taken)];
            let end = last.and_then(|last| some.iter().position(|&byte| byte == last));
            let count = end.map_or(some.len(), |end| end + 1);
            let start = self.unread.start;
            self.message
                .extend_from_slice(&self.buffer[start..start + count]);
            self.unread.start += count;
            taken += count;
            if end.is_some() || count == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Takes this many bytes; an error if there are fewer but some, or some are before.
    fn take_all(&mut self, what: &str, length: usize, before: usize) -> Result<usize, Stop> {
        // One that is too long is cut, and the ring refuses it.
        let wanted = length.min(self.longest.max(LENGTH) + 1);
        let found = self.take(wanted, None)?;
        if found == wanted || found + before == 0 {
            return Ok(found);
        }
        let (number, offset) = (self.messages + 1, self.offset);
        let missing = length - found;
        let text = format!(
            "could not read standard input: it ends within message {number}, which begins at \
             byte {offset}: {what} has {length} bytes, and {missing} of them are missing"
        );
        Err(Stop::new(Code::Refused, text))
    }

    /// Reads the next message; false at the end.
    fn read(&mut self) -> Result<bool, Stop> {
        self.message.clear();
        let found = match (self.format, self.record) {
            (Format::Lines, _) => {
                let found = self.take(self.longest + 2, Some(b'\n'))?;
                if self.message.last() == Some(&b'\n') {
                    self.message.pop();
                }
                found
            }
            (Format::Frames, _) => {
                self.take_all("its length", LENGTH, 0)?;
                match <[u8; LENGTH]>::try_from(&self.message[..]) {
                    Ok(length) => {
                        self.message.clear();
                        let length = u32::from_le_bytes(length) as usize;
                        LENGTH + self.take_all("the frame", length, LENGTH)?
                    }
                    Err(_) => 0,
                }
            }
            (Format::Raw, Some(size)) => self.take_all("the record", size, 0)?,
            (Format::Raw, None) => {
                let count = self.some()?.len().min(self.piece);
                self.take(count, None)?
            }
        };
        self.offset += found as u64;
        self.messages += u64::from(found > 0);
        Ok(found > 0)
    }
}

impl Format {
    /// What was asked for, or what suits the ring.
    pub(crate) fn chosen(asked: Option<Self>, is_of_records: bool) -> Self {
        asked.unwrap_or(match is_of_records {
            true => Self::Raw,
            false => Self::Lines,
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

/// Takes the consumer's role, and removes what it reads (`tail` only shows it)
///
/// It writes messages to standard output, until the producer has closed and all was read.
/// Where there is neither a producer nor anything to read, it waits for one.
///
/// What was not delivered stays in the ring: if it ends early, the last few messages
/// may be delivered again at the next start, and none is lost. From a pipe they are delivered
/// when its reader has read them; so `recv NAME | head -n 3` removes three.
#[derive(Args)]
pub(crate) struct Recv {
    #[command(flatten)]
    ring: RingArguments,

    /// How messages are written [default: lines of frames, raw of records]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// This many messages are written to a pipe alone, each: a reader such as `head` ends after
/// a few.
const ALONE: usize = 64;
/// Messages that are written together at most.
const MOST: usize = 256;

/// Messages for standard output that are not delivered yet.
struct Stream<'a> {
    out: Patient<'a>,
    format: Format,
    bytes: Vec<u8>,
    count: usize,
}

impl Taker for Stream<'_> {
    fn most(&self) -> usize {
        match self.out.is_pipe {
            true => (self.count / ALONE).clamp(1, MOST),
            false => MOST,
        }
    }

    fn take(&mut self, message: &Message) -> Result<(), Stop> {
        self.format.write(&mut self.bytes, &message.bytes);
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.out.write_all(&self.bytes)?;
        self.out.delivered()?;
        self.bytes.clear();
        Ok(())
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

impl Recv {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let out = Standard::Output.open(Some(&interrupt))?;
        interrupt.watch(&out)?;
        let progress = Progress::new("received", io::stdout().is_terminal(), &interrupt, output);
        let begin = |source: &Source| {
            Ok(Stream {
                out,
                format: Format::chosen(self.format, source.is_of_records()),
                bytes: Vec::new(),
                count: 0,
            })
        };
        self.ring.receive(begin, progress)
    }
}
