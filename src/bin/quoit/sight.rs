//! A ring as it is seen from outside.

use std::path::Path;
use std::time::{Duration, SystemTime};

use indicatif::HumanDuration;
use quoit::observer::{EndpointState, RingInfo, Sample, ShapeKind};
use quoit::{Corrupt, Error, Holder, Observer, Role};
use serde::Serialize;

use crate::process::Running;

/// After this many checks an endpoint that changes all the time is taken as it is.
const CHECKS: u32 = 100;

/// Producer and consumer, in the order of every pair here.
pub(crate) const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

/// What was found at one moment.
pub(crate) struct Look {
    pub(crate) info: RingInfo,
    pub(crate) sample: Sample,
    /// In the order of the roles.
    pub(crate) peers: [Peer; 2],
    pub(crate) is_superseded: bool,
    pub(crate) is_half_removed: bool,
    /// What is impossible in a sound ring, if there is such a thing.
    pub(crate) corrupt: Option<Corrupt>,
}

/// One endpoint, as it was at the look.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) role: Role,
    pub(crate) state: EndpointState,
    pub(crate) is_alive: bool,
    /// Of one that is alive, as the kernel shows it.
    holder: Option<Holder>,
}

/// What happened between two samples or more; the rates between the last two.
#[derive(Default, Serialize)]
pub(crate) struct Motion {
    pub(crate) in_per_second: f64,
    pub(crate) out_per_second: f64,
    pub(crate) parks_per_second: f64,
    pub(crate) wakes_per_second: f64,
    /// How long the consumer has taken nothing of what was unread.
    pub(crate) stalled_seconds: f64,
    /// How long each endpoint has not moved, if it was attached.
    #[serde(skip)]
    pub(crate) idle: [Duration; 2],
    /// When each endpoint was seen to move last.
    #[serde(skip)]
    pub(crate) moved: [Option<SystemTime>; 2],
}

/// The file to which the name refers now, if it is a copy of this ring: from the lower
/// layer of an overlayfs, where the next position is in the copy.
pub(crate) fn copy_of(observer: &Observer) -> Option<Observer> {
    let copy = Observer::open(observer.name()).ok()?;
    let is_current = matches!(copy.is_superseded(), Ok(false));
    (copy.info().incarnation == observer.info().incarnation && is_current).then_some(copy)
}

impl Look {
    pub(crate) fn of(name: &Path) -> Result<Self, Error> {
        Self::at(&Observer::open(name)?, None)
    }

    /// The processes that an earlier look has found are not searched for again.
    pub(crate) fn at(observer: &Observer, before: Option<&Self>) -> Result<Self, Error> {
        let (info, mut sample) = (observer.info(), observer.sample());
        let mut are_alive = [false; 2];
        for _ in 0..CHECKS {
            for (is_alive, role) in are_alive.iter_mut().zip(ROLES) {
                *is_alive = observer.is_alive(role)?;
            }
            let earlier = std::mem::replace(&mut sample, observer.sample());
            // A process between its lock and its state would seem to have crashed.
            let ends = |sample: &Sample| states(sample).map(|end| (end.epoch, end.is_closed));
            if ends(&earlier) == ends(&sample) {
                break;
            }
        }
        let before = before.filter(|before| before.info.incarnation == info.incarnation);
        let peer = |role: Role| -> Result<Peer, Error> {
            let (state, is_alive) = (states(&sample)[role as usize], are_alive[role as usize]);
            let known = before.map(|before| before.peers[role as usize]);
            let known = known.filter(|known| known.state.epoch == state.epoch);
            let holder = match known.and_then(|known| known.holder) {
                None if is_alive => observer.holder(role)?,
                known => known.filter(|_| is_alive),
            };
            Ok(Peer {
                role,
                state,
                is_alive,
                holder,
            })
        };
        Ok(Self {
            info,
            sample,
            peers: [peer(Role::Producer)?, peer(Role::Consumer)?],
            is_superseded: observer.is_superseded()?,
            is_half_removed: observer.is_half_removed()?,
            corrupt: corruption(observer, &sample)?,
        })
    }

    pub(crate) fn peer(&self, role: Role) -> &Peer {
        &self.peers[role as usize]
    }

    /// Whether a process holds a role.
    pub(crate) fn is_held(&self) -> bool {
        self.peers.iter().any(|peer| peer.is_alive)
    }

    /// Whether no process has ever held a role.
    pub(crate) fn is_unused(&self) -> bool {
        self.peers.iter().all(|peer| peer.state.epoch == 0)
    }

    /// The processes that hold a role, in words.
    pub(crate) fn holders(&self) -> String {
        let holders = self.peers.iter().filter(|peer| peer.is_alive);
        let holders = holders.map(|peer| match peer.pid() {
            Some(pid) => format!("{} {pid}", peer.role),
            None => format!("{} ({})", peer.role, peer.named()),
        });
        holders.collect::<Vec<_>>().join(", ")
    }

