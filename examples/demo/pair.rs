//! The two endpoints as two processes.

use std::path::Path;
use std::process::Stdio;

use quoit::{Consumer, PopError, Producer, RingOptions};
use rustix::pipe::{PipeFlags, pipe_with};

use super::common::message::Message;
use super::common::process::Process;
use super::common::{MOMENT, Result, interrupt};
use super::endpoint::{Report, Slice};

/// Bytes that a ring holds: enough for one endpoint to continue while the other one is off its
/// core.
const BUFFER: u64 = 1 << 20;

/// The first and the second process. Dropping the pair ends both.
pub(crate) struct Pair([End; 2]);

struct End {
    process: Process,
    slices: Producer<Slice>,
    reports: Consumer<Report>,
}

impl Pair {
    /// Starts both. The files of all transports are in this directory.
    pub(crate) fn start(directory: &Path, cores: Option<[usize; 2]>) -> Result<Self> {
        for way in ["there", "back"] {
            let file = |shape| directory.join(format!("{shape}-{way}"));
            RingOptions::new(BUFFER / 32).create::<Message>(file("records"))?;
            RingOptions::new(BUFFER).create::<[u8]>(file("frames"))?;
        }
        let (there, near_output) = pipe_with(PipeFlags::CLOEXEC)?;
        let (back, far_output) = pipe_with(PipeFlags::CLOEXEC)?;
        let [near, far] = match cores {
            Some(cores) => cores.map(|core| core.to_string()),
            None => Default::default(),
        };
        let near = End::start(directory, ["near", &near], back.into(), near_output.into())?;
        let far = End::start(directory, ["far", &far], there.into(), far_output.into())?;
        Ok(Self([near, far]))
    }

    /// Does a slice; returns the totals of the two endpoints.
    pub(crate) fn run(&mut self, slice: Slice) -> Result<[Report; 2]> {
        // The second process first, so that it waits when the first message arrives.
        for end in self.0.iter_mut().rev() {
            end.slices.push(slice)?;
        }
        Ok([self.report(0)?, self.report(1)?])
    }

    fn report(&mut self, index: usize) -> Result<Report> {
        loop {
            interrupt::check()?;
            for end in &mut self.0 {
                // It has printed the reason to the standard error, which it shares with its parent.
                end.process.check()?;
            }
            match self.0[index].reports.pop_timeout(MOMENT) {
                Err(PopError::TimedOut | PopError::Abandoned) => {}
                report => return Ok(report?),
            }
        }
    }
}

impl End {
    fn start(
        directory: &Path,
        [side, core]: [&str; 2],
        input: Stdio,
        output: Stdio,
    ) -> Result<Self> {
        let file = |what| directory.join(format!("{side}-{what}"));
        let slices = RingOptions::new(1)
            .create::<Slice>(file("slices"))?
            .producer()?;
        let reports = RingOptions::new(1)
            .create::<Report>(file("reports"))?
            .consumer()?;
        let directory = directory
            .to_str()
            .ok_or("the directory has no name in UTF-8")?;
        let process = Process::spawn(&["end", side, directory, core], input, output)?;
        Ok(Self {
            process,
            slices,
            reports,
        })
    }
}
