//! The answer of `list`, `stat` and `top` to a program: `docs::tool` describes it.

use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

use quoit::DoorbellKind;
use serde::Serialize;
use serde_json::json;

use crate::entry::Entry;
use crate::output::json_line;
use crate::process::{Memory, Pages, Running};
use crate::sight::{Look, Motion, Peer, shape};

/// Grows when a field changes its meaning or is removed, not when one is added.
const VERSION: u32 = 1;

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

/// In a line.
pub(crate) fn report<'a>(rings: impl Iterator<Item = Ring<'a>>, events: &[&str]) -> String {
    let rings: Vec<_> = rings.collect();
    // In seconds since 1970.
    let time = seconds(SystemTime::now());
    json_line(&json!({"version": VERSION, "time": time, "rings": rings, "events": events}))
}

impl<'a> Ring<'a> {
    /// Pages are examined for those that ask: it takes long.
    pub(crate) fn of(entry: &Entry, motion: Option<&'a Motion>, memory: Option<Memory>) -> Self {
        let look = entry.ring.as_ref().ok();
        Self {
            name: entry.shown(),
            path: entry.path.display().to_string(),
            state: entry.state(),
            owner: entry.file.uid(),
            mode: format!("{:04o}", entry.mode),
            inode: entry.file.ino(),
            wrong: entry.wrong(motion),
            inside: look.map(|look| Inside::of(look, motion, memory.as_ref())),
            motion: motion.filter(|_| look.is_some()),
        }
    }
}

impl Inside {
    fn of(look: &Look, motion: Option<&Motion>, memory: Option<&Memory>) -> Self {
        let (info, positions) = (look.info, look.sample.positions);
        let end = |at: usize| {
            let idle = motion.map(|motion| motion.idle[at].as_secs_f64());
            let pages = memory.and_then(|memory| memory.pages[at]);
            Endpoint::of(&look.peers[at], idle, pages)
        };
        let (shape, unit) = shape(&info);
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
            file_system: memory.and_then(|memory| memory.device.file_system.clone()),
            page_bytes: memory.map(|memory| memory.device.page_bytes),
            tail: positions.tail,
            head: positions.head,
            fill: positions.len(),
            superseded: look.is_superseded,
            half_removed: look.is_half_removed,
            producer: end(0),
            consumer: end(1),
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
    fn of(peer: &Peer, idle_seconds: Option<f64>, pages: Option<Pages>) -> Self {
        let (state, is_alive) = (peer.state, peer.is_alive);
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
