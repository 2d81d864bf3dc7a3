//! `quoit bench`: rings beside what the system has, on this machine.

mod watched;

use std::env;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use crate::interrupt::Interrupt;
use crate::measure::bars::Report;
use crate::measure::child::{Child, Outcome};
use crate::measure::comparison::Comparison;
use crate::measure::machine::Machine;
use crate::measure::mechanisms::Task;
use crate::measure::page;
use crate::measure::placement::{Placement, allowed};
use crate::measure::progress::Progress;
use crate::mounts::SHARED_MEMORY;
use crate::output::Output;
use crate::stop::Stop;

/// Measures rings on this machine, beside what the system has
///
/// Round trips and streams between two processes. All take turns in short slices,
/// so that a busy machine slows all of them; what counts are the ratios. Takes
/// about two minutes. In the end a pair at full speed is watched by top and tail.
#[derive(Args)]
pub(crate) struct Bench {
    /// Take a tenth of the time, and be rougher
    #[arg(long)]
    quick: bool,

    /// The cores of the two processes, as in 2,3 [default: two of different cores]
    #[arg(long, value_name = "A,B", value_parser = pair)]
    cores: Option<Placement>,

    /// Write all figures as a page with pictures, which needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Where the ring lies that is a file on a disk [default: the directory for
    /// temporary files]
    #[arg(long, value_name = "DIR")]
    disk: Option<PathBuf>,
}

/// `2,3`
fn pair(text: &str) -> Result<Placement, String> {
    let cores: Vec<_> = text.split(',').map(|core| core.trim().parse()).collect();
    let [Ok(lead), Ok(partner)] = cores[..] else {
        return Err("two numbers, as in 2,3".to_owned());
    };
    let allowed = allowed().map_err(|error| error.to_string())?;
    match [lead, partner].iter().find(|core| !allowed.contains(core)) {
        Some(core) => Err(format!("core {core} is none of those allowed: {allowed:?}")),
        None if lead == partner => Err("each process needs a core of its own".to_owned()),
        None => Ok(Placement { lead, partner }),
    }
}

impl Bench {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let interrupt = Interrupt::listen()?;
        let mut machine = Machine::find().map_err(Stop::io("examine the machine"))?;
        if let Some(cores) = self.cores {
            machine = machine.on(cores);
        }
        let placement = machine.apart().ok_or_else(|| {
            let why = io::Error::other("two processes that spin want two CPUs");
            Stop::Io("measure".to_owned(), why)
        })?;
        // Before minutes of work, not after.
        if let Some(file) = &self.report {
            let opened = OpenOptions::new().create(true).append(true).open(file);
            opened.map_err(Stop::io(format!("write {}", file.display())))?;
        }
        let disk = self.disk.clone().unwrap_or_else(env::temp_dir);
        let [memory, disk] = [Path::new(SHARED_MEMORY), &disk].map(|place| {
            let directory = TempDir::with_prefix_in("quoit-bench-", place);
            directory.map_err(Stop::io(format!("write to {}", place.display())))
        });
        let (memory, disk) = (memory?, disk?);
        // Of its own, so that this one can clean up however that one ends. Signals end
        // this one alone, and that one with it.
        let worker = Child::fork(|_| {
            let [memory, disk] = [&memory, &disk].map(|directory| directory.path());
            self.measure(&machine, placement, [memory, disk], output.json)
        });
        let worker = worker.map_err(Stop::io("start a process"))?;
        interrupt.until(worker.control.as_fd(), libc::POLLIN)?;
        worker.succeed().map_err(Stop::io("measure"))
    }

    fn measure(
        &self,
        machine: &Machine,
        placement: Placement,
        [memory, disk]: [&Path; 2],
        as_json: bool,
    ) -> Outcome {
        let mut report = Report::default();
        report.silent = as_json;
        report.is_kept = self.report.is_some();
        let progress = if as_json {
            Progress::silent()
        } else {
            Progress::new()
        };
        report.say(machine.line());
        report.say("a time is a median of slices; a ratio, of ratios of slices of one round");
        report.figure("machine", machine.json());
        let mut comparison = Comparison {
            memory,
            disk,
            placement,
            quick: self.quick,
            report: &mut report,
            progress: &progress,
        };
        comparison.contest::<8>(Task::Trips, 8)?;
        comparison.single_trips::<8>()?;
        comparison.contest::<64>(Task::Streams, 256)?;
        comparison.contest::<1024>(Task::Streams, 256)?;
        watched::measure(memory, placement, self.quick, &mut report, &progress)?;
        let run = report.json(self.quick)?;
        if let Some(file) = &self.report {
            fs::write(file, page::page(&json!({"quoit bench": run})))?;
        }
        if as_json {
            report.silent = false;
            report.say(&run);
        }
        Ok(())
    }
}
