//! A peer that stores any position at any moment: an endpoint loads it once, so that it uses what
//! it has checked.

use std::rc::Rc;

use crate::harness::model::Model;
use crate::harness::reached::State::{Concurrent, Refused};
use crate::harness::reached::reach;
use crate::ring::First::{Reader, Writer};
use crate::ring::{Ring, work};
use crate::steps::Steps;
use crate::sync::PLAIN;

const CAPACITY: u64 = 4;

/// Positions of a peer from 0 on: valid, impossible, and valid.
const TAILS: [u64; 3] = [1, 99, 2];
/// The same for a producer at `CAPACITY`.
const HEADS: [u64; 3] = [1, 99, 2];

fn tails(steps: &'static Steps) {
    let ring = Ring::new(0, CAPACITY, 0);
    let write = |ring: &Rc<Ring>| TAILS.map(|tail| ring.tail().store(tail, PLAIN));
    let read = |ring: &Rc<Ring>| {
        let Ok(mut cursor) = (steps.take_consumer)(ring) else {
            return reach(Refused);
        };
        assert!(cursor.seen() <= CAPACITY, "taken: {}", cursor.seen());
        match cursor.look(ring.tail()) {
            Ok(seen) => assert!(seen <= CAPACITY, "found: {seen}"),
            Err(_) => reach(Concurrent),
        }
        assert!(cursor.seen() <= CAPACITY, "known: {}", cursor.seen());
    };
    work(&ring, Writer, write, read);
}

fn heads(steps: &'static Steps) {
    let ring = Ring::new(CAPACITY, CAPACITY, 0);
    let write = |ring: &Rc<Ring>| {
        let Ok(mut cursor) = (steps.take_producer)(ring) else {
            return reach(Refused);
        };
        let known = cursor.room(0).expect("none is wanted");
        assert!(known <= CAPACITY, "taken: {known}");
        match cursor.look(&ring.head) {
            Ok(room) => assert!(room <= CAPACITY, "found: {room}"),
            Err(_) => reach(Concurrent),
        }
        let known = cursor.room(0).expect("none is wanted");
        assert!(known <= CAPACITY, "known: {known}");
    };
    let read = |ring: &Rc<Ring>| HEADS.map(|head| ring.head.store(head, PLAIN));
    work(&ring, Reader, write, read);
}

const HOSTILE: Model<Steps> = Model {
    floor: 10,
    states: &[Concurrent, Refused],
    ..Model::EMPTY
};

pub(super) const MODELS: &[Model<Steps>] = &[
    Model {
        name: "a_tail_is_checked_and_used_as_it_was_loaded",
        scenario: &tails,
        ..HOSTILE
    },
    Model {
        name: "a_head_is_checked_and_used_as_it_was_loaded",
        scenario: &heads,
        ..HOSTILE
    },
];
