//! Slots: single records, and batches.

use std::rc::Rc;

use super::compare;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{
    Carried, Concurrent, Empty, Full, Published, Released, Reused, Scrap,
};
use crate::ring::First::{self, Reader, Writer};
use crate::ring::{Ring, work};
use crate::slots::{Consumer, Producer, Record, WORDS, record};
use crate::steps::Steps;
use crate::steps::Way::{self, Ride, Walk};

/// One record after the other.
pub(super) struct Stream {
    pub(super) start: u64,
    pub(super) capacity: u64,
    pub(super) ways: &'static [Way],
    pub(super) first: First,
}

impl Scenario<Steps> for Stream {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity * WORDS as u64);
        let write = move |ring: &Rc<Ring>| {
            let mut producer = Producer::take(ring, steps);
            for (record, &way) in records(self.ways.len()).into_iter().zip(self.ways) {
                producer.push(record, way);
            }
        };
        let read = move |ring: &Rc<Ring>| {
            let mut consumer = Consumer::take(ring, steps, self.ways.contains(&Ride));
            let taken = self.ways.iter().map(|_| consumer.pop());
            taken.collect::<Vec<_>>()
        };
        let ((), taken) = work(&ring, self.first, write, read);
        compare(&taken, &records(self.ways.len()));
    }
}

/// Batches: as many records as fit, or as have arrived.
struct Batches {
    start: u64,
    capacity: u64,
    count: usize,
    first: First,
}

impl Scenario<Steps> for Batches {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity * WORDS as u64);
        let records = records(self.count);
        let given = records.clone();
        let write = move |ring: &Rc<Ring>| Producer::take(ring, steps).push_slice(&records);
        let read = move |ring: &Rc<Ring>| Consumer::take(ring, steps, false).pop_slice(self.count);
        let ((), taken) = work(&ring, self.first, write, read);
        compare(&taken, &given);
    }
}

/// One record after the other in streaming mode: whole lines only.
struct WholeLines {
    start: u64,
    capacity: u64,
    count: usize,
    first: First,
}

impl Scenario<Steps> for WholeLines {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::streaming(self.start, self.capacity, self.capacity * WORDS as u64);
        let write = move |ring: &Rc<Ring>| {
            let mut producer = Producer::take(ring, steps);
            for record in records(self.count) {
                producer.push(record, Walk);
            }
        };
        let read = move |ring: &Rc<Ring>| {
            let mut consumer = Consumer::take(ring, steps, false);
            (0..self.count).map(|_| consumer.pop()).collect::<Vec<_>>()
        };
        let ((), taken) = work(&ring, self.first, write, read);
        compare(&taken, &records(self.count));
    }
}

/// A batch, a claim that is dropped, and then one record after the other.
struct Mixed {
    start: u64,
    capacity: u64,
    batch: usize,
    count: usize,
    first: First,
}

impl Scenario<Steps> for Mixed {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity * WORDS as u64);
        let write = move |ring: &Rc<Ring>| {
            let mut producer = Producer::take(ring, steps);
            let records = records(self.count);
            let (batch, singles) = records.split_at(self.batch);
            producer.push_slice(batch);
            producer.claim(&singles[0]);
            for &record in singles {
                producer.push(record, Walk);
            }
        };
        let read = move |ring: &Rc<Ring>| {
            let mut consumer = Consumer::take(ring, steps, false);
            let mut taken = consumer.pop_slice(self.batch);
            taken.extend((self.batch..self.count).map(|_| consumer.pop()));
            taken
        };
        let ((), taken) = work(&ring, self.first, write, read);
        compare(&taken, &records(self.count));
    }
}

fn records(count: usize) -> Vec<Record> {
    (1..).take(count).map(record).collect()
}

const STREAM: Model<Steps> = Model {
    states: &[Full, Empty, Reused, Carried, Concurrent],
    ..Model::EMPTY
};

const BATCHES: Model<Steps> = Model {
    states: &[
        Full, Empty, Reused, Carried, Concurrent, Published, Released,
    ],
    ..Model::EMPTY
};

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        // documented: LOOM_LOCATION=1 cargo test --features loom --test loom_cursor -- slots_of_one --exact
        name: "slots_of_one",
        floor: 13_000,
        states: &[Full, Empty, Reused, Concurrent],
        scenario: &Stream {
            start: 0,
            capacity: 1,
            ways: &[Walk; 3],
            first: Writer,
        },
        ..STREAM
    },
    Model {
        name: "slots_of_one_reader_first",
        floor: 36_000,
        scenario: &Stream {
            start: u64::MAX,
            capacity: 1,
            ways: &[Walk; 3],
            first: Reader,
        },
        ..STREAM
    },
    Model {
        name: "slots_of_two",
        floor: 16_000,
        scenario: &Stream {
            start: u32::MAX as u64 - 1,
            capacity: 2,
            ways: &[Walk; 3],
            first: Writer,
        },
        ..STREAM
    },
    Model {
        name: "slots_of_two_reader_first",
        floor: 37_000,
        scenario: &Stream {
            start: u64::MAX - 1,
            capacity: 2,
            ways: &[Walk; 3],
            first: Reader,
        },
        ..STREAM
    },
    Model {
        name: "slots_of_two_four_records",
        preemptions: Some(3),
        floor: 25_000,
        scenario: &Stream {
            start: u64::MAX,
            capacity: 2,
            ways: &[Walk; 4],
            first: Writer,
        },
        ..STREAM
    },
    Model {
        name: "slots_in_batches",
        floor: 350,
        scenario: &Batches {
            start: u64::MAX - 2,
            capacity: 4,
            count: 8,
            first: Writer,
        },
        ..BATCHES
    },
    Model {
        name: "slots_in_batches_reader_first",
        floor: 920,
        scenario: &Batches {
            start: u32::MAX as u64,
            capacity: 2,
            count: 4,
            first: Reader,
        },
        ..BATCHES
    },
    Model {
        name: "slots_in_whole_lines",
        preemptions: Some(3),
        floor: 34_000,
        states: &[Full, Empty, Reused, Carried, Concurrent, Scrap],
        scenario: &WholeLines {
            start: u64::MAX - 2,
            capacity: 2,
            count: 4,
            first: Writer,
        },
        ..STREAM
    },
    Model {
        name: "slots_in_whole_lines_reader_first",
        preemptions: Some(3),
        floor: 24_000,
        states: &[Full, Empty, Reused, Concurrent, Scrap],
        scenario: &WholeLines {
            start: 1,
            capacity: 2,
            count: 4,
            first: Reader,
        },
        ..STREAM
    },
    Model {
        name: "slots_in_a_batch_then_one_by_one",
        preemptions: Some(3),
        floor: 800,
        states: &[Full, Empty, Reused, Concurrent, Published],
        scenario: &Mixed {
            start: u64::MAX - 1,
            capacity: 2,
            batch: 2,
            count: 4,
            first: Writer,
        },
        ..STREAM
    },
];
