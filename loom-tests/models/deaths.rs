//! Deaths: an endpoint stops at each of its steps in turn, and a restarted peer continues
//! in the same thread, which stands for the lock that the kernel hands over. Every
//! published message arrives whole, and no part of an unfinished one does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::compare;
use super::frames::{RIDE, numbered};
use crate::frames::{self, frame};
use crate::harness::death::mortal;
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{
    Concurrent, Died, Empty, Full, Inherited, Padded, Reused, Rode, Walked,
};
use crate::harness::reached::reach;
use crate::layout::frame_header;
use crate::ring::First::{self, Reader, Writer};
use crate::ring::{Ring, work};
use crate::slots::{Consumer, Producer, Record, WORDS, record};
use crate::steps::Steps;
use crate::steps::Way::{self, Ride, Walk};

/// Producers, one after the other, until this many records are published.
struct Producers {
    start: u64,
    capacity: u64,
    count: u64,
    /// How each producer publishes; all producers but the last are mortal.
    generations: &'static [&'static [Way]],
    first: First,
}

impl Scenario<Steps> for Producers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity * WORDS as u64);
        let write = move |ring: &Rc<Ring>| {
            let mut given = Vec::new();
            for generation in 0..self.generations.len() {
                let inherited = given.len() as u64;
                if generation > 0 && (1..self.count).contains(&inherited) {
                    reach(Inherited);
                }
                let published = self.produce(ring, steps, generation, inherited);
                given.extend((inherited..published).map(|place| made_by(generation, place)));
            }
            given
        };
        let read = move |ring: &Rc<Ring>| {
            let mut consumer = Consumer::take(ring, steps, true);
            (0..self.count).map(|_| consumer.pop()).collect::<Vec<_>>()
        };
        let (given, taken) = work(&ring, self.first, write, read);
        compare(&taken, &given);
    }
}

impl Producers {
    /// Runs one generation; returns how many records are published after it.
    fn produce(
        &self,
        ring: &Rc<Ring>,
        steps: &'static Steps,
        generation: usize,
        inherited: u64,
    ) -> u64 {
        let returned = Cell::new(inherited);
        let end = mortal(generation, || {
            let mut producer = Producer::take(ring, steps);
            for (place, &way) in (inherited..self.count).zip(self.generations[generation]) {
                producer.push(made_by(generation, place), way);
                returned.set(place + 1);
            }
        });
        let published = ring.tail().load_own().wrapping_sub(self.start);
        one_more_at_most(published, returned.get(), end);
        published
    }
}

/// The record that a producer of this generation publishes at this place.
fn made_by(generation: usize, place: u64) -> Record {
    record((generation as u64) << 8 | place)
}

/// A producer that dies in a push may have published its message, and a consumer that dies in a pop
/// may have released it, but no other.
fn one_more_at_most(stored: u64, returned: u64, end: Option<()>) {
    let unsure = u64::from(end.is_none());
    assert!(
        (returned..=returned + unsure).contains(&stored),
        "{returned} calls returned, but {stored} messages are published or released"
    );
}

/// Consumers, one after the other; all but the last are mortal.
struct Consumers {
    start: u64,
    capacity: u64,
    ways: &'static [Way],
    mortals: usize,
    first: First,
}

impl Scenario<Steps> for Consumers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity * WORDS as u64);
        let count = self.ways.len();
        let given: Vec<_> = (0..count as u64).map(record).collect();
        let records = given.clone();
        let write = move |ring: &Rc<Ring>| {
            let mut producer = Producer::take(ring, steps);
            for (&record, &way) in records.iter().zip(self.ways) {
                producer.push(record, way);
            }
        };
        let read = move |ring: &Rc<Ring>| {
            let mut released = 0;
            let mut parts = Vec::new();
            for generation in 0..self.mortals {
                let taken = RefCell::new(Vec::new());
                let end = mortal(generation, || {
                    let mut consumer = Consumer::take(ring, steps, true);
                    for _ in released + 1..count {
                        let record = consumer.pop();
                        taken.borrow_mut().push(record);
                    }
                });
                let taken = taken.into_inner();
                let stored = ring.head.load_own().wrapping_sub(self.start);
                one_more_at_most(stored, (released + taken.len()) as u64, end);
                parts.push((released, taken));
                released = stored as usize;
                if (1..count).contains(&released) {
                    reach(Inherited);
                }
            }
            let mut next = Consumer::take(ring, steps, true);
            let rest = (released..count).map(|_| next.pop()).collect();
            parts.push((released, rest));
            parts
        };
        let ((), parts) = work(&ring, self.first, write, read);
        for (first, taken) in parts {
            compare(&taken, &given[first..first + taken.len()]);
        }
    }
}

/// A producer of frames that dies, and a restarted producer, which ends with `LAST`.
struct FrameProducers {
    start: u64,
    capacity: u64,
    mortal: &'static [(u32, Way)],
    /// Words of payload of the next holder's frames.
    next: &'static [u32],
    first: First,
}

/// The frame that tells the consumer that it is the last one.
const LAST: u32 = 0xff;

