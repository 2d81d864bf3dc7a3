//! Frames: padding at the end of a lap, and batches.

use std::rc::Rc;

use super::compare;
use crate::frames::{Consumer, Producer, frame};
use crate::harness::model::{Model, Scenario};
use crate::harness::reached::State::{
    Carried, Concurrent, Empty, Full, Padded, Published, Released, Reused,
};
use crate::ring::First::{self, Reader, Writer};
use crate::ring::{Ring, work};
use crate::steps::Steps;
use crate::steps::Way::{self, Ride, Walk};

/// Frames with this many words of payload, and how each is published.
pub(super) struct Stream {
    pub(super) start: u64,
    pub(super) capacity: u64,
    pub(super) frames: &'static [(u32, Way)],
    pub(super) first: First,
}

/// Words of an inline copy that a consumer loads: enough for one frame with padding before
/// it.
pub(super) const RIDE: usize = 3;

/// The frames, numbered from 1.
pub(super) fn numbered(frames: &[(u32, Way)]) -> Vec<Vec<u64>> {
    let frames = (1..).zip(frames);
    frames
        .map(|(number, &(payload, _))| frame(number, payload))
        .collect()
}

impl Scenario<Steps> for Stream {
    fn run(&'static self, steps: &'static Steps) {
        let ring = Ring::new(self.start, self.capacity, self.capacity / 8);
        let write = move |ring: &Rc<Ring>| {
            let mut producer = Producer::take(ring, steps);
            for (frame, &(_, way)) in numbered(self.frames).iter().zip(self.frames) {
                producer.push(frame, way);
            }
        };
        let read = move |ring: &Rc<Ring>| {
            let with_inline = self.frames.iter().any(|&(_, way)| way == Ride);
            let mut consumer = Consumer::take(ring, steps, if with_inline { RIDE } else { 0 });
            let taken = self.frames.iter().map(|_| consumer.pop());
            taken.collect::<Vec<_>>()
        };
        let ((), taken) = work(&ring, self.first, write, read);
        compare(&taken, &numbered(self.frames));
    }
}

/// Batches: as many frames as fit, or as have arrived.
struct Batches(Stream);

impl Scenario<Steps> for Batches {
    fn run(&'static self, steps: &'static Steps) {
        let Self(of) = self;
        let ring = Ring::new(of.start, of.capacity, of.capacity / 8);
        let write =
            move |ring: &Rc<Ring>| Producer::take(ring, steps).push_slice(&numbered(of.frames));
        let read = move |ring: &Rc<Ring>| Consumer::take(ring, steps, 0).drain(of.frames.len());
        let ((), taken) = work(&ring, of.first, write, read);
        compare(&taken, &numbered(of.frames));
    }
}

const PADDED: Model<Steps> = Model {
    states: &[Full, Empty, Reused, Concurrent, Padded],
    ..Model::EMPTY
};

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "frames_with_padding",
        floor: 2_600,
        // 16 bytes to offset 24; the next 16 do not fit into the 8 left.
        scenario: &Stream {
            start: 8,
            capacity: 32,
            frames: &[(1, Walk), (1, Walk), (0, Walk)],
            first: Writer,
        },
        ..PADDED
    },
    Model {
        name: "frames_with_padding_reader_first",
        floor: 37_000,
        // Padding ends at position 0, and again at 32.
        states: &[Full, Empty, Reused, Carried, Concurrent, Padded],
        scenario: &Stream {
            start: u64::MAX - 7,
            capacity: 32,
            frames: &[(1, Walk), (0, Walk), (1, Walk)],
            first: Reader,
        },
        ..PADDED
    },
    Model {
        name: "frames_in_batches",
        floor: 350,
        states: &[
            Full, Empty, Reused, Carried, Concurrent, Padded, Published, Released,
        ],
        scenario: &Batches(Stream {
            start: (1 << 32) - 24,
            capacity: 64,
            frames: &[(1, Walk), (2, Walk), (1, Walk), (2, Walk), (0, Walk)],
            first: Writer,
        }),
        ..PADDED
    },
    Model {
        name: "frames_in_batches_reader_first",
        floor: 920,
        states: &[Full, Empty, Reused, Concurrent, Padded, Published, Released],
        scenario: &Batches(Stream {
            start: 0,
            capacity: 32,
            frames: &[(1, Walk), (0, Walk), (1, Walk), (0, Walk)],
            first: Reader,
        }),
        ..PADDED
    },
];
