//! A waker publishes positions, and a sleeper waits for each: with deaths of both, and with
//! wakers that are not registered for barriers.

use std::cell::Cell;
use std::rc::Rc;

use loom::thread;

use super::{AtomicU32, AtomicU64, Kernel, Machine, Sleeper, Steps};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{Died, Empty, Granted, Slept};
use crate::harness::reached::reach;

/// What both processes map.
struct Ring {
    tail: AtomicU64,
    /// How many messages the consumer has taken; no thread waits for it.
    head: AtomicU64,
    word: AtomicU32,
}

struct Talk {
    count: u64,
    /// Wakers, one after the other: whether the process of each is registered for barriers.
    /// All but the last are mortal.
    wakers: &'static [bool],
    /// Consumers, one after the other; all but the last are mortal.
    sleepers: usize,
    /// Whether the mortal consumer dies only between its own `DROWSY` and its barrier.
    dies_drowsy: bool,
}

impl Scenario<Steps> for Talk {
    fn run(&'static self, steps: &'static Steps) {
        let buffer = Machine::start(steps.fences);
        let ring = Rc::new(Ring {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            word: AtomicU32::new(0),
        });
        let writing = Rc::clone(&ring);
        let writer = thread::spawn(move || {
            Machine::i_am_the_waker();
            for (generation, &registered) in self.wakers.iter().enumerate() {
                Machine::register(registered);
                let write = || self.write(&writing, steps, registered);
                if generation + 1 < self.wakers.len() {
                    mortal(generation, write);
                    Machine::end_waker();
                } else {
                    write();
                }
            }
            Machine::halt();
        });
        for generation in 0..self.sleepers {
            let read = || self.read(&ring, steps, generation);
            if generation + 1 < self.sleepers {
                mortal(generation, read);
            } else {
                read();
            }
        }
        writer.join().expect("the writer returns");
        buffer.join().expect("the thread of the buffer returns");
    }
}

impl Talk {
    fn write(&self, ring: &Ring, steps: &'static Steps, registered: bool) {
        let kernel = Kernel {
            steps,
            generation: 0,
        };
        let waker = (steps.waker)(registered);
        (steps.take)(&waker, &ring.word, &kernel);
        for tail in ring.tail.load() + 1..=self.count {
            ring.tail.store(tail);
            (steps.moved)(&waker, &ring.word, &kernel);
        }
    }

    fn read(&self, ring: &Ring, steps: &'static Steps, generation: usize) {
        let kernel = Kernel { steps, generation };
        let head = Cell::new(ring.head.load());
        let mut sleeper = Sleeper::new(&ring.word, true, 1, head.get());
        while head.get() < self.count {
            if ring.tail.load() > head.get() {
                head.set(head.get() + 1);
                ring.head.store(head.get());
                if sleeper.is_due(head.get()) {
                    reach(Granted);
                    // The flag for this may be stale: nothing depends on it.
                    sleeper.grant(&ring.word, head.get(), true);
                }
                continue;
            }
            reach(Empty);
            if self.dies_drowsy && generation + 1 < self.sleepers {
                sleeper.begin_park(&ring.word, head.get());
                reach(Died);
                return;
            }
            let stirred = || ring.tail.load() > head.get();
            (steps.park)(&mut sleeper, &ring.word, &kernel, &stirred, head.get());
        }
    }
}

const TALK: Model<Steps> = Model {
    preemptions: Some(2),
    states: &[Empty, Granted, Slept],
    ..Model::EMPTY
};

pub(crate) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "store_buffer",
        floor: 3_500,
        scenario: &Talk {
            count: 2,
            wakers: &[true],
            sleepers: 1,
            dies_drowsy: false,
        },
        ..TALK
    },
    Model {
        name: "store_buffer_waker_is_unregistered",
        floor: 3_700,
        scenario: &Talk {
            count: 2,
            wakers: &[false],
            sleepers: 1,
            dies_drowsy: false,
        },
        ..TALK
    },
    Model {
        name: "store_buffer_waker_dies",
        preemptions: Some(1),
        mortals: 1,
        floor: 1_600,
        states: &[Empty, Granted, Slept, Died],
        scenario: &Talk {
            count: 2,
            wakers: &[true, true],
            sleepers: 1,
            dies_drowsy: false,
        },
        ..TALK
    },
    Model {
        name: "store_buffer_next_waker_is_unregistered",
        preemptions: Some(1),
        mortals: 1,
        floor: 1_600,
        states: &[Empty, Granted, Slept, Died],
        scenario: &Talk {
            count: 2,
            wakers: &[true, false],
            sleepers: 1,
            dies_drowsy: false,
        },
        ..TALK
    },
    Model {
        name: "store_buffer_sleeper_dies",
        preemptions: Some(1),
        mortals: 1,
        floor: 2_300,
        states: &[Empty, Granted, Slept, Died],
        scenario: &Talk {
            count: 2,
            wakers: &[true],
            sleepers: 2,
            dies_drowsy: false,
        },
        ..TALK
    },
    Model {
        name: "store_buffer_sleeper_dies_drowsy",
        floor: 3_900,
        states: &[Empty, Granted, Slept, Died],
        scenario: &Talk {
            count: 2,
            wakers: &[true],
            sleepers: 2,
            dies_drowsy: true,
        },
        ..TALK
    },
];
