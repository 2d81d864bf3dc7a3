//! Rings that are looked at more than once, and what happened to them.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use quoit::Observer;

use crate::entry::Entry;
use crate::names::expanded;
use crate::output::plain;
use crate::sight::{Look, Motion};
use crate::stop::Stop;

/// Between two samples that tell what moves.
const WHILE: Duration = Duration::from_millis(200);
/// Events that are remembered.
const REMEMBERED: usize = 100;

/// All that is watched. No file is kept open: there may be more rings than this process may
/// open files.
#[derive(Default)]
pub(crate) struct Watch {
    /// As they were given.
    names: Vec<PathBuf>,
    pub(crate) rings: Vec<Watched>,
    /// The newest first.
    pub(crate) events: VecDeque<(Instant, String)>,
    /// How many of them the latest look has found.
    new: usize,
}

/// A file that is watched.
pub(crate) struct Watched {
    pub(crate) entry: Entry,
    pub(crate) motion: Motion,
}

impl Watch {
    /// Looks once.
    pub(crate) fn new(names: &[PathBuf]) -> Result<Self, Stop> {
        let names = names.to_owned();
        let mut watch = Self {
            names,
            ..Self::default()
        };
        watch.look()?;
        // All of them are new.
        watch.events.clear();
        Ok(watch)
    }

    /// Looks twice, if there is a ring to look into: that tells rates, and an endpoint that
    /// hangs.
    pub(crate) fn twice(names: &[PathBuf]) -> Result<Self, Stop> {
        let mut watch = Self::new(names)?;
        if watch.rings.iter().any(|ring| ring.seen().is_some()) {
            thread::sleep(WHILE);
            watch.look()?;
        }
        Ok(watch)
    }

    /// An error if one of the names refers to no ring, or a pattern to none.
    pub(crate) fn must_find_all(&self) -> Result<(), Stop> {
        for name in &self.names {
            let meant = expanded(slice::from_ref(name))?;
            if !self
                .rings
                .iter()
                .any(|ring| meant.contains(&ring.entry.name))
            {
                Observer::open(name)?;
            }
        }
        Ok(())
    }

    /// Looks at every ring once, and for rings that are new or were removed.
    pub(crate) fn look(&mut self) -> Result<(), Stop> {
        let known = self.rings.iter().map(|ring| (&ring.entry.name, ring));
        let known: BTreeMap<_, _> = known.collect();
        let entry = |name: PathBuf| -> Result<_, Stop> {
            let before = known.get(&name).and_then(|ring| ring.seen());
            Ok((Entry::of(&name, before)?, name))
        };
        let entries = expanded(&self.names)?.into_iter().map(entry);
        // What was known stays if one of them fails.
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        self.new = 0;
        let before = mem::take(&mut self.rings).into_iter();
        let before = before.map(|ring| (ring.entry.name.clone(), ring));
        let mut before: BTreeMap<_, _> = before.collect();
        for (entry, name) in entries {
            let mut known = before.remove(&name);
            if let (Some(ring), Some(entry)) = (&known, &entry) {
                if !entry.is_still(&ring.entry) {
                    self.tell(&name, "was removed");
                    known = None;
                }
            }
            match (known, entry) {
                (Some(mut ring), Some(entry)) => {
                    for event in ring.add(entry) {
                        self.tell(&name, &event);
                    }
                    self.rings.push(ring);
                }
                (None, Some(entry)) => {
                    self.tell(&name, "is new");
                    let motion = Motion::default();
                    self.rings.push(Watched { entry, motion });
                }
                (Some(_), None) => self.tell(&name, "was removed"),
                (None, None) => {}
            }
        }
        for name in before.keys() {
            self.tell(name, "was removed");
        }
        Ok(())
    }

    fn tell(&mut self, name: &Path, what: &str) {
        let event = format!("{}: {what}", plain(&name.to_string_lossy()));
        self.events.push_front((Instant::now(), event));
        self.events.truncate(REMEMBERED);
        self.new = REMEMBERED.min(self.new + 1);
    }

    /// What the latest look has found.
    pub(crate) fn news(&self) -> Vec<&str> {
        let news = self.events.iter().take(self.new).rev();
        news.map(|(_, event)| &**event).collect()
    }
}

impl Watched {
    /// Adds what was found now; the processes that attached and closed.
    fn add(&mut self, entry: Entry) -> Vec<String> {
        let before = mem::replace(&mut self.entry, entry);
        match (&before.ring, &self.entry.ring) {
            (Ok(before), Ok(now)) => {
                self.motion.add(before, now);
                now.events_since(before)
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn seen(&self) -> Option<&Look> {
        self.entry.ring.as_ref().ok()
    }
}
