//! `quoit recv`: a ring to standard output.

use std::io::{self, IsTerminal, Write};

use clap::Args;

use super::send::Format;
use crate::interrupt::Interrupt;
use crate::output::{Output, failed};
use crate::patient::Patient;
use crate::progress::Progress;
use crate::ring::{self, RingArguments};
use crate::stop::Stop;

/// Takes frames out of a ring and writes them to standard output, until its producer
/// has left
///
/// It is the ring's consumer, and removes what it writes: to look at a ring, use
/// `quoit tail`. A frame that is in a pipe is delivered, also if the reader of the pipe
/// ends before it has read it, as `head` does.
///
/// It ends when the producer has left and all was read. Where there is neither a
/// producer nor anything to read, it waits for one. What could not be written
/// stays in the ring: if it ends early, the last few frames may come again at the
/// next start, and none is lost.
#[derive(Args)]
pub(crate) struct Recv {
    #[command(flatten)]
    ring: RingArguments,

    /// What becomes of a frame
    #[arg(long, value_enum, default_value_t = Format::Lines)]
    format: Format,
}

impl Recv {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut out = Patient::output(&interrupt)?;
        interrupt.watch(&out)?;
        let (ring, mut consumer) = self.ring.consumer()?;
        self.ring.tell_who_waits(&consumer, output);
        let wait = self.ring.receivers_wait(&consumer);
        let mut progress = Progress::new("received", io::stdout().is_terminal(), output);
        let drained = ring::drain(
            &mut consumer,
            |bytes, frame| self.format.write(bytes, frame),
            |bytes, _| out.write_all(bytes).map_err(failed()),
            wait,
            &interrupt,
            &mut progress,
        );
        let drained = drained.and_then(|()| self.ring.had_a_goodbye(&consumer));
        drop(consumer);
        self.ring.leave(&ring, drained, progress, output)
    }
}
