//! `quoit recv`: a ring to standard output.

use std::io::{self, IsTerminal};

use clap::Args;

use super::send::Format;
use crate::ends::{BATCH, Taken, Taker};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::patient::Patient;
use crate::progress::Progress;
use crate::ring::RingArguments;
use crate::stop::Stop;

/// Takes the consumer's role, and removes what it reads; to look, use `tail`
///
/// It writes messages to standard output, until the producer has left and all was read.
/// Where there is neither a producer nor anything to read, it waits for one.
///
/// What was not delivered stays in the ring: if it ends early, the last few messages
/// may come again at the next start, and none is lost. From a pipe they are delivered
/// when its reader has read them; so `recv NAME | head -n 3` removes three.
#[derive(Args)]
pub(crate) struct Recv {
    #[command(flatten)]
    ring: RingArguments,

    /// What becomes of a message [default: lines of frames, raw of records]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// So many messages go to a pipe alone, each: a reader such as `head` ends after a few.
const ALONE: u64 = 64;

/// Messages on their way to standard output.
struct Stream<'a> {
    out: Patient<'a>,
    format: Format,
    bytes: Vec<u8>,
    /// Messages of a batch, and of all before.
    count: u64,
    before: u64,
}

impl Taker for Stream<'_> {
    fn take(&mut self, taken: &Taken<'_>) -> Result<bool, Stop> {
        self.format.write(&mut self.bytes, taken.bytes);
        self.count += 1;
        let most = match self.out.is_pipe() {
            true => (self.before / ALONE).max(1),
            false => u64::MAX,
        };
        Ok(self.bytes.len() < BATCH && self.count < most)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.out.write_all(&self.bytes)?;
        self.out.delivered()?;
        self.bytes.clear();
        self.before += self.count;
        self.count = 0;
        Ok(())
    }
}

impl Recv {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let (ring, mut source) = self.ring.consumer()?;
        self.ring.tell_who_waits(&source, output);
        let wait = self.ring.receivers_wait(&source);
        let mut progress = Progress::new("received", io::stdout().is_terminal(), output);
        let mut stream = Stream {
            out,
            format: Format::chosen(self.format, source.record()),
            bytes: Vec::new(),
            count: 0,
            before: 0,
        };
        let drained = source.drain(&mut stream, wait, &interrupt, &mut progress);
        let drained = drained.and_then(|()| self.ring.had_a_goodbye(&source));
        drop(source);
        self.ring.leave(&ring, drained, progress, output)
    }
}
