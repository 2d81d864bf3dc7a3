//! The mechanisms that carry messages between two processes: those of the system, and
//! quoit. Each has the reasons for what it cannot carry.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use quoit::{DoorbellKind, RingOptions, WaitStrategy};

use super::calls::Calls;
use super::delivery::Delivery;
use super::interleaved::{Side, Variant};
use super::link::{Link, RoundTrip};
use super::message::{Carrier, numbered};
use super::rings::Rings;
use super::{eventfd, message_queue, signals, slot, sockets};

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
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) variant: Result<Box<dyn Variant>, String>,
}

/// All mechanisms for a task with messages of `SIZE` bytes. The rings are in shared memory,
/// and one is on a disk.
pub(crate) fn all<const SIZE: usize>(task: Task, memory: &Path, disk: &Path) -> Vec<Entry> {
    let mut roster = Roster::<SIZE> {
        task,
        entries: Vec::new(),
    };
    let streams = |reason: &str| (task == Task::Streams).then(|| reason.to_owned());
    let above = |limit, reason: String| (SIZE > limit).then_some(reason);
    let file = |name| memory.join(roster_name::<SIZE>(task, name));

    roster.carrier(PIPE, None, sockets::pipes);
    roster.carrier(FIFO, None, || sockets::fifos(&file(FIFO)));
    roster.carrier(UNIX, None, sockets::unix);
    roster.carrier(UNIX_DATAGRAM, None, sockets::unix_datagrams);
    roster.carrier(TCP, None, sockets::tcp);
    let too_long = format!("a datagram holds {LONGEST_DATAGRAM} bytes at most");
    let lossy = streams("drops datagrams that the receiver has no room for");
    roster.carrier(
        UDP,
        lossy.or(above(LONGEST_DATAGRAM, too_long)),
        sockets::udp,
    );
    let limit = longest_queued();
    let too_long = format!("msgsize_max is {limit} bytes here");
    roster.carrier(MESSAGE_QUEUE, above(limit, too_long), || {
        message_queue::wire(SIZE)
    });
    roster.carrier(SLOT, None, || slot::wire(&file(SLOT), SIZE));
    let sum = streams("adds unread numbers up");
    let number = above(8, "carries a number of 8 bytes".to_owned());
    roster.link(EVENTFD, sum.or(number.clone()), eventfd::wire);
    let full = streams("a full queue is an error, not a wait");
    roster.link(SIGNAL, full.or(number), signals::wire);

    let capacity = match SIZE {
        8 => 1024,
        _ => (16 * SIZE as u64).next_power_of_two().max(1 << 16),
    };
    let options = RingOptions::new(capacity).prefault(true);
    let spinning = options.clone().wait_strategy(WaitStrategy::Spin);
    let parked = options.spin(Duration::ZERO);
    let semaphore = parked.clone().doorbell(DoorbellKind::Semaphore);
    let [memory_rings, disk_rings] = [memory, disk].map(Rings::new);
    roster.ring(SPINNING, None, &memory_rings, &spinning);
    roster.ring(PARKED, None, &memory_rings, &parked);
    roster.ring(SEMAPHORE, None, &memory_rings, &semaphore);
    let no_disk = is_in_memory(disk).then(|| "is in memory: use --disk".to_owned());
    roster.ring(FILE, no_disk, &disk_rings, &spinning);
    roster.enter(CALL, streams("a call is a round trip"), || {
        let ends = memory_rings.link(&roster_name::<SIZE>(task, CALL), &spinning);
        Ok(Box::new(Calls::<SIZE>::new(CALL, ends)))
    });
    roster.entries
}

struct Roster<const SIZE: usize> {
    task: Task,
    entries: Vec<Entry>,
}

/// The name that distinguishes an entry in a directory.
fn roster_name<const SIZE: usize>(task: Task, name: &str) -> String {
    format!("{}-{name}", task.figure(SIZE))
}

impl<const SIZE: usize> Roster<SIZE> {
    fn enter(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        make: impl FnOnce() -> io::Result<Box<dyn Variant>>,
    ) {
        let variant = match obstacle {
            Some(reason) => Err(reason),
            None => make().map_err(|error| error.to_string()),
        };
        self.entries.push(Entry { name, variant });
    }

    fn link<L: Link + 'static, O: FnMut(Side) -> L + 'static>(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        wire: impl FnOnce() -> io::Result<O>,
    ) {
        let task = self.task;
        self.enter(name, obstacle, || {
            let open = wire()?;
            Ok(match task {
                Task::Trips => Box::new(RoundTrip::new(name, open)),
                Task::Streams => Box::new(Delivery::new(name, open)),
            })
        });
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
        rings: &Rings,
        options: &RingOptions,
    ) {
        let file = roster_name::<SIZE>(self.task, name);
        if SIZE == 8 {
            self.link(name, obstacle, || Ok(rings.link::<u64>(&file, options)));
        } else {
            self.carrier(name, obstacle, || Ok(rings.link::<[u8]>(&file, options)));
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
    let Ok(directory) = CString::new(directory.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: all zero bytes are a valid answer, which the call fills.
    let mut system: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path and the answer outlive the call.
    let error = unsafe { libc::statfs(directory.as_ptr(), &raw mut system) };
    error == 0 && system.f_type as i64 == libc::TMPFS_MAGIC
}
