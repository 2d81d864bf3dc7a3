//! The answer of `list`, `stat` and `top` to a program: `docs::tool` describes it.

use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use quoit::DoorbellKind;
use serde::Serialize;

use crate::entry::Entry;
use crate::process::{Memory, Running};
use crate::sight::{Look, Motion, Peer};
use crate::wrong::wrong;

/// Grows when a field changes its meaning or is removed, not when one is added.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    version: u32,
    /// Seconds since 1970.
    time: f64,
    rings: Vec<Ring<'a>>,
    events: Vec<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Ring<'a> {
    name: String,
    path: String,
    state: &'static str,
    owner: u32,
    /// In octal.
    mode: String,
    inode: u64,
    wrong: Vec<String>,
    #[serde(flatten)]
    inside: Option<Inside>,
    #[serde(flatten)]
    motion: Option<&'a Motion>,
}

/// What only a look into it tells.
#[derive(Serialize)]
struct Inside {
    shape: &'static str,
    /// Of capacity, positions, fill and rates.
    unit: &'static str,
    capacity: u64,
    slot_size: u64,
    slot_align: u32,
    doorbell: &'static str,
    schema: String,
    layout: u32,
    incarnation: String,
    bytes: u64,
    created: f64,
    file_system: Option<String>,
    page_bytes: Option<u64>,
    tail: u64,
    head: u64,
    fill: u64,
    superseded: bool,
    half_removed: bool,
    producer: Endpoint,
    consumer: Endpoint,
}

#[derive(Serialize)]
struct Endpoint {
    alive: bool,
    closed: bool,
    epoch: u64,
    pid: u32,
    holder: Option<u32>,
    attached: f64,
    asleep: bool,
    parks: u64,
    wakes: u64,
    rescues: u64,
    dropped: u64,
    #[serde(flatten)]
    running: Running,
    idle_seconds: Option<f64>,
    mapped_bytes: Option<u64>,
    huge_bytes: Option<u64>,
}

pub(crate) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

/// What is known of a ring.
type Known<'a> = (&'a Entry, Option<&'a Motion>, Option<Memory>);

impl<'a> Report<'a> {
    /// In a line.
    pub(crate) fn of(rings: impl Iterator<Item = Known<'a>>, events: Vec<&'a str>) -> String {
        let rings = rings.map(|(entry, motion, memory)| Ring::of(entry, motion, memory.as_ref()));
        let report = Self {
            version: VERSION,
            time: seconds(SystemTime::now()),
            rings: rings.collect(),
            events,
        };
        let text = serde_json::to_string(&report);
        text.expect("it has text for keys") + "\n"
    }
}

impl<'a> Ring<'a> {
    /// Pages are examined for those that ask: it takes long.
    pub(crate) fn of(entry: &Entry, motion: Option<&'a Motion>, memory: Option<&Memory>) -> Self {
        let look = entry.ring.as_ref().ok();
        Self {
            name: entry.shown(),
            path: entry.path.display().to_string(),
            state: entry.state(),
            owner: entry.file.uid(),
            mode: format!("{:04o}", entry.mode),
            inode: entry.file.ino(),
            wrong: wrong(entry, motion),
            inside: look.map(|look| Inside::of(look, motion, memory)),
            motion: motion.filter(|_| look.is_some()),
        }
    }
}

impl Inside {
    fn of(look: &Look, motion: Option<&Motion>, memory: Option<&Memory>) -> Self {
        let (info, positions) = (look.info, look.sample.positions);
        let [producer, consumer] = look.peers();
        let end = |peer: &Peer, at: usize| {
            let idle = motion.map(|motion| motion.idle[at].as_secs_f64());
            Endpoint::of(peer, idle, memory)
        };
        let (shape, unit) = look.shape();
        Self {
            shape,
            unit,
            capacity: info.capacity,
            slot_size: info.slot_size,
            slot_align: info.slot_align,
            doorbell: doorbell(info.doorbell),
            schema: format!("{:016x}", info.schema),
            layout: info.layout,
            incarnation: format!("{:016x}", info.incarnation),
            bytes: info.length,
            created: seconds(info.created),
            file_system: memory.and_then(|memory| memory.file_system.clone()),
            page_bytes: memory.map(|memory| memory.own.size),
            tail: positions.tail,
            head: positions.head,
            fill: positions.len(),
            superseded: look.is_superseded,
            half_removed: look.is_half_removed,
            producer: end(&producer, 0),
            consumer: end(&consumer, 1),
        }
    }
}

pub(crate) fn doorbell(doorbell: DoorbellKind) -> &'static str {
    match doorbell {
        DoorbellKind::Semaphore => "semaphore",
        _ => "futex",
    }
}

impl Endpoint {
    fn of(peer: &Peer, idle_seconds: Option<f64>, memory: Option<&Memory>) -> Self {
        let (state, is_alive) = (peer.state, peer.is_alive);
        let pages = memory.zip(peer.pid());
        let pages = pages.and_then(|(memory, pid)| memory.pages_of(pid));
        Self {
            alive: is_alive,
            closed: state.is_closed,
            epoch: state.epoch,
            pid: state.pid,
            holder: peer.pid(),
            attached: seconds(state.since),
            asleep: is_alive && state.is_asleep,
            parks: state.parks,
            wakes: state.wakes,
            rescues: state.rescues,
            dropped: state.dropped,
            running: peer.running(),
            idle_seconds: idle_seconds.filter(|_| is_alive),
            mapped_bytes: pages.map(|pages| pages.mapped),
            huge_bytes: pages.map(|pages| pages.huge),
        }
    }
}
