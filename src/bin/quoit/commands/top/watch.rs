//! The rings that are watched, and what happened to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

use quoit::Error;
use quoit::observer::ShapeKind;

use crate::entry::Entry;
use crate::names;
use crate::output::plain;
use crate::report::Ring;
use crate::sight::{Look, Motion, Sight};
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

/// A file that is watched.
pub(super) struct Watched {
    pub(super) entry: Entry,
    pub(super) motion: Motion,
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
            if let Some(ring) = Watched::open(&name)? {
                if let (Err(_), false) = (&ring.entry.ring, names.is_empty()) {
                    // What is asked for by its name is looked at, or refused.
                    Sight::open(&name)?;
                }
                watch.rings.push(ring);
            } else if !names.is_empty() {
                Sight::open(&name)?;
            }
        }
        Ok(watch)
    }

    fn wanted(&self) -> Result<Vec<PathBuf>, Stop> {
        if !self.names.is_empty() {
            return Ok(self.names.clone());
        }
        names::all()
    }

    /// Looks at every ring once, and for rings that have come or gone.
    pub(super) fn look(&mut self) -> Result<(), Stop> {
        self.new = 0;
        let before = std::mem::take(&mut self.rings).into_iter();
        let named = before.map(|ring| (ring.entry.name.clone(), ring));
        let mut before: BTreeMap<_, _> = named.collect();
        for name in self.wanted()? {
            let known = before.remove(&name).filter(|ring| {
                let is_here = ring.is_here();
                if !is_here {
                    self.tell(&name, "is gone");
                }
                is_here
            });
            match self.keep(&name, known) {
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

    fn keep(&mut self, name: &Path, known: Option<Watched>) -> Result<(), Error> {
        let ring = match known {
            Some(mut ring) => {
                for event in ring.look()? {
                    self.tell(name, &event);
                }
                ring
            }
            None => {
                let Some(ring) = Watched::open(name)? else {
                    return Ok(());
                };
                self.tell(name, "is new");
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

    pub(super) fn report(&self) -> Vec<Ring> {
        let rings = self.rings.iter();
        rings
            .map(|ring| Ring::of(&ring.entry, Some(&ring.motion), None))
            .collect()
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
    /// Nothing if it is no ring; an error if this process can open no other one.
    fn open(name: &Path) -> Result<Option<Self>, Error> {
        match Sight::open(name) {
            Err(error) if is_exhausted(&error) => return Err(error),
            _ => {}
        }
        Ok(Entry::of(name.to_owned()).map(|entry| Self {
            entry,
            motion: Motion::default(),
        }))
    }

    /// Whether the name still leads to it.
    fn is_here(&self) -> bool {
        match &self.entry.ring {
            Ok((sight, _)) => matches!(sight.observer.is_superseded(), Ok(false)),
            Err(_) => Entry::of(self.entry.name.clone())
                .is_some_and(|entry| entry.inode() == self.entry.inode()),
        }
    }

    /// Looks once more; who came and went.
    fn look(&mut self) -> Result<Vec<String>, Error> {
        let Ok((sight, before)) = &mut self.entry.ring else {
            // It may be a ring by now.
            if let Some(again) = Entry::of(self.entry.name.clone()) {
                self.entry = again;
            }
            return Ok(Vec::new());
        };
        let now = sight.look()?;
        self.motion.add(before, &now);
        let events = now.events_since(before);
        *before = now;
        Ok(events)
    }

    pub(super) fn seen(&self) -> Option<&Look> {
        self.entry.ring.as_ref().ok().map(|(_, look)| look)
    }

    pub(super) fn counts_bytes(&self) -> bool {
        self.seen()
            .is_some_and(|look| look.info.shape == ShapeKind::Frames)
    }
}
