//! The rings, each created once, with an inaccessible page after it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::rc::Rc;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};

use quoit::{DoorbellKind, Ring, RingOptions};

use super::calls::Prey;
use super::choices::Choices;
use super::memory::{DATA, HEAD, Memory, PAGE, TAIL};
use crate::common::names::RingName;

const DOORBELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];

/// The rings of one shape, each created when it is first chosen.
pub(crate) type Rings<T> = BTreeMap<usize, Rc<Set<T>>>;

/// The content after the data, up to the end of the last page.
const SLACK: u8 = 0xa5;

/// A ring, a second mapping of its memory, and the guard after it.
pub(crate) struct Set<T: Prey + ?Sized> {
    pub(crate) ring: Ring<T>,
    pub(crate) options: RingOptions,
    pub(crate) base: usize,
    pub(crate) memory: Memory,
    /// The mapping behind `memory`.
    _map: MmapRaw,
    /// The bytes of the new ring.
    fresh: Vec<u8>,
    pub(crate) name: RingName,
    /// A second name of the segment, in case it loses the first one.
    spare: RingName,
    /// Pages of a file without content, which no process can access.
    _guards: Vec<MmapRaw>,
}

pub(crate) fn choose<T: Prey + ?Sized>(rings: &mut Rings<T>, choices: &mut Choices) -> Rc<Set<T>> {
    let index = choices.below(T::CAPACITIES.len() * DOORBELLS.len());
    let capacity = T::CAPACITIES[index / DOORBELLS.len()];
    let new = || Rc::new(Set::new(capacity, DOORBELLS[index % DOORBELLS.len()]));
    Rc::clone(rings.entry(index).or_insert_with(new))
}

fn options(capacity: usize, doorbell: DoorbellKind) -> RingOptions {
    let options = RingOptions::new(capacity as u64).doorbell(doorbell);
    options.spin(Duration::ZERO)
}

/// A ring on the heap, where a sanitizer detects every access beyond it. Its memory exists
/// while one of the endpoints does.
pub(crate) fn on_the_heap<T: Prey + ?Sized>(
    choices: &mut Choices,
    first: u64,
) -> (T::Producer, T::Consumer, Memory) {
    let capacity = choices.one_of(&T::CAPACITIES);
    let options = options(capacity, choices.one_of(&DOORBELLS));
    let ends = options.first_position(first).heap::<T>();
    let (mut producer, consumer) = ends.expect("there is memory");
    let data = capacity * T::UNIT;
    let memory = Memory {
        start: T::address_of_data(&mut producer) - DATA,
        unit: T::UNIT,
        data,
        length: DATA + data,
    };
    (producer, consumer, memory)
}

impl<T: Prey + ?Sized> Set<T> {
    pub(crate) fn new(capacity: usize, doorbell: DoorbellKind) -> Self {
        let options = options(capacity, doorbell);
        let name = RingName::new("hostile");
        options.create::<T>(&name).expect("a ring");
        let spare = name.and("-spare");
        fs::hard_link(name.file(), spare.file()).expect("another name");
        let file = OpenOptions::new().read(true).write(true).open(name.file());
        let map = MmapOptions::new().map_raw(&file.expect("the segment's file opens"));
        let map = map.expect("the segment can be mapped");
        let memory = Memory {
            start: map.as_mut_ptr().expose_provenance(),
            unit: T::UNIT,
            data: capacity * T::UNIT,
            length: map.len(),
        };
        let mut fresh = memory.read(0..DATA + memory.data);
        fresh.resize(memory.length, SLACK);
        // A ring is mapped below earlier mappings, unless there is a gap. Then a guard
        // fills the gap, and the next ring is tried.
        let (empty, mut guards) = (tempfile::tempfile().expect("a file"), Vec::new());
        let (ring, base) = loop {
            assert!(guards.len() < 1000, "no ring is directly before a guard");
            let guard = MmapOptions::new().len(PAGE).map_raw(&empty);
            guards.push(guard.expect("there is room for a page"));
            let ring = options.open::<T>(&name).expect("a ring");
            let mut producer = ring.producer().expect("the role is free");
            let base = T::address_of_data(&mut producer) - DATA;
            let is_next = |guard: &MmapRaw| guard.as_ptr().addr() == base + memory.length;
            if guards.iter().any(is_next) {
                break (ring, base);
            }
        };
        let set = Self {
            ring,
            options,
            base,
            memory,
            _map: map,
            fresh,
            name,
            spare,
            _guards: guards,
        };
        set.reset(0, 0);
        set
    }

    /// Restores the new ring, at this position. No process holds a role.
    pub(crate) fn reset(&self, first: u64, fill: u8) {
        let mut fresh = self.fresh.clone();
        fresh[DATA..DATA + self.memory.data].fill(fill);
        self.memory.overwrite(&fresh);
        self.publish(first, first);
    }

    /// Sets the published range.
    pub(crate) fn publish(&self, head: u64, tail: u64) {
        self.memory.put(HEAD, head);
        self.memory.put(TAIL, tail);
    }

    /// Whether nothing was written after the data.
    pub(crate) fn slack_is_whole(&self) -> bool {
        let slack = DATA + self.memory.data..self.memory.length;
        self.memory.read(slack.clone()) == self.fresh[slack]
    }

    /// Restores the segment's name: a write may have marked it as superseded, and another
    /// call may have unlinked it.
    pub(crate) fn restore_name(&self) {
        if !self.name.file().exists() {
            fs::hard_link(self.spare.file(), self.name.file()).expect("its name again");
        }
    }
}
