//! A ring as it is seen from outside.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime};

use quoit::observer::{EndpointState, Rates, RingInfo, Sample, ShapeKind};
use quoit::{Corrupt, Error, Holder, Observer, Role};

/// After so many looks an end that changes all the time is taken as it is.
const LOOKS: u32 = 100;

/// Producer and consumer, in the order of every pair here.
pub(crate) const ROLES: [Role; 2] = [Role::Producer, Role::Consumer];

/// A ring that is looked at.
pub(crate) struct Sight {
    pub(crate) observer: Observer,
    /// Who held the roles at the last look, each with its epoch: they are looked for once.
    holders: Cell<[Option<(u64, Holder)>; 2]>,
}

/// What was found at one moment.
pub(crate) struct Look {
    pub(crate) sample: Sample,
    are_alive: [bool; 2],
    holders: [Option<Holder>; 2],
    pub(crate) is_superseded: bool,
    pub(crate) is_half_removed: bool,
    /// What cannot be, if something is.
    pub(crate) corrupt: Option<Corrupt>,
    pub(crate) info: RingInfo,
}

/// One end, as it was at the look.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) state: EndpointState,
    pub(crate) is_alive: bool,
    /// Of one that is alive, as the kernel shows it.
    holder: Option<Holder>,
}

/// What happened between two looks or more.
#[derive(Clone, Copy, Default)]
pub(crate) struct Motion {
    /// Between the last two.
    pub(crate) rates: Rates,
    /// How long each end has not moved, if it was there.
    pub(crate) idle: [Duration; 2],
    /// How long the consumer has taken nothing of what was there.
    pub(crate) stalled: Duration,
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
            corrupt: None,
            info: self.observer.info(),
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
        look.corrupt = self.corruption(&look)?;
        Ok(look)
    }

    /// What is wrong with positions that cannot be, if they stay so: the two were not read
    /// at once. Sound ones cost the ends nothing more.
    fn corruption(&self, look: &Look) -> Result<Option<Corrupt>, Error> {
        let positions = look.sample.positions;
        let unread = positions.tail.wrapping_sub(positions.head);
        let is_odd = look.info.shape == ShapeKind::Frames && positions.head % 8 != 0;
        if unread <= look.info.capacity && !is_odd {
            return Ok(None);
        }
        match self.observer.unread(1, |_| ()) {
            Err(Error::Corrupt(corrupt)) => Ok(Some(corrupt)),
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }

    fn holders(&self, sample: &Sample) -> Result<[Option<Holder>; 2], Error> {
        let mut holders = self.holders.get();
        let ends = [sample.producer, sample.consumer];
        for (known, (role, end)) in holders.iter_mut().zip(ROLES.into_iter().zip(ends)) {
            if known.is_none_or(|(epoch, _)| epoch != end.epoch) {
                let holder = self.observer.holder(role)?;
                *known = holder.map(|holder| (end.epoch, holder));
            }
        }
        self.holders.set(holders);
        Ok(holders.map(|known| known.map(|(_, holder)| holder)))
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

    /// Whether no process has ever held a role.
    pub(crate) fn is_unused(&self) -> bool {
        self.sample.producer.epoch == 0 && self.sample.consumer.epoch == 0
    }

    /// Who has an end, in words.
    pub(crate) fn holders(&self) -> String {
        let holders = ROLES.map(|role| (role, self.peer(role)));
        let holders = holders.iter().filter(|(_, peer)| peer.is_alive);
        let holders = holders.map(|(role, peer)| match peer.pid() {
            Some(pid) => format!("{role} {pid}"),
            None => format!("{role} ({})", peer.named()),
        });
        holders.collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn shape(&self) -> &'static str {
        match self.info.shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "frames",
        }
    }

    /// What positions count.
    pub(crate) fn unit(&self) -> &'static str {
        match self.info.shape {
            ShapeKind::Records => "records",
            ShapeKind::Frames => "bytes",
        }
    }

    /// How full the ring is, in percent.
    pub(crate) fn percent(&self) -> u64 {
        let fill = self.sample.positions.len();
        (u128::from(fill) * 100 / u128::from(self.info.capacity)) as u64
    }

    /// How full it is, in a word.
    pub(crate) fn fill(&self) -> String {
        match self.corrupt {
            Some(_) => "corrupt".to_owned(),
            None => format!("{}%", self.percent()),
        }
    }
}

impl Motion {
    /// Adds what happened between this look and the one before.
    pub(crate) fn add(&mut self, before: &Look, now: &Look) {
        let (then, sample) = (&before.sample, &now.sample);
        self.rates = sample.rates_since(then);
        let (from, to) = (then.positions, sample.positions);
        let moved = [from.tail != to.tail, from.head != to.head];
        let longer = |time: Duration, is_still: bool| match is_still {
            true => time + (sample.at - then.at),
            false => Duration::ZERO,
        };
        for ((idle, has_moved), role) in self.idle.iter_mut().zip(moved).zip(ROLES) {
            *idle = longer(*idle, !has_moved && now.peer(role).is_alive);
        }
        let had_some = !from.is_empty() && now.peer(Role::Consumer).is_alive;
        self.stalled = longer(self.stalled, !moved[1] && had_some);
    }
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

/// `12s`, `34m`, `5h`, `67d`
pub(crate) fn age(since: SystemTime) -> String {
    match since.elapsed().map_or(0, |elapsed| elapsed.as_secs()) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}
