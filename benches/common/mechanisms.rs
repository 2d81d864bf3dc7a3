//! The mechanisms that carry messages between two processes: those of the system, and
//! quoit. Each has the reasons for what it cannot carry.

use std::io;
use std::path::Path;

use quoit::DoorbellKind;
use rustix::fs::statfs;
use socket2::Type;

use super::exchange::Task;
use super::interleaved::Variant;
use super::link::{Link, Open};
use super::rings::{Rings, polled, sleeping};
use super::{calls, system, waits};

pub(crate) const PIPE: &str = "pipe";
pub(crate) const UNIX: &str = "Unix stream";
pub(crate) const TCP: &str = "TCP";
pub(crate) const UDP: &str = "UDP";
pub(crate) const SLOT: &str = "semaphores, one slot";
pub(crate) const SPINNING: &str = "quoit spinning";
pub(crate) const PARKED: &str = "quoit parked";

/// The figures of round trips of 8 bytes: in batches, and timed one by one.
pub(crate) const TRIPS: &str = "trips_8";
pub(crate) const SINGLE_TRIPS: &str = "single_trips_8";

/// The longest datagram of UDP over IPv4.
const LONGEST_DATAGRAM: usize = 65507;

/// A mechanism for a task, or why there is none.
type Entry = (&'static str, Result<Variant, String>);

/// The mechanisms for streams, or for round trips, with messages of `SIZE` bytes; or really all of
/// them. The rings are in shared memory, and one is on a disk.
pub(crate) fn find<const SIZE: usize>(
    is_stream: bool,
    all: bool,
    memory: &Path,
    disk: &Path,
) -> Vec<Entry> {
    let entries = Vec::new();
    let mut roster = Roster { is_stream, entries };
    let streams = |reason: &str| is_stream.then(|| reason.to_owned());
    let above = |limit, reason: &str| (SIZE > limit).then(|| format!("{reason} {limit} bytes"));

    roster.link(PIPE, None, system::pipes::<SIZE>);
    roster.link(UNIX, None, || system::unix::<SIZE>(Type::STREAM));
    roster.link(TCP, None, system::tcp::<SIZE>);
    let lossy = streams("drops datagrams that the receiver has no room for");
    let obstacle = lossy.or(above(LONGEST_DATAGRAM, "a datagram holds at most"));
    roster.link(UDP, obstacle, system::udp::<SIZE>);
    if all {
        roster.link("Unix datagram", None, || system::unix::<SIZE>(Type::DGRAM));
        roster.link(SLOT, None, || system::slots::<SIZE>(&memory.join("slot")));
        let number = above(8, "carries a number of");
        let sum = streams("adds unread numbers up").or(number.clone());
        roster.link("eventfd", sum, system::eventfds);
        let full = streams("a full queue is an error, not a wait").or(number);
        roster.link("signal with a value", full, system::signals);
    }

    let capacity = match SIZE {
        8 => 1024,
        _ => (16 * SIZE as u64).next_power_of_two().max(1 << 16),
    };
    let spinning = polled(capacity);
    let parked = sleeping(capacity);
    let semaphore = parked.clone().doorbell(DoorbellKind::Semaphore);
    let no_disk = is_in_memory(disk).then(|| "is in memory: use --disk".to_owned());
    for (name, obstacle, directory, options) in [
        (SPINNING, None, memory, &spinning),
        (PARKED, None, memory, &parked),
        ("quoit parked, semaphore", None, memory, &semaphore),
        ("quoit spinning, file", no_disk, disk, &spinning),
    ] {
        let rings = Rings::new(directory);
        // Records for eight bytes, frames for more.
        let records = || Ok(rings.link(name, options).map(waits::records));
        let frames = || Ok(rings.link(name, options).map(waits::frames::<SIZE>));
        match SIZE {
            8 => roster.link(name, obstacle, records),
            _ => roster.link(name, obstacle, frames),
        }
    }
    let calls = calls::wire::<SIZE>(Rings::new(memory).link("calls", &spinning));
    let obstacle = streams("a call is a round trip");
    roster.link("quoit::rpc spinning", obstacle, || Ok(calls));
    roster.entries
}

struct Roster {
    is_stream: bool,
    entries: Vec<Entry>,
}

impl Roster {
    fn link<L: Link>(
        &mut self,
        name: &'static str,
        obstacle: Option<String>,
        wire: impl FnOnce() -> io::Result<Open<L>>,
    ) {
        let task = match self.is_stream {
            false => Task::ROUND_TRIP,
            true => Task::DELIVERY,
        };
        let open = obstacle.map_or_else(|| wire().map_err(|error| error.to_string()), Err);
        let variant = open.map(|open| open.variant(name, task));
        self.entries.push((name, variant));
    }
}

/// Whether a directory is not on a disk.
fn is_in_memory(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|system| system.f_type == libc::TMPFS_MAGIC)
}