impl Scenario<Steps> for FrameProducers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity / 8);
        let write = move |ring: &Rc<Ring>| {
            let mut given = numbered(self.mortal);
            let returned = Cell::new(0);
            let end = mortal(0, || {
                let mut producer = frames::Producer::take(ring, steps);
                for (frame, &(_, way)) in given.iter().zip(self.mortal) {
                    producer.push(frame, way);
                    returned.set(returned.get() + 1);
                }
            });
            let mut next = frames::Producer::take(ring, steps);
            let published = self.frames_to(next.cursor.position());
            one_more_at_most(published as u64, returned.get(), end);
            if (1..given.len()).contains(&published) {
                reach(Inherited);
            }
            given.truncate(published);
            let rest = (LAST + 1 - self.next.len() as u32..).zip(self.next);
            for (number, &payload) in rest {
                let frame = frame(number, payload);
                next.push(&frame, Walk);
                given.push(frame);
            }
            given
        };
        let read = move |ring: &Rc<Ring>| {
            let mut consumer = frames::Consumer::take(ring, steps, RIDE);
            let mut taken = Vec::new();
            loop {
                taken.push(consumer.pop());
                let [.., frame] = &taken[..] else { continue };
                if frame[0] == frame_header(frame.len() as u32 * 8 - 8, LAST) {
                    return taken;
                }
            }
        };
        let (given, taken) = work(&ring, self.first, write, read);
        compare(&taken, &given);
    }
}

impl FrameProducers {
    /// How many frames of the mortal end at or before `position`.
    fn frames_to(&self, position: u64) -> usize {
        frames_to(self.start, self.capacity, self.mortal, position)
    }
}

/// How many of these frames end at or before `position`.
fn frames_to(start: u64, capacity: u64, sizes: &[(u32, Way)], position: u64) -> usize {
    let mut end = start;
    let mut ends = vec![end];
    for &(payload, _) in sizes {
        let size = u64::from(payload + 1) * 8;
        let offset = end & (capacity - 1);
        end = end.wrapping_add(frames::padding(offset, size, capacity) + size);
        ends.push(end);
    }
    let frames = ends.iter().position(|&end| end == position);
    frames.expect("a position is where a frame ends")
}

/// A consumer of frames that dies, and the next holder.
struct FrameConsumers {
    start: u64,
    capacity: u64,
    frames: &'static [(u32, Way)],
    first: First,
}

impl Scenario<Steps> for FrameConsumers {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity / 8);
        let given = numbered(self.frames);
        let frames = given.clone();
        let write = move |ring: &Rc<Ring>| {
            let mut producer = frames::Producer::take(ring, steps);
            for (frame, &(_, way)) in frames.iter().zip(self.frames) {
                producer.push(frame, way);
            }
        };
        let count = self.frames.len();
        let read = move |ring: &Rc<Ring>| {
            let taken = RefCell::new(Vec::new());
            let end = mortal(0, || {
                let mut consumer = frames::Consumer::take(ring, steps, RIDE);
                for _ in 1..count {
                    let frame = consumer.pop();
                    taken.borrow_mut().push(frame);
                }
            });
            let taken = taken.into_inner();
            let head = ring.head.load_own();
            let released = frames_to(self.start, self.capacity, self.frames, head);
            one_more_at_most(released as u64, taken.len() as u64, end);
            if (1..count).contains(&released) {
                reach(Inherited);
            }
            let mut next = frames::Consumer::take(ring, steps, RIDE);
            let rest: Vec<_> = (released..count).map(|_| next.pop()).collect();
            (taken, rest)
        };
        let ((), (taken, rest)) = work(&ring, self.first, write, read);
        compare(&taken, &given[..taken.len()]);
        compare(&rest, &given[count - rest.len()..]);
    }
}

const MORTAL: Model<Steps> = Model {
    preemptions: Some(2),
    mortals: 1,
    states: &[
        Full, Empty, Reused, Concurrent, Rode, Walked, Died, Inherited,
    ],
    ..Model::EMPTY
};

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "producer_dies",
        floor: 7_100,
        scenario: &Producers {
            start: 0,
            capacity: 1,
            count: 3,
            generations: &[&[Ride, Ride], &[Walk; 3]],
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "producer_dies_reader_first",
        floor: 33_000,
        scenario: &Producers {
            start: u64::MAX,
            capacity: 2,
            count: 3,
            generations: &[&[Ride, Ride], &[Walk; 3]],
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "producer_dies_and_so_does_the_next",
        floor: 15_000,
        mortals: 2,
        scenario: &Producers {
            start: 0,
            capacity: 1,
            count: 2,
            generations: &[&[Ride], &[Ride], &[Walk; 2]],
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "producer_of_frames_dies",
        floor: 18_000,
        states: &[
            Full, Empty, Reused, Concurrent, Rode, Walked, Died, Inherited, Padded,
        ],
        // The mortal's second frame needs padding; the next holder's first, at
        // the same position, does not.
        scenario: &FrameProducers {
            start: 8,
            capacity: 32,
            mortal: &[(1, Ride), (1, Ride)],
            next: &[0, 1],
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "consumer_dies",
        floor: 22_000,
        scenario: &Consumers {
            start: u32::MAX as u64,
            capacity: 2,
            ways: &[Ride, Walk, Walk],
            mortals: 1,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "consumer_dies_reader_first",
        floor: 3_700,
        scenario: &Consumers {
            start: u64::MAX,
            capacity: 1,
            ways: &[Ride, Walk, Ride],
            mortals: 1,
            first: Reader,
        },
        ..MORTAL
    },
    Model {
        name: "consumer_dies_and_so_does_the_next",
        floor: 8_500,
        mortals: 2,
        scenario: &Consumers {
            start: u64::MAX,
            capacity: 1,
            ways: &[Ride, Walk],
            mortals: 2,
            first: Writer,
        },
        ..MORTAL
    },
    Model {
        name: "consumer_of_frames_dies",
        floor: 7_600,
        states: &[
            Full, Empty, Reused, Concurrent, Rode, Walked, Died, Inherited, Padded,
        ],
        // The second frame needs padding.
        scenario: &FrameConsumers {
            start: 8,
            capacity: 32,
            frames: &[(1, Ride), (1, Ride), (0, Walk)],
            first: Writer,
        },
        ..MORTAL
    },
];
