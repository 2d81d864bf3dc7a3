//! The rings, made once: each with a page behind it that nobody may touch.

use std::fs;
use std::time::Duration;

use quoit::{DoorbellKind, Ring, RingOptions};

use super::choices::Choices;
use super::memory::{Guard, Memory, mappings};
use super::prey::Prey;
use crate::common::names::RingName;

/// Capacities in bytes. The last one fills a page, or nearly: a read beyond it
/// meets the guard.
const DATA_BYTES: [usize; 4] = [64, 128, 512, 4096];
const DOORBELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];

/// The rings of one shape, each made when it is first chosen.
pub(crate) struct Rings<T: Prey + ?Sized> {
    sets: [Option<Set<T>>; DATA_BYTES.len() * DOORBELLS.len()],
}

/// A ring, its memory once more, and the guard behind it.
pub(crate) struct Set<T: Prey + ?Sized> {
    pub(crate) ring: Ring<T>,
    pub(crate) options: RingOptions,
    pub(crate) base: usize,
    pub(crate) memory: Memory,
    pub(crate) name: RingName,
    /// Another name of the segment, in case it loses its own.
    spare: RingName,
    _guard: Guard,
}

impl<T: Prey + ?Sized> Default for Rings<T> {
    fn default() -> Self {
        Self {
            sets: Default::default(),
        }
    }
}

impl<T: Prey + ?Sized> Rings<T> {
    pub(crate) fn choose(&mut self, choices: &mut Choices<'_>) -> &Set<T> {
        let index = choices.below(self.sets.len());
        let bytes = DATA_BYTES[index / DOORBELLS.len()];
        let doorbell = DOORBELLS[index % DOORBELLS.len()];
        self.sets[index].get_or_insert_with(|| Set::new(bytes, doorbell))
    }
}

impl<T: Prey + ?Sized> Set<T> {
    fn new(bytes: usize, doorbell: DoorbellKind) -> Self {
        let fitting = (bytes / T::UNIT).max(1);
        let capacity = 1 << fitting.ilog2();
        let options = RingOptions::new(capacity as u64)
            .doorbell(doorbell)
            .spin(Duration::ZERO);
        let name = RingName::new("hostile");
        options.create::<T>(&name).expect("a ring");
        let spare = name.and("-spare");
        fs::hard_link(name.file(), spare.file()).expect("another name");
        let memory = Memory::new(&name.file(), capacity * T::UNIT);
        // A ring is mapped below what was mapped before it, unless there is a
        // gap: then a guard fills it, and the next one is tried.
        let mut guards = Vec::new();
        loop {
            assert!(guards.len() < 1000, "no ring lies before a guard");
            guards.push(Guard::new());
            let ring = options.open::<T>(&name).expect("a ring");
            let mappings = mappings(&name.file());
            let is_ring = |base: &&usize| **base != memory.address();
            let base = *mappings.iter().find(is_ring).expect("a mapping");
            let end = base + memory.length();
            if let Some(index) = guards.iter().position(|guard| guard.is_at(end)) {
                return Self {
                    ring,
                    options,
                    base,
                    memory,
                    name,
                    spare,
                    _guard: guards.swap_remove(index),
                };
            }
        }
    }

    /// Gives the segment its name back: somebody may have marked it as
    /// superseded, and somebody else taken the name away.
    pub(crate) fn restore_name(&self) {
        if !self.name.file().exists() {
            fs::hard_link(self.spare.file(), self.name.file()).expect("its name again");
        }
    }
}
