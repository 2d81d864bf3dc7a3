//! One end: a process that does, slice by slice, what its parent says.
//!
//! The parent writes a number of messages to the standard input, for each
//! slice a line; the end answers each with a line that is a [`Report`].

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use quoit::{RingOptions, Shape};

use super::common::message::Message;
use super::cores;
use super::frame::mixed_length;
use super::link::{ByteInlet, ByteOutlet, FrameInlet, FrameOutlet, Inlet, Outlet, Result};
use super::report::Report;

/// What brings the messages over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Slots,
    Frames,
    Pipe,
    Socket,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Slots, Self::Frames, Self::Pipe, Self::Socket];

    pub(crate) fn is_ring(self) -> bool {
        matches!(self, Self::Slots | Self::Frames)
    }
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// The near end sends, the far end receives.
    OneWay,
    /// The near end sends one message, and waits until it is back.
    RoundTrip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    Near,
    /// Makes what both endpoints need, says so, and answers.
    Far,
}

/// The arguments of an endpoint.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct End {
    pub(crate) transport: Transport,
    pub(crate) task: Task,
    pub(crate) side: Side,
    /// Where the names are.
    pub(crate) directory: PathBuf,
    /// The core to stay on.
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

/// Bytes that a ring holds: enough for one end to go on for a while when the
/// other one is off its core.
const BUFFER: u64 = 1 << 20;

impl End {
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(core) = self.core {
            cores::stay_on(core)?;
        }
        match self.transport {
            Transport::Slots => {
                let (producer, consumer) = self.rings::<Message>(BUFFER / 32)?;
                self.serve(producer, consumer)
            }
            Transport::Frames => {
                let (producer, consumer) = self.rings::<[u8]>(BUFFER)?;
                let length = match self.task {
                    Task::OneWay => mixed_length,
                    Task::RoundTrip => |_| size_of::<Message>(),
                };
                let buffer = [0; 256];
                let outlet = FrameOutlet {
                    producer,
                    length,
                    buffer,
                };
                self.serve(outlet, FrameInlet { consumer, buffer })
            }
            Transport::Pipe => {
                let (write, read) = self.pipes()?;
                self.serve(ByteOutlet(write), ByteInlet::new(read))
            }
            Transport::Socket => {
                let socket = self.socket()?;
                self.serve(ByteOutlet(socket.try_clone()?), ByteInlet::new(socket))
            }
        }
    }

    /// Two rings, one for each direction.
    fn rings<T: Shape + ?Sized>(&self, capacity: u64) -> Result<(T::Producer, T::Consumer)> {
        let options = RingOptions::new(capacity).prefault(true);
        let (there, back) = (self.path("there"), self.path("back"));
        match self.side {
            Side::Far => {
                let consumer = options.create::<T>(there)?.consumer()?;
                let producer = options.create::<T>(back)?.producer()?;
                say_ready();
                Ok((producer, consumer))
            }
            Side::Near => {
                let producer = options.open::<T>(there)?.producer()?;
                let consumer = options.open::<T>(back)?.consumer()?;
                Ok((producer, consumer))
            }
        }
    }

    /// Two pipes, one for each direction.
    fn pipes(&self) -> Result<(File, File)> {
        let (there, back) = (self.path("there"), self.path("back"));
        let (mut read, mut write) = (OpenOptions::new(), OpenOptions::new());
        read.read(true);
        write.write(true);
        // Opening waits for the peer, so both open in the same order.
        match self.side {
            Side::Far => {
                make_pipe(&there)?;
                make_pipe(&back)?;
                say_ready();
                let incoming = read.open(there)?;
                Ok((write.open(back)?, incoming))
            }
            Side::Near => Ok((write.open(there)?, read.open(back)?)),
        }
    }

    /// A socket, which has both directions.
    fn socket(&self) -> Result<UnixStream> {
        let path = self.path("socket");
        match self.side {
            Side::Far => {
                let listener = UnixListener::bind(path)?;
                say_ready();
                Ok(listener.accept()?.0)
            }
            Side::Near => Ok(UnixStream::connect(path)?),
        }
    }

    fn path(&self, way: &str) -> PathBuf {
        let words = [word(self.transport), word(self.task), way.to_owned()];
        self.directory.join(words.join("-"))
    }

    /// Does slices until the parent has no more.
    fn serve(&self, mut outlet: impl Outlet, mut inlet: impl Inlet) -> Result<()> {
        let mut report = Report::new();
        for line in io::stdin().lines() {
            let count: u64 = line?.parse()?;
            match (self.task, self.side) {
                (Task::OneWay, Side::Near) => send(count, &mut outlet, &mut report)?,
                (Task::OneWay, Side::Far) => receive(count, &mut inlet, &mut report)?,
                (Task::RoundTrip, Side::Near) => {
                    ask(count, &mut outlet, &mut inlet, &mut report)?;
                }
                (Task::RoundTrip, Side::Far) => {
                    answer(count, &mut outlet, &mut inlet, &mut report)?;
                }
            }
            say!("{report}");
        }
        Ok(())
    }
}

fn send(count: u64, outlet: &mut impl Outlet, report: &mut Report) -> Result<()> {
    for _ in 0..count {
        outlet.send(report.sent)?;
        report.sent += 1;
    }
    Ok(())
}

/// The clock runs from the first message to the last.
fn receive(count: u64, inlet: &mut impl Inlet, report: &mut Report) -> Result<()> {
    inlet.receive(&mut report.check)?;
    let start = Instant::now();
    for _ in 1..count {
        report.bytes += inlet.receive(&mut report.check)? as u64;
    }
    report.time += start.elapsed();
    report.timed += count - 1;
    Ok(())
}

/// The clock runs from the end of the first trip: both endpoints are awake then.
fn ask(
    count: u64,
    outlet: &mut impl Outlet,
    inlet: &mut impl Inlet,
    report: &mut Report,
) -> Result<()> {
    let mut start = None;
    for _ in 0..count {
        outlet.send(report.sent)?;
        report.sent += 1;
        inlet.receive(&mut report.check)?;
        let end = Instant::now();
        if let Some(start) = start {
            let trip: Duration = end - start;
            report.round_trips.record(trip.as_nanos() as u64)?;
        }
        start = Some(end);
    }
    Ok(())
}

fn answer(
    count: u64,
    outlet: &mut impl Outlet,
    inlet: &mut impl Inlet,
    report: &mut Report,
) -> Result<()> {
    for _ in 0..count {
        inlet.receive(&mut report.check)?;
        outlet.send(report.sent)?;
        report.sent += 1;
    }
    Ok(())
}

/// The word on the command line.
pub(crate) fn word(value: impl ValueEnum) -> String {
    let possible = value.to_possible_value();
    possible.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn say_ready() {
    say!("ready");
}

fn make_pipe(path: &Path) -> Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` is a C string.
    let made = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    if made == -1 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}
