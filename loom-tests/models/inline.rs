//! Messages with and without an inline copy. If every message had one, a ring of one slot
//! would never be read.

use super::frames;
use super::slots::Stream;
use crate::harness::model::Model;
use crate::harness::reached::State::{
    Carried, Concurrent, Empty, Full, Padded, Refused, Reused, Rode, Walked,
};
use crate::ring::First::{Reader, Writer};
use crate::steps::Steps;
use crate::steps::Way::{Ride, Walk};

const INLINE: Model<Steps> = Model {
    preemptions: Some(3),
    states: &[Full, Empty, Reused, Concurrent, Rode, Walked, Refused],
    ..Model::EMPTY
};

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "inline_slots_two_records",
        preemptions: None,
        floor: 4_600,
        states: &[Empty, Concurrent, Rode, Walked, Refused],
        scenario: &Stream {
            start: 0,
            capacity: 2,
            ways: &[Ride, Ride],
            first: Writer,
        },
        ..INLINE
    },
    Model {
        name: "inline_slots_of_one",
        floor: 1_000,
        // The next inline copy waits until this one is read: the consumer refuses none.
        states: &[Full, Empty, Reused, Concurrent, Rode, Walked],
        scenario: &Stream {
            start: 0,
            capacity: 1,
            ways: &[Ride, Walk, Ride],
            first: Writer,
        },
        ..INLINE
    },
    Model {
        name: "inline_slots_of_two",
        floor: 19_000,
        scenario: &Stream {
            start: u64::MAX,
            capacity: 2,
            ways: &[Ride, Ride, Walk],
            first: Writer,
        },
        ..INLINE
    },
    Model {
        name: "inline_slots_of_two_reader_first",
        floor: 17_000,
        scenario: &Stream {
            start: u32::MAX as u64,
            capacity: 2,
            ways: &[Walk, Ride, Ride],
            first: Reader,
        },
        ..INLINE
    },
    Model {
        name: "inline_slots_of_four",
        floor: 7_200,
        states: &[Empty, Carried, Concurrent, Rode, Walked, Refused],
        scenario: &Stream {
            start: u64::MAX,
            capacity: 4,
            ways: &[Ride, Walk, Ride],
            first: Reader,
        },
        ..INLINE
    },
    Model {
        name: "inline_frames",
        floor: 26_000,
        // 8 bytes, 8 bytes, and 16 behind 8 of padding: an inline copy can hold the
        // second frame while both are unread, or the third and its padding.
        states: &[
            Full, Empty, Reused, Concurrent, Rode, Walked, Refused, Padded,
        ],
        scenario: &frames::Stream {
            start: 8,
            capacity: 32,
            frames: &[(0, Ride), (0, Ride), (1, Ride)],
            first: Writer,
        },
        ..INLINE
    },
];
