//! What can be seen of a ring from outside, as JSON and in words.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use quoit::observer::{EndpointState, Sample, ShapeKind};
use quoit::{DoorbellKind, Error, Holder, Observer, Role};
use serde_json::{Value, json};

/// After so many looks an end that changes all the time is taken as it is.
const LOOKS: u32 = 100;

/// A ring that is looked at.
pub(crate) struct Sight {
    pub(crate) observer: Observer,
    /// Who held the roles at the last look, each with its epoch: they are looked for once.
    holders: Cell<[Option<(u64, Holder)>; 2]>,
}

/// What was found at one moment.
pub(crate) struct Look {
    pub(crate) sample: Sample,
    /// Of the producer and of the consumer.
    are_alive: [bool; 2],
    holders: [Option<Holder>; 2],
    is_superseded: bool,
    is_half_removed: bool,
    capacity: u64,
    doorbell: DoorbellKind,
}

/// One end, as it was at the look.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) state: EndpointState,
    pub(crate) is_alive: bool,
    /// Of one that is alive, as the kernel shows it.
    holder: Option<Holder>,
}

impl Sight {
    pub(crate) fn open(name: &Path) -> Result<Self, Error> {
        Observer::open(name).map(|observer| Self {
            observer,
            holders: Cell::default(),
        })
    }

    /// The file to which the name refers by now, if it is a copy of this ring: from the
    /// lower layer of an overlayfs, where the next position is in the copy.
    pub(crate) fn copy(&self) -> Option<Self> {
        let copy = Self::open(Path::new(self.observer.name())).ok()?;
        let incarnations = [self, &copy].map(|sight| sight.observer.info().incarnation);
        let is_current = matches!(copy.observer.is_superseded(), Ok(false));
        (incarnations[0] == incarnations[1] && is_current).then_some(copy)
    }

    pub(crate) fn look(&self) -> Result<Look, Error> {
        let alive = |role| self.observer.is_alive(role);
        let mut look = Look {
            sample: self.observer.sample(),
            are_alive: [false; 2],
            holders: [None; 2],
            is_superseded: self.observer.is_superseded()?,
            is_half_removed: self.observer.is_half_removed()?,
            capacity: self.observer.info().capacity,
            doorbell: self.observer.info().doorbell,
        };
        for _ in 0..LOOKS {
            look.are_alive = [alive(Role::Producer)?, alive(Role::Consumer)?];
            let before = std::mem::replace(&mut look.sample, self.observer.sample());
            // Who comes between its lock and its state would seem to have died.
            let ends = |sample: &Sample| {
                [sample.producer, sample.consumer].map(|end| (end.epoch, end.is_closed))
            };
            if ends(&before) == ends(&look.sample) {
                break;
            }
        }
        look.holders = self.holders(&look.sample)?;
        Ok(look)
    }

    fn holders(&self, sample: &Sample) -> Result<[Option<Holder>; 2], Error> {
        let mut holders = self.holders.get();
        for (known, (role, end)) in holders.iter_mut().zip([
            (Role::Producer, sample.producer),
            (Role::Consumer, sample.consumer),
        ]) {
            if known.is_none_or(|(epoch, _)| epoch != end.epoch) {
                let holder = self.observer.holder(role)?;
                *known = holder.map(|holder| (end.epoch, holder));
            }
        }
        self.holders.set(holders);
        Ok(holders.map(|known| known.map(|(_, holder)| holder)))
    }

    pub(crate) fn shape(&self) -> &'static str {
        match self.observer.info().shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "frames",
        }
    }

    /// What positions count.
    pub(crate) fn unit(&self) -> &'static str {
        match self.observer.info().shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "bytes",
        }
    }

    pub(crate) fn doorbell(&self) -> &'static str {
        match self.observer.info().doorbell {
            DoorbellKind::Semaphore => "semaphore",
            _ => "futex",
        }
    }

    pub(crate) fn age(&self) -> String {
        age(self.observer.info().created)
    }

    pub(crate) fn json(&self, look: &Look) -> Value {
        let (info, positions) = (self.observer.info(), look.sample.positions);
        let peer = |role| {
            let peer = look.peer(role);
            let Peer {
                state, is_alive, ..
            } = peer;
            json!({
                "alive": is_alive, "closed": state.is_closed, "epoch": state.epoch,
                "pid": state.pid, "holder": peer.pid(), "asleep": is_alive && state.is_asleep, "parks": state.parks, "wakes": state.wakes,
                "rescues": state.rescues, "dropped": state.dropped,
                "command": peer.pid().and_then(command),
                "core": peer.pid().and_then(core),
            })
        };
        json!({
            "name": self.observer.name(),
            "shape": self.shape(),
            "capacity": info.capacity,
            "slot_size": info.slot_size,
            "slot_align": info.slot_align,
            "doorbell": self.doorbell(),
            "schema": format!("{:016x}", info.schema),
            "layout": info.layout,
            "incarnation": format!("{:016x}", info.incarnation),
            "bytes": info.length,
            "age_seconds": elapsed(info.created),
            "tail": positions.tail,
            "head": positions.head,
            "fill": positions.len(),
            "producer": peer(Role::Producer),
            "consumer": peer(Role::Consumer),
            "superseded": look.is_superseded,
            "half_removed": look.is_half_removed,
            "wrong": look.wrong(),
        })
    }
}

impl Look {
    pub(crate) fn peer(&self, role: Role) -> Peer {
        let (state, index) = match role {
            Role::Producer => (self.sample.producer, 0),
            Role::Consumer => (self.sample.consumer, 1),
        };
        let is_alive = self.are_alive[index];
        Peer {
            state,
            is_alive,
            holder: self.holders[index].filter(|_| is_alive),
        }
    }