    /// What positions count.
    pub(crate) fn unit(&self) -> &'static str {
        shape(&self.info).1
    }

    /// How much is unread.
    pub(crate) fn fill(&self) -> u64 {
        self.sample.positions.len()
    }

    /// What is unread, as in "48 bytes unread"; nothing of a ring that is corrupt.
    pub(crate) fn unread(&self) -> Option<String> {
        let fill = self.fill();
        let has_some = fill > 0 && self.corrupt.is_none();
        has_some.then(|| format!("{fill} {} unread", self.unit()))
    }

    /// How full the ring is, in percent.
    pub(crate) fn percent(&self) -> u64 {
        (u128::from(self.fill()) * 100 / u128::from(self.info.capacity)) as u64
    }

    /// The processes that attached and closed since an earlier look.
    pub(crate) fn events_since(&self, before: &Self) -> Vec<String> {
        let pairs = before.peers.iter().zip(&self.peers);
        let changed = pairs.filter(|(before, now)| {
            (before.is_alive, before.state.epoch) != (now.is_alive, now.state.epoch)
        });
        let events = changed.map(|(before, now)| {
            // The kernel shows nothing of a process that has ended.
            let (what, known) = match now.is_alive {
                true => ("attached", now),
                false if before.state.epoch != now.state.epoch => (now.end(), now),
                false => (now.end(), before),
            };
            format!("the {} ({}) {what}", now.role, known.named())
        });
        events.collect()
    }
}

/// The shape, and what positions count.
pub(crate) fn shape(info: &RingInfo) -> (&'static str, &'static str) {
    match info.shape {
        ShapeKind::Records => ("records", "records"),
        ShapeKind::Frames => ("frames", "bytes"),
    }
}

/// Of producer and consumer.
fn states(sample: &Sample) -> [EndpointState; 2] {
    [sample.producer, sample.consumer]
}

/// What is wrong with positions that cannot be, if they stay so: the two were not read
/// at once. Sound ones cost the endpoints nothing more.
fn corruption(observer: &Observer, sample: &Sample) -> Result<Option<Corrupt>, Error> {
    let (info, positions) = (observer.info(), sample.positions);
    let unread = positions.tail.wrapping_sub(positions.head);
    let is_odd = info.shape == ShapeKind::Frames && positions.head % 8 != 0;
    if unread <= info.capacity && !is_odd {
        return Ok(None);
    }
    match observer.unread(1, |_| ()) {
        Err(Error::Corrupt(corrupt)) => Ok(Some(corrupt)),
        other => other.map(|_| None),
    }
}

impl Motion {
    /// Adds what happened between this look and the one before.
    pub(crate) fn add(&mut self, before: &Look, now: &Look) {
        let (then, sample) = (&before.sample, &now.sample);
        let rates = sample.rates_since(then);
        (self.in_per_second, self.out_per_second) = (rates.pushed, rates.popped);
        (self.parks_per_second, self.wakes_per_second) = (rates.parks, rates.wakes);
        let (from, to) = (then.positions, sample.positions);
        let has_moved = [from.tail != to.tail, from.head != to.head];
        // Otherwise it is not known what this one did since it attached.
        let is_same = |at: usize| before.peers[at].state.epoch == now.peers[at].state.epoch;
        let time = sample.at - then.at;
        for (at, peer) in now.peers.iter().enumerate() {
            let is_idle = !has_moved[at] && peer.is_alive && is_same(at);
            let idle = is_idle.then_some(self.idle[at] + time);
            self.idle[at] = idle.unwrap_or_default();
            if has_moved[at] {
                self.moved[at] = Some(SystemTime::now());
            }
        }
        let had_some = !from.is_empty() && now.peer(Role::Consumer).is_alive && is_same(1);
        let stalled = (!has_moved[1] && had_some).then_some(self.stalled_seconds);
        self.stalled_seconds = stalled.map_or(0.0, |before| before + time.as_secs_f64());
    }
}

impl Peer {
    pub(crate) fn has_crashed(&self) -> bool {
        self.state.epoch > 0 && !self.state.is_closed && !self.is_alive
    }

    /// The process that holds the role, if the kernel shows it.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self.holder {
            Some(Holder::Known(pid)) => Some(pid),
            _ => None,
        }
    }

    /// What the kernel says of that process.
    pub(crate) fn running(&self) -> Running {
        let running = self.pid().and_then(Running::of);
        running.unwrap_or_default()
    }

    /// The process in words, as far as it is known.
    pub(crate) fn named(&self) -> String {
        match self.holder {
            Some(holder) => holder.to_string(),
            None => format!("it called itself process {}", self.state.pid),
        }
    }

    /// What happened to the process that held the role last.
    fn end(&self) -> &'static str {
        match (self.state.epoch, self.state.is_closed) {
            (0, _) => "-",
            (_, true) => "closed",
            _ => "crashed",
        }
    }

    /// In a word.
    pub(crate) fn life(&self) -> String {
        match self.pid() {
            Some(pid) => pid.to_string(),
            // Perhaps the number of another process here.
            None if self.is_alive => format!("{}?", self.state.pid),
            None => self.end().to_owned(),
        }
    }
}

/// `12s`, `34m`, `5h`, `67d`
pub(crate) fn age(since: SystemTime) -> String {
    format!("{:#}", HumanDuration(since.elapsed().unwrap_or_default()))
}
