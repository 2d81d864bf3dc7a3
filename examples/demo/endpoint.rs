//! One endpoint of every transport: a process that works in slices. Its parent describes each slice
//! in a ring, and the endpoint answers with what it has done so far.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use hdrhistogram::Histogram;
use quoit::{Consumer, Producer, RingOptions};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::common::check::Check;
use super::common::message::Message;
use super::common::{Result, cores};
use super::link::{Frames, Link, mixed_length};

pub(crate) const TRANSPORTS: [&str; 4] = ["records", "frames", "pipe", "socket"];

/// A slice of the work.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Slice {
    /// The index of the transport.
    pub(crate) transport: usize,
    /// 0: the first process sends, the second receives. 1: the first one sends a message, and waits
    /// until it is back.
    pub(crate) there_and_back: usize,
    pub(crate) count: u64,
}

/// What an endpoint has sent, received and measured with a transport since it began.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Report {
    pub(crate) sent: u64,
    pub(crate) check: Check,
    /// Messages that arrived while the clock ran, their bytes, and the time.
    pub(crate) timed: u64,
    pub(crate) bytes: u64,
    pub(crate) nanoseconds: u64,
    /// How many round trips were timed, and the nanoseconds that these parts of them did not exceed.
    pub(crate) trips: u64,
    pub(crate) trip_nanoseconds: [u64; PARTS.len()],
}

pub(crate) const PARTS: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

/// Works in slices until the parent sends no more. In round trips over a ring it stays on its core.
pub(crate) fn run(side: &str, directory: &str, core: &str) -> Result<()> {
    let allowed = cores::allowed()?;
    let core = core.parse().ok();
    let is_near = side == "near";
    let directory = Path::new(directory);
    let mut slices = Consumer::<Slice>::open(directory.join(format!("{side}-slices")))?;
    let mut reports = Producer::<Report>::open(directory.join(format!("{side}-reports")))?;

    let options = RingOptions::default().prefault(true);
    let path = |shape, sends| {
        let way = if sends == is_near { "there" } else { "back" };
        directory.join(format!("{shape}-{way}"))
    };
    let producer = options.open::<Message>(path("records", true))?.producer()?;
    let consumer = options
        .open::<Message>(path("records", false))?
        .consumer()?;
    let mut records = (producer, consumer);
    let mut frames = Frames {
        producer: options.open::<[u8]>(path("frames", true))?.producer()?,
        consumer: options.open::<[u8]>(path("frames", false))?.consumer()?,
        length: mixed_length,
        buffer: [0; 256],
    };
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut pipe = (BufReader::with_capacity(1 << 16, input), output);
    let socket = socket(is_near, &directory.join("socket"))?;
    let mut socket = (
        BufReader::with_capacity(1 << 16, socket.try_clone()?),
        socket,
    );

    let mut totals = vec![(Report::default(), Histogram::new(3)?); 2 * TRANSPORTS.len()];
    for slice in &mut slices {
        let is_round_trip = slice.there_and_back == 1;
        let is_ring = slice.transport < 2;
        match core.filter(|_| is_round_trip && is_ring) {
            Some(core) => cores::stay_on(core)?,
            None => cores::stay_on_any(&allowed)?,
        }
        frames.length = if is_round_trip {
            |_| size_of::<Message>()
        } else {
            mixed_length
        };
        let (report, trips) = &mut totals[2 * slice.transport + slice.there_and_back];
        match slice.transport {
            0 => work(&mut records, slice, is_near, report, trips)?,
            1 => work(&mut frames, slice, is_near, report, trips)?,
            2 => work(&mut pipe, slice, is_near, report, trips)?,
            _ => work(&mut socket, slice, is_near, report, trips)?,
        }
        report.trips = trips.len();
        report.trip_nanoseconds = PARTS.map(|part| trips.value_at_quantile(part));
        reports.push(*report)?;
    }
    Ok(())
}

/// A socket between the two. The second process listens.
fn socket(is_near: bool, path: &Path) -> io::Result<UnixStream> {
    if !is_near {
        return Ok(UnixListener::bind(path)?.accept()?.0);
    }
    loop {
        match UnixStream::connect(path) {
            Err(_) => thread::yield_now(),
            connected => return connected,
        }
    }
}

/// The endpoint's part of a slice.
fn work(
    link: &mut impl Link,
    slice: Slice,
    is_near: bool,
    report: &mut Report,
    trips: &mut Histogram<u64>,
) -> Result<()> {
    match (slice.there_and_back, is_near) {
        (0, true) => {
            for _ in 0..slice.count {
                link.send(report.sent)?;
                report.sent += 1;
            }
        }
        // The clock runs from the first message to the last.
        (0, false) => {
            link.receive(&mut report.check)?;
            let start = Instant::now();
            for _ in 1..slice.count {
                report.bytes += link.receive(&mut report.check)? as u64;
            }
            report.nanoseconds += start.elapsed().as_nanos() as u64;
            report.timed += slice.count - 1;
        }
        // The clock runs from the end of the first trip: both endpoints are busy then.
        (_, true) => {
            let mut start = None;
            for _ in 0..slice.count {
                link.send(report.sent)?;
                report.sent += 1;
                link.receive(&mut report.check)?;
                let end = Instant::now();
                if let Some(start) = start.replace(end) {
                    trips.record((end - start).as_nanos() as u64)?;
                }
            }
        }
        (_, false) => {
            for _ in 0..slice.count {
                link.receive(&mut report.check)?;
                link.send(report.sent)?;
                report.sent += 1;
            }
        }
    }
    Ok(())
}
