//! The rings that are watched, and what happened to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quoit::observer::{Rates, ShapeKind};
use quoit::{Error, Role};
use serde_json::{Value, json};

use crate::commands::list::files;
use crate::mounts::SHARED_MEMORY;
use crate::output::plain;
use crate::sight::{Look, Sight};
use crate::stop::Stop;

/// Events that are remembered.
const REMEMBERED: usize = 100;

/// All that is watched.
pub(super) struct Watch {
    /// Those that were asked for; none are all.
    names: Vec<PathBuf>,
    pub(super) rings: Vec<Watched>,
    /// The newest last.
    pub(super) events: VecDeque<(Instant, String)>,
    /// How many of them came with the last look.
    new: usize,
}

/// A ring that is watched.
pub(super) struct Watched {
    name: PathBuf,
    pub(super) sight: Sight,
    pub(super) look: Look,
    pub(super) rates: Rates,
    /// How long the consumer has taken nothing of what is there.
    pub(super) stalled: Duration,
}

impl Watch {
    /// An error if one of the names leads to no ring.
    pub(super) fn new(names: &[PathBuf]) -> Result<Self, Stop> {
        allow_many_files();
        let mut given = BTreeSet::new();
        let names = names.iter().filter(|&name| given.insert(name));
        let names: Vec<_> = names.cloned().collect();
        let mut watch = Self {
            names: names.clone(),
            rings: Vec::new(),
            events: VecDeque::new(),
            new: 0,
        };
        for name in watch.wanted()? {
            match Watched::open(&name) {
                Ok(ring) => watch.rings.push(ring),
                Err(error) if !names.is_empty() || is_exhausted(&error) => {
                    return Err(error.into());
                }
                // Not every file there is a ring.
                Err(_) => {}
            }
        }
        Ok(watch)
    }

    fn wanted(&self) -> Result<Vec<PathBuf>, Stop> {
        if !self.names.is_empty() {
            return Ok(self.names.clone());
        }
        let directory = Path::new(SHARED_MEMORY);
        files(directory).map_err(Stop::io(format!("list {SHARED_MEMORY}")))
    }

    /// Looks at every ring once, and for rings that have come or gone.
    pub(super) fn look(&mut self) -> Result<(), Stop> {
        self.new = 0;
        let before = std::mem::take(&mut self.rings).into_iter();
        let mut before: BTreeMap<_, _> = before.map(|ring| (ring.name.clone(), ring)).collect();
        for name in self.wanted()? {
            let known = before.remove(&name).filter(|ring| {
                let is_here = ring.is_here();
                if !is_here {
                    self.tell(&name, "is gone");
                }
                is_here
            });
            match self.keep(name, known) {
                Err(error) if is_exhausted(&error) => return Err(error.into()),
                // One that could not be looked at may still be one at the next look.
                Ok(()) | Err(_) => {}
            }
        }
        for name in before.keys() {
            self.tell(name, "is gone");
        }
        Ok(())
    }

    fn keep(&mut self, name: PathBuf, known: Option<Watched>) -> Result<(), Error> {
        let ring = match known {
            Some(mut ring) => {
                for event in ring.look()? {
                    self.tell(&name, &event);
                }
                ring
            }
            None => {
                let ring = Watched::open(&name)?;
                self.tell(&name, "is new");
                ring
            }
        };
        self.rings.push(ring);
        Ok(())
    }

    fn tell(&mut self, name: &Path, what: &str) {
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        let event = format!("{}: {what}", plain(&name.to_string_lossy()));
        self.events.push_back((Instant::now(), event));
        self.new = REMEMBERED.min(self.new + 1);
    }

    /// What has happened since the look before the last.
    pub(super) fn news(&self) -> Vec<&str> {
        let news = self.events.range(self.events.len() - self.new..);
        news.map(|(_, event)| &**event).collect()
    }

    pub(super) fn json(&self) -> Vec<Value> {
        self.rings.iter().map(Watched::json).collect()
    }
}

/// A ring that is watched keeps its file open.
fn allow_many_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit lives through the call.
    let error = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if error == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: as above. Where it fails an open will say so.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// Whether it is this process that has no room for another ring.
fn is_exhausted(error: &Error) -> bool {
    let Error::Io { source, .. } = error else {
        return false;
    };
    let number = source.raw_os_error();
    number.is_some_and(|number| matches!(number, libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

impl Watched {
    fn open(name: &Path) -> Result<Self, Error> {
        let sight = Sight::open(name)?;
        Ok(Self {
            name: name.to_owned(),
            look: sight.look()?,
            rates: Rates::default(),
            stalled: Duration::ZERO,
            sight,
        })
    }

    /// Whether the name still leads to it.
    fn is_here(&self) -> bool {
        matches!(self.sight.observer.is_superseded(), Ok(false))
    }

    /// Looks once more; who came and went.
    fn look(&mut self) -> Result<Vec<String>, Error> {
        let now = self.sight.look()?;
        self.rates = now.sample.rates_since(&self.look.sample);
        self.stalled = match now.idle_since(&self.look) {
            Some(idle) => self.stalled + idle,
            None => Duration::ZERO,
        };
        let events = now.events_since(&self.look);
        self.look = now;
        Ok(events)
    }

    pub(super) fn counts_bytes(&self) -> bool {
        self.sight.observer.info().shape == ShapeKind::Frames
    }

    fn json(&self) -> Value {
        let peer = |role| {
            let peer = self.look.peer(role);
            json!({
                "alive": peer.is_alive, "closed": peer.state.is_closed,
                "epoch": peer.state.epoch, "pid": peer.state.pid, "holder": peer.pid(),
                "dropped": peer.state.dropped,
            })
        };
        let (look, rates) = (&self.look, &self.rates);
        json!({
            "name": self.sight.observer.name(),
            "shape": self.sight.shape(),
            "capacity": self.sight.observer.info().capacity,
            "fill": look.sample.positions.len(),
            "in_per_second": rates.pushed,
            "out_per_second": rates.popped,
            "parks_per_second": rates.parks,
            "wakes_per_second": rates.wakes,
            "stalled_seconds": self.stalled.as_secs_f64(),
            "producer": peer(Role::Producer),
            "consumer": peer(Role::Consumer),
            "wrong": look.wrong(),
        })
    }
}
