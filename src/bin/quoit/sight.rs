//! What can be seen of a ring from outside, as JSON and in words.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use quoit::observer::{EndState, ObservedShape};
use quoit::{Error, Observer, Role};
use serde_json::{Value, json};

/// A ring that is looked at.
pub(crate) struct Sight {
    pub(crate) observer: Observer,
}

/// One end, as it was at the look.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) state: EndState,
    pub(crate) is_alive: bool,
}

impl Sight {
    pub(crate) fn open(name: &Path) -> Result<Self, Error> {
        Observer::open(name).map(|observer| Self { observer })
    }

    pub(crate) fn peer(&self, role: Role) -> Result<Peer, Error> {
        Ok(Peer {
            is_alive: self.observer.is_alive(role)?,
            state: self.observer.end(role),
        })
    }

    pub(crate) fn shape(&self) -> &'static str {
        match self.observer.about().shape {
            ObservedShape::Slots => "slots",
            ObservedShape::Frames => "frames",
        }
    }

    pub(crate) fn age(&self) -> String {
        age(self.observer.about().created)
    }

    /// How full it is, in percent.
    pub(crate) fn percent(&self) -> u64 {
        percent(self.fill(), self.observer.about().capacity)
    }

    pub(crate) fn fill(&self) -> u64 {
        self.observer.positions().fill()
    }

    pub(crate) fn json(&self) -> Result<Value, Error> {
        let (about, positions) = (self.observer.about(), self.observer.positions());
        let peer = |role| {
            let Peer { state, is_alive } = self.peer(role)?;
            Ok::<_, Error>(json!({
                "alive": is_alive, "closed": state.is_closed, "epoch": state.epoch,
                "pid": state.pid, "parks": state.parks, "wakes": state.wakes,
                "rescues": state.rescues,
                "command": is_alive.then(|| command(state.pid)).flatten(),
                "core": is_alive.then(|| core(state.pid)).flatten(),
            }))
        };
        Ok(json!({
            "name": self.observer.name(),
            "shape": self.shape(),
            "capacity": about.capacity,
            "slot_size": about.slot_size,
            "schema": format!("{:016x}", about.schema),
            "layout": about.layout,
            "incarnation": format!("{:016x}", about.incarnation),
            "bytes": about.length,
            "age_seconds": elapsed(about.created),
            "tail": positions.tail,
            "head": positions.head,
            "fill": positions.fill(),
            "producer": peer(Role::Producer)?,
            "consumer": peer(Role::Consumer)?,
            "superseded": self.observer.is_superseded()?,
            "wrong": self.wrong()?,
        }))
    }

    /// What looks wrong, in plain words.
    pub(crate) fn wrong(&self) -> Result<Vec<String>, Error> {
        let mut wrong = Vec::new();
        for role in [Role::Producer, Role::Consumer] {
            let peer = self.peer(role)?;
            if peer.has_died() {
                let pid = peer.state.pid;
                wrong.push(format!(
                    "the {role} (process {pid}) died; a new one goes on where it was"
                ));
            }
            if peer.state.rescues > 0 {
                let count = peer.state.rescues;
                wrong.push(format!(
                    "{count} wake-ups of the {role} were lost; this is a bug, please report it"
                ));
            }
        }
        if self.percent() >= 95 && !self.peer(Role::Consumer)?.is_alive {
            wrong.push("it is full, and nobody reads it; start a consumer".to_owned());
        }
        if self.observer.is_superseded()? {
            wrong.push(
                "its name leads elsewhere by now; who is attached should open it again".to_owned(),
            );
        }
        Ok(wrong)
    }
}

impl Peer {
    fn has_died(&self) -> bool {
        self.state.epoch > 0 && !self.state.is_closed && !self.is_alive
    }

    /// In a word or two.
    pub(crate) fn life(&self) -> String {
        match self.state {
            _ if self.is_alive => self.state.pid.to_string(),
            EndState { epoch: 0, .. } => "never came".to_owned(),
            EndState {
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

/// How much of a ring that is.
pub(crate) fn percent(fill: u64, capacity: u64) -> u64 {
    (u128::from(fill) * 100 / u128::from(capacity)) as u64
}

/// A process's command line.
pub(crate) fn command(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = line.split(|&byte| byte == 0).collect();
    let words = words.iter().map(|word| String::from_utf8_lossy(word));
    Some(words.collect::<Vec<_>>().join(" ").trim_end().to_owned())
}

/// The core on which a process ran last.
pub(crate) fn core(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    // proc(5): field 39, and the state after the name is field 3.
    after_name.split(' ').nth(36)?.parse().ok()
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
