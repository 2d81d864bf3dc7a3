//! The answer of `list`, `stat` and `top` to a program: `docs::tool` describes it.

use std::time::{SystemTime, UNIX_EPOCH};

use quoit::{DoorbellKind, Role};
use serde::Serialize;

use crate::entry::Entry;
use crate::process::{Memory, Pages, Running};
use crate::sight::{Look, Motion, Peer};
use crate::wrong::wrong;

/// Grows when a field changes its meaning or goes, not when one is added.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(crate) struct Report<'a> {
    version: u32,
    /// Seconds since 1970.
    time: f64,
    rings: Vec<Ring>,
    events: Vec<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Ring {
    name: String,
    path: Option<String>,
    state: &'static str,
    owner: Option<u32>,
    /// In octal.
    mode: Option<String>,
    inode: Option<u64>,
    wrong: Vec<String>,
    #[serde(flatten)]
    inside: Option<Inside>,
    #[serde(flatten)]
    motion: Option<Rates>,
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
    command: Option<String>,
    core: Option<i32>,
    state: Option<char>,
    waits_in: Option<String>,
    idle_seconds: Option<f64>,
    mapped_bytes: Option<u64>,
    huge_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Rates {
    in_per_second: f64,
    out_per_second: f64,
    parks_per_second: f64,
    wakes_per_second: f64,
    stalled_seconds: f64,
}

pub(crate) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

impl<'a> Report<'a> {
    pub(crate) fn new(rings: Vec<Ring>, events: Vec<&'a str>) -> Self {
        Self {
            version: VERSION,
            time: seconds(SystemTime::now()),
            rings,
            events,
        }
    }

    /// In a line.
    pub(crate) fn text(&self) -> String {
        let text = serde_json::to_string(self);
        text.expect("it has text for keys") + "\n"
    }
}

impl Ring {
    /// Pages are looked at for those who ask: it takes long.
    pub(crate) fn of(entry: &Entry, motion: Option<&Motion>, memory: Option<&Memory>) -> Self {
        let name = entry.shown();
        let file = entry.file.as_ref();
        let (state, wrong, inside) = match &entry.ring {
            Ok((_, look)) => (
                if look.corrupt.is_some() {
                    "corrupt"
                } else {
                    "ok"
                },
                wrong(&name, look, motion),
                Some(Inside::of(look, motion, memory)),
            ),
            Err(trouble) => (trouble.state(), vec![trouble.words(entry)], None),
        };
        Self {
            path: file.map(|file| file.path.display().to_string()),
            owner: file.map(|file| file.uid),
            mode: file.map(|file| format!("{:04o}", file.mode)),
            inode: file.map(|file| file.inode),
            motion: motion.filter(|_| inside.is_some()).map(Rates::of),
            name,
            state,
            wrong,
            inside,
        }
    }
}

impl Inside {
    fn of(look: &Look, motion: Option<&Motion>, memory: Option<&Memory>) -> Self {
        let (info, positions) = (look.info, look.sample.positions);
        let end = |role| {
            let at = usize::from(role == Role::Consumer);
            let idle = motion.map(|motion| motion.idle[at].as_secs_f64());
            Endpoint::of(&look.peer(role), idle, memory)
        };
        Self {
            shape: look.shape(),
            unit: look.unit(),
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
            producer: end(Role::Producer),
            consumer: end(Role::Consumer),
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
        let pages = pages(memory, peer);
        let running = peer.pid().and_then(Running::of);
        let (command, core, letter, waits_in) = match running {
            Some(it) => (it.command, it.core, Some(it.state), it.waits_in),
            None => (None, None, None, None),
        };
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
            command,
            core,
            state: letter,
            waits_in,
            idle_seconds: idle_seconds.filter(|_| is_alive),
            mapped_bytes: pages.map(|pages| pages.mapped),
            huge_bytes: pages.map(|pages| pages.huge),
        }
    }
}

/// What an end has mapped of its ring, if this process may know.
pub(crate) fn pages(memory: Option<&Memory>, peer: &Peer) -> Option<Pages> {
    memory?.pages_of(peer.pid()?)
}

impl Rates {
    fn of(motion: &Motion) -> Self {
        let rates = motion.rates;
        Self {
            in_per_second: rates.pushed,
            out_per_second: rates.popped,
            parks_per_second: rates.parks,
            wakes_per_second: rates.wakes,
            stalled_seconds: motion.stalled.as_secs_f64(),
        }
    }
}
