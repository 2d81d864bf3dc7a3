//! Deaths of sleepers and of wakers, at each of their steps: between position and word,
//! between word and wake, before the sleep and during it. A restarted peer takes the role
//! in the same thread, and the other threads must finish.

use std::cell::Cell;
use std::rc::Rc;

use super::First::{self, Reader, Writer};
use super::Form::{self, Awake, Symmetric};
use super::{Consumer, Producer, Ring, Steps, both};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Abandoned, Died, Empty, Full, Slept};

/// Producers, all mortal but the last. The next holder pushes what was not published.
struct Producers {
    capacity: usize,
    count: u64,
    mortals: usize,
    /// Whether each producer closes, and the consumer waits for that.
    close: bool,
    form: Form,
    first: First,
}

impl Scenario<Steps> for Producers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.capacity, self.form, &[], steps);
        let (writing, reading) = (Rc::clone(&ring), ring);
        let given: Vec<u64> = (1..=self.count).collect();
        let values = given.clone();
        let produce = move || {
            let mut producer = Producer::take(&writing, steps, self.form);
            let published = writing.tail.load_own() as usize;
            producer.push(&values[published..], false);
            if self.close {
                producer.close();
            }
        };
        let write = move || {
            for generation in 0..self.mortals {
                mortal(generation, &produce);
            }
            produce();
        };
        let read = move || {
            let mut consumer = Consumer::take(&reading, steps, self.form);
            let wanted = if self.close {
                usize::MAX
            } else {
                self.count as usize
            };
            let taken = std::iter::from_fn(|| consumer.pop());
            taken.take(wanted).collect::<Vec<u64>>()
        };
        let ((), taken) = both(self.first, write, read);
        assert!(taken == given, "taken {taken:?}");
    }
}

/// Consumers, all mortal but the last; they may die while they sleep.
struct Consumers {
    capacity: usize,
    count: u64,
    mortals: usize,
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
            for generation in 0..self.mortals {
                mortal(generation, || {
                    let mut consumer = Consumer::take(&reading, steps, self.form);
                    last.set(consumer.cursor.position());
                    for _ in consumer.cursor.position() + 1..self.count {
                        last.set(consumer.pop().expect("no producer closes"));
                    }
                });
            }
            let mut successor = Consumer::take(&reading, steps, self.form);
            let released = successor.cursor.position();
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
        both(self.first, write, read);
    }
}

const MORTAL: Model<Steps> = Model {
    preemptions: Some(1),
    mortals: 1,
    states: &[Full, Empty, Slept, Died],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "waker_dies",
        floor: 11_000,
        scenario: &Producers {
            capacity: 1,
            count: 2,
            mortals: 1,
            close: false,
            form: Symmetric,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "waker_dies_and_sleeper_was_awake",
        preemptions: Some(2),
        floor: 82_000,
        scenario: &Producers {
            capacity: 1,
            count: 2,
            mortals: 1,
            close: false,
            form: Awake,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "sleeper_dies",
        floor: 6_800,
        scenario: &Consumers {
            capacity: 1,
            count: 2,
            mortals: 1,
            form: Symmetric,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "sleeper_dies_that_was_awake",
        preemptions: Some(2),
        floor: 110_000,
        scenario: &Consumers {
            capacity: 1,
            count: 2,
            mortals: 1,
            form: Awake,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "waker_dies_and_so_does_the_next",
        preemptions: Some(1),
        mortals: 2,
        states: &[Empty, Slept, Died],
        floor: 62_000,
        scenario: &Producers {
            capacity: 1,
            count: 2,
            mortals: 2,
            close: false,
            form: Symmetric,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "sleeper_dies_and_so_does_the_next",
        preemptions: Some(1),
        mortals: 2,
        states: &[Empty, Slept, Died],
        floor: 60_000,
        scenario: &Consumers {
            capacity: 1,
            count: 2,
            mortals: 2,
            form: Symmetric,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "closing_endpoint_dies",
        preemptions: Some(2),
        floor: 21_000,
        states: &[Empty, Slept, Died, Abandoned],
        scenario: &Producers {
            capacity: 2,
            count: 1,
            mortals: 1,
            close: true,
            form: Symmetric,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "closing_endpoint_dies_and_sleeper_was_awake",
        preemptions: Some(2),
        floor: 16_000,
        states: &[Empty, Slept, Died, Abandoned],
        scenario: &Producers {
            capacity: 2,
            count: 1,
            mortals: 1,
            close: true,
            form: Awake,
            first: Reader,
        },
        ..MORTAL
    },
];
