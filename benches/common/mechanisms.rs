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
pub(crate) const SIGNAL: &str = "signal with a value";
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
    let reason = |reason: &str| is_stream.then(|| reason.to_owned());
    let above = |limit, reason: &str| (SIZE > limit).then(|| format!("{reason} {limit} bytes"));
    let lossy = reason("drops datagrams that the receiver has no room for");
    let lossy = lossy.or(above(LONGEST_DATAGRAM, "a datagram holds at most"));
    let mut found = vec![
        entry(PIPE, is_stream, None, system::pipes::<SIZE>),
        entry(UNIX, is_stream, None, || system::unix::<SIZE>(Type::STREAM)),
        entry(TCP, is_stream, None, system::tcp::<SIZE>),
        entry(UDP, is_stream, lossy, system::udp::<SIZE>),
    ];
    if all {
        let datagrams = || system::unix::<SIZE>(Type::DGRAM);
        let slots = || system::slots::<SIZE>(&memory.join("slot"));
        let full = reason("a full queue is an error, not a wait");
        let full = full.or(above(8, "carries a number of"));
        found.push(entry("Unix datagram", is_stream, None, datagrams));
        found.push(entry(SLOT, is_stream, None, slots));
        found.push(entry(SIGNAL, is_stream, full, system::signals));
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
        found.push(match SIZE {
            8 => entry(name, is_stream, obstacle, records),
            _ => entry(name, is_stream, obstacle, frames),
        });
    }
    let calls = calls::wire::<SIZE>(Rings::new(memory).link("calls", &spinning));
    let obstacle = reason("a call is a round trip");
    found.push(entry("quoit::rpc spinning", is_stream, obstacle, || {
        Ok(calls)
    }));
    found
}

fn entry<L: Link>(
    name: &'static str,
    is_stream: bool,
    obstacle: Option<String>,
    wire: impl FnOnce() -> io::Result<Open<L>>,
) -> Entry {
    let task = match is_stream {
        false => Task::ROUND_TRIP,
        true => Task::DELIVERY,
    };
    let open = obstacle.map_or_else(|| wire().map_err(|error| error.to_string()), Err);
    (name, open.map(|open| open.variant(name, task)))
}

/// Whether a directory is not on a disk.
fn is_in_memory(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|system| system.f_type == libc::TMPFS_MAGIC)
}