    /// Whether somebody has an end.
    pub(crate) fn is_held(&self) -> bool {
        self.are_alive != [false, false]
    }

    /// Whether somebody had an end, and nobody has one any more.
    pub(crate) fn is_stale(&self) -> bool {
        let came = self.sample.producer.epoch > 0 || self.sample.consumer.epoch > 0;
        came && !self.is_held()
    }

    /// Who has an end, in words.
    pub(crate) fn holders(&self) -> String {
        let holders = [Role::Producer, Role::Consumer].map(|role| (role, self.peer(role)));
        let holders = holders.iter().filter(|(_, peer)| peer.is_alive);
        let holders = holders.map(|(role, peer)| match peer.pid() {
            Some(pid) => format!("{role} {pid}"),
            None => format!("{role} ({})", peer.named()),
        });
        holders.collect::<Vec<_>>().join(", ")
    }

    /// How full the ring is, in percent.
    pub(crate) fn percent(&self) -> u64 {
        let fill = self.sample.positions.len();
        (u128::from(fill) * 100 / u128::from(self.capacity)) as u64
    }

    /// What looks wrong, in plain words.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for role in [Role::Producer, Role::Consumer] {
            let peer = self.peer(role);
            if peer.has_died() {
                let named = peer.named();
                wrong.push(format!(
                    "the {role} ({named}) died; a new one goes on where it was"
                ));
            }
            if let Some(pid) = peer.pid().filter(|&pid| is_stopped(pid)) {
                wrong.push(format!(
                    "the {role} (process {pid}) is stopped; kill -CONT {pid}"
                ));
            }
            if peer.state.rescues > 0 {
                wrong.push(rescued(role, peer.state.rescues, self.doorbell));
            }
        }
        if self.percent() >= 95 && !self.peer(Role::Consumer).is_alive {
            wrong.push("it is full, and nobody reads it; start a consumer".to_owned());
        }
        if self.is_superseded {
            wrong.push(
                "it was removed or replaced; attached processes should open its name again"
                    .to_owned(),
            );
        }
        if self.is_half_removed {
            wrong.push(
                "a process that was removing or replacing it died, or is still at it; the next \
                 process that opens the ring to write removes it, or continues with it if it may \
                 not; quoit rm removes it for its owner, the owner of its directory, and root"
                    .to_owned(),
            );
        }
        wrong
    }
}

/// What a counter of rescues says, and what to check. It proves nothing: any process that
/// may write to the ring can raise it.
fn rescued(role: Role, count: u64, doorbell: DoorbellKind) -> String {
    let (peer, waiting, moves) = match role {
        Role::Producer => (Role::Consumer, "there was room", "release"),
        _ => (Role::Producer, "messages were waiting", "publish"),
    };
    let wake = match doorbell {
        DoorbellKind::Semaphore => format!("sem_post on the {role}'s semaphore"),
        _ => "FUTEX_WAKE without FUTEX_PRIVATE_FLAG".to_owned(),
    };
    format!(
        "{count} sleeps of the {role} lasted until a timeout although {waiting}, as its counter \
         says; check that the {peer} wakes after each {moves}, by {wake} (any process that may \
         write to the ring can raise the counter)"
    )
}

impl Peer {
    pub(crate) fn has_died(&self) -> bool {
        self.state.epoch > 0 && !self.state.is_closed && !self.is_alive
    }

    /// The process that has the end, if the kernel shows it.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self.holder {
            Some(Holder::Known(pid)) => Some(pid),
            _ => None,
        }
    }

    /// The process in words, as far as it is known.
    pub(crate) fn named(&self) -> String {
        match self.holder {
            Some(holder) => holder.to_string(),
            None => format!("it called itself process {}", self.state.pid),
        }
    }

    /// In a word or two.
    pub(crate) fn life(&self) -> String {
        match self.state {
            // The number of another one here, perhaps.
            _ if self.is_alive => match self.pid() {
                Some(pid) => pid.to_string(),
                None => format!("{}?", self.state.pid),
            },
            EndpointState { epoch: 0, .. } => "never came".to_owned(),
            EndpointState {
                is_closed: true, ..
            } => "left".to_owned(),
            _ => "died".to_owned(),
        }
    }

    /// In a column of a table.
    pub(crate) fn short_life(&self) -> String {
        match self.state.epoch {
            0 if !self.is_alive => "-".to_owned(),
            _ => self.life(),
        }
    }
}

/// A process's command line.
pub(crate) fn command(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = line.split(|&byte| byte == 0).collect();
    let words = words.iter().map(|word| String::from_utf8_lossy(word));
    Some(words.collect::<Vec<_>>().join(" ").trim_end().to_owned())
}

/// By SIGSTOP, or by a debugger.
fn is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|state| state.starts_with(['T', 't']))
}

/// The core on which a process ran last.
pub(crate) fn core(pid: u32) -> Option<u64> {
    // proc(5): field 39.
    stat(pid)?.split(' ').nth(36)?.parse().ok()
}

/// What the kernel says of a process, from field 3 on, its state.
fn stat(pid: u32) -> Option<String> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, after_name) = stat.rsplit_once(") ")?;
    Some(after_name.to_owned())
}

fn elapsed(since: SystemTime) -> u64 {
    since.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

/// `12s`, `34m`, `5h`, `67d`
pub(crate) fn age(since: SystemTime) -> String {
    match elapsed(since) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}
