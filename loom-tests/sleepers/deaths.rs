//! Deaths of sleepers and of wakers, at each of their steps: between position
//! and word, between word and wake, before and in the sleep. A successor takes
//! the role in the same thread, and whoever is left must come to its end.

use std::cell::Cell;
use std::rc::Rc;

use super::First::{self, Reader, Writer};
use super::Form::{self, Awake, Symmetric};
use super::{Consumer, Producer, Ring, Steps, work};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Died, Empty, Full, Slept};

/// Producers, of which the first dies. What is not published is pushed again
/// by the successor.
struct Producers {
    capacity: usize,
    count: u64,
    form: Form,
    first: First,
}

impl Scenario<Steps> for Producers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.capacity, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let given: Vec<u64> = (1..=self.count).collect();
        let values = given.clone();
        let write = move || {
            mortal(0, || {
                let mut producer = Producer::take(&writing, steps, self.form);
                producer.push(&values, false);
            });
            let mut successor = Producer::take(&writing, steps, self.form);
            let published = Ring::own(&writing.tail) as usize;
            successor.push(&values[published..], false);
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            let taken = (0..self.count).map(|_| consumer.pop());
            taken.collect::<Option<Vec<u64>>>()
        };
        let ((), taken) = work(self.first, write, read);
        assert!(taken.as_ref() == Some(&given), "taken {taken:?}");
    }
}

/// Consumers, of which the first dies, perhaps in its sleep.
struct Consumers {
    capacity: usize,
    count: u64,
    form: Form,
    first: First,
}

impl Scenario<Steps> for Consumers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.capacity, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let values: Vec<u64> = (1..=self.count).collect();
        let write = move || {
            let mut producer = Producer::take(&writing, steps, self.form);
            producer.push(&values, false);
        };
        let read = move || {
            let last = Cell::new(0);
            mortal(0, || {
                let mut consumer = Consumer::take(&reading, steps, self.form);
                for _ in 1..self.count {
                    last.set(consumer.pop().expect("no goodbye was said"));
                }
            });
            let mut successor = Consumer::take(&reading, steps, self.form);
            let released = successor.head;
            assert!(
                (last.get()..=last.get() + 1).contains(&released),
                "{released} released, {} taken",
                last.get()
            );
            for number in released + 1..=self.count {
                let value = successor.pop();
                assert!(value == Some(number), "{value:?} taken, not {number}");
            }
        };
        work(self.first, write, read);
    }
}

const MORTAL: Model<Steps> = Model {
    preemptions: Some(2),
    mortals: 1,
    states: &[Full, Empty, Slept, Died],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "waker_dies",
        preemptions: Some(1),
        floor: 3_900,
        scenario: &Producers {
            capacity: 1,
            count: 2,
            form: Symmetric,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "waker_dies_under_one_who_was_awake",
        floor: 82_000,
        scenario: &Producers {
            capacity: 1,
            count: 2,
            form: Awake,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "sleeper_dies",
        preemptions: Some(1),
        floor: 3_400,
        scenario: &Consumers {
            capacity: 1,
            count: 2,
            form: Symmetric,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "sleeper_dies_who_was_awake",
        floor: 110_000,
        scenario: &Consumers {
            capacity: 1,
            count: 2,
            form: Awake,
            first: Reader,
        },
        ..MORTAL
    },
];
