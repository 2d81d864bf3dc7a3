//! `quoit recv`: a ring to standard output.

use std::io::{self, IsTerminal};

use clap::Args;
use quoit::observer::Message;

use super::send::Format;
use crate::ends::{Source, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::progress::Progress;
use crate::ring::RingArguments;
use crate::stop::Stop;

/// Takes the consumer's role, and removes what it reads; to look, use `tail`
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

/// Messages on their way to standard output.
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
        let out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let progress = Progress::new("received", io::stdout().is_terminal(), output);
        let begin = |source: &Source| {
            Ok(Stream {
                out,
                format: Format::chosen(self.format, source.is_of_records()),
                bytes: Vec::new(),
                count: 0,
            })
        };
        self.ring.receive(begin, (&interrupt, progress), output)
    }
}
