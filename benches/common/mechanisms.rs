//! The mechanisms that carry messages between two processes: those of the system, and
//! quoit. Each has the reasons for what it cannot carry.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use clap::ValueEnum;
use quoit::{DoorbellKind, RingOptions, WaitStrategy};
use rustix::fs::statfs;

use super::exchange::{self, Exchange, Link};
use super::interleaved::{Side, Variant};
use super::message::{Carrier, numbered};
use super::rings::Rings;
use super::{calls, eventfd, message_queue, signals, slot, sockets};

pub(crate) const PIPE: &str = "pipe";
pub(crate) const FIFO: &str = "FIFO";
pub(crate) const UNIX: &str = "Unix stream";
pub(crate) const UNIX_DATAGRAM: &str = "Unix datagram";
pub(crate) const TCP: &str = "TCP";
pub(crate) const UDP: &str = "UDP";
pub(crate) const MESSAGE_QUEUE: &str = "message queue";
pub(crate) const SLOT: &str = "semaphores, one slot";
pub(crate) const EVENTFD: &str = "eventfd";
pub(crate) const SIGNAL: &str = "signal with a value";
pub(crate) const SPINNING: &str = "quoit spinning";
pub(crate) const PARKED: &str = "quoit parked";
pub(crate) const SEMAPHORE: &str = "quoit parked, semaphore";
pub(crate) const FILE: &str = "quoit spinning, file";
pub(crate) const CALL: &str = "quoit::rpc spinning";

/// The figure of round trips that were timed one by one.
pub(crate) const SINGLE_TRIPS: &str = "single_trips_8";

/// The longest datagram of UDP over IPv4.
const LONGEST_DATAGRAM: usize = 65507;

/// The tasks of the mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// A round trip.
    Trips,
    /// Messages in one direction.
    Streams,
}

impl Task {
    /// The name of its figures with messages of this size.
    pub(crate) fn figure(self, size: usize) -> String {
        let task = match self {
            Self::Trips => "trips",
            Self::Streams => "streams",
        };
        format!("{task}_{size}")
    }
}

/// A mechanism for a task, or why there is none.
type Entry = (&'static str, Result<Box<dyn Variant>, String>);

/// The mechanisms for a task with messages of `SIZE` bytes, or really all of them. The rings are in
/// shared memory, and one is on a disk.
pub(crate) fn find<const SIZE: usize>(
    task: Task,
    all: bool,
    memory: &Path,
    disk: &Path,
) -> Vec<Entry> {
    let entries = Vec::new();
    let mut roster = Roster::<SIZE> { task, entries };
    let streams = |reason: &str| (task == Task::Streams).then(|| reason.to_owned());
    let above = |limit, reason: String| (SIZE > limit).then_some(reason);
    let file = |name| memory.join(format!("{}-{name}", task.figure(SIZE)));

    roster.carrier(PIPE, None, sockets::pipes);
    roster.carrier(UNIX, None, sockets::unix);
    roster.carrier(TCP, None, sockets::tcp);
    let too_long = format!("a datagram holds {LONGEST_DATAGRAM} bytes at most");
    let lossy = streams("drops datagrams that the receiver has no room for");
    let obstacle = lossy.or(above(LONGEST_DATAGRAM, too_long));
    roster.carrier(UDP, obstacle, sockets::udp);
    if all {
        roster.carrier(FIFO, None, || sockets::fifos(&file(FIFO)));
        roster.carrier(UNIX_DATAGRAM, None, sockets::unix_datagrams);
        let limit = longest_queued();
        let too_long = above(limit, format!("msgsize_max is {limit} bytes here"));
        roster.carrier(MESSAGE_QUEUE, too_long, || message_queue::wire(SIZE));
        roster.carrier(SLOT, None, || slot::wire(&file(SLOT), SIZE));
        let number = above(8, "carries a number of 8 bytes".to_owned());
        let sum = streams("adds unread numbers up").or(number.clone());
        roster.link(EVENTFD, sum, eventfd::wire);
        let full = streams("a full queue is an error, not a wait").or(number);
        roster.link(SIGNAL, full, signals::wire);
    }

    let capacity = match SIZE {
        8 => 1024,
        _ => (16 * SIZE as u64).next_power_of_two().max(1 << 16),
    };
    let options = RingOptions::new(capacity).prefault(true);
    let spinning = options.clone().wait_strategy(WaitStrategy::Spin);
    let parked = options.spin(Duration::ZERO);
    let semaphore = parked.clone().doorbell(DoorbellKind::Semaphore);
    roster.ring(SPINNING, None, memory, &spinning);
    roster.ring(PARKED, None, memory, &parked);
    roster.ring(SEMAPHORE, None, memory, &semaphore);
    let no_disk = is_in_memory(disk).then(|| "is in memory: use --disk".to_owned());
    roster.ring(FILE, no_disk, disk, &spinning);
    let name = format!("{}-{CALL}", task.figure(SIZE));
    let rings = Rings::new(memory).link(&name, &spinning);
    let calls = || Ok(calls::wire::<SIZE>(rings));
    roster.link(CALL, streams("a call is a round trip"), calls);
    roster.entries
}

struct Roster<const SIZE: usize> {
    task: Task,
    entries: Vec<Entry>,
}

impl<const SIZE: usize> Roster<SIZE> {
    fn link<L: Link + 'static, O: FnMut(Side) -> L + 'static>(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        wire: impl FnOnce() -> io::Result<O>,
    ) {
        let task = match self.task {
            Task::Trips => exchange::Task::RoundTrip,
            Task::Streams => exchange::Task::Delivery,
        };
        let variant = match obstacle {
            Some(reason) => Err(reason),
            None => wire().map_err(|error| error.to_string()),
        };
        let variant =
            variant.map(|open| -> Box<dyn Variant> { Box::new(Exchange::new(task, name, open)) });
        self.entries.push((name, variant));
    }

    fn carrier<C: Carrier + 'static, O: FnMut(Side) -> C + 'static>(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        wire: impl FnOnce() -> io::Result<O>,
    ) {
        self.link(name, obstacle, || Ok(numbered::<SIZE, C>(wire()?)));
    }

    /// Records for eight bytes, frames for more.
    fn ring(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        directory: &Path,
        options: &RingOptions,
    ) {
        let (rings, file) = (
            Rings::new(directory),
            format!("{}-{name}", self.task.figure(SIZE)),
        );
        match SIZE {
            8 => self.link(name, obstacle, || Ok(rings.link::<u64>(&file, options))),
            _ => self.carrier(name, obstacle, || Ok(rings.link::<[u8]>(&file, options))),
        }
    }
}

/// The system's limit for a message of a message queue.
fn longest_queued() -> usize {
    let limit = fs::read_to_string("/proc/sys/fs/mqueue/msgsize_max");
    let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
    limit.unwrap_or(8192)
}

/// Whether a directory is not on a disk.
fn is_in_memory(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|system| system.f_type == libc::TMPFS_MAGIC)
}
