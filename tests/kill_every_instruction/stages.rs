//! The operations, and the states of the ring before them.

use std::path::Path;
use std::time::Duration;

use quoit::zerocopy::IntoBytes;
use quoit::{PopError, RingOptions, Role};

use super::messages::{Frames, Messages, Records, record};
use super::stepper::traced;
use crate::common::child::hold;
use crate::common::rings::ends;
use crate::common::segment_file::{DATA, SegmentFile, TAIL};

/// An operation of one endpoint, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The role that performs it, and dies in it.
    pub(crate) role: Role,
    /// The number of messages by which it moves the role's position.
    pub(crate) moves: u64,
}

const fn by(role: Role, name: &'static str, moves: u64) -> Operation {
    Operation { name, role, moves }
}

pub(crate) const PUSHING: [Operation; 4] = [
    by(Role::Producer, "push", 1),
    by(Role::Producer, "claim, fill, commit", 1),
    by(Role::Producer, "claim, fill, drop", 0),
    by(Role::Producer, "push of two", 2),
];
pub(crate) const POPPING: [Operation; 5] = [
    by(Role::Consumer, "pop", 1),
    by(Role::Consumer, "peek, release", 1),
    by(Role::Consumer, "peek, drop", 0),
    by(Role::Consumer, "peek at all, release 1", 1),
    by(Role::Consumer, "skip", 1),
];
pub(crate) const PUSH_INTO_FULL: Operation = by(Role::Producer, "push, full", 0);
pub(crate) const POP_FROM_EMPTY: Operation = by(Role::Consumer, "pop, empty", 0);
pub(crate) const DRAIN: Operation = by(Role::Consumer, "drain", 0);
pub(crate) const PARK: [Operation; 2] = [
    by(Role::Producer, "park of the producer", 0),
    by(Role::Consumer, "park of the consumer", 0),
];
pub(crate) const TAKE: [Operation; 2] = [
    by(Role::Producer, "take the producer", 0),
    by(Role::Consumer, "take the consumer", 0),
];
pub(crate) const CLOSE: [Operation; 4] = [
    by(Role::Producer, "drop the producer", 0),
    by(Role::Consumer, "drop the consumer", 0),
    by(Role::Producer, "close the producer", 0),
    by(Role::Consumer, "close the consumer", 0),
];
/// Wrong on purpose: the tail before the message.
pub(crate) const PUBLISH_FIRST: Operation = by(Role::Producer, "publish first", 1);

/// The state of the ring before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stage {
    /// The number of released messages.
    pub(crate) passed: u64,
    /// The number of messages in the ring.
    pub(crate) unread: u64,
    /// The consumer has caught up, and set its hint: the next message is copied inline.
    pub(crate) inline: bool,
    /// The peer's sleep word says that it sleeps.
    pub(crate) peer_sleeps: bool,
}

/// Long enough for a sleep while each instruction is stepped.
const NAP: Duration = Duration::from_millis(200);
/// The sleep words of the two endpoints, and their value during a sleep.
const CONSUMER_WORD: u64 = 12288;
const PRODUCER_WORD: u64 = 12416;
const PARKED: u32 = 2;

/// In a child: prepares the ring and performs the operation between two marks.
pub(crate) fn play(path: &Path, shape: &str, operation: &str, stage: Stage) {
    match shape {
        "records" => play_with::<Records>(path, operation, stage),
        _ => play_with::<Frames>(path, operation, stage),
    }
    hold();
}

fn play_with<M: Messages>(path: &Path, operation: &str, stage: Stage) {
    let options = RingOptions::new(M::CAPACITY).spin(Duration::ZERO);
    let ring = options.open::<M::T>(path).expect("the ring");
    let (mut producer, mut consumer) = ends(&ring);
    let poll = |consumer: &mut M::Consumer| {
        for _ in 0..if stage.inline { 100 } else { 0 } {
            assert_eq!(M::pop(consumer), Err(PopError::Empty));
        }
    };
    for number in 0..stage.passed {
        poll(&mut consumer);
        M::push(&mut producer, number).expect("there is room");
        assert_eq!(M::pop(&mut consumer), Ok(number));
    }
    poll(&mut consumer);
    let next = stage.passed + stage.unread;
    for number in stage.passed..next {
        M::push(&mut producer, number).expect("there is room");
    }
    let file = SegmentFile::open(path);
    if stage.peer_sleeps {
        file.write_half(CONSUMER_WORD, PARKED);
        file.write_half(PRODUCER_WORD, PARKED);
    }
    match operation {
        "push" => traced(|| M::push(&mut producer, next)).expect("there is room"),
        "claim, fill, commit" => traced(|| M::claim(&mut producer, next, true)),
        "claim, fill, drop" => traced(|| M::claim(&mut producer, next, false)),
        "push of two" => traced(|| M::push_two(&mut producer, next)),
        "push, full" => drop(traced(|| M::push(&mut producer, next)).expect_err("it is full")),
        "pop" => drop(traced(|| M::pop(&mut consumer)).expect("a message")),
        "pop, empty" => drop(traced(|| M::pop(&mut consumer)).expect_err("it is empty")),
        "peek, release" => traced(|| M::peek(&mut consumer, true)),
        "peek, drop" => traced(|| M::peek(&mut consumer, false)),
        "peek at all, release 1" => traced(|| M::release_first(&mut consumer)),
        "skip" => traced(|| M::skip(&mut consumer)),
        "drain" => traced(|| M::drain(&mut consumer)),
        "park of the producer" => traced(|| M::wait_for_room(&mut producer, NAP)),
        "park of the consumer" => traced(|| M::wait_for_message(&mut consumer, NAP)),
        "take the producer" => {
            drop(producer);
            let taken = traced(|| ring.producer()).expect("the role is free");
            std::mem::forget(taken);
        }
        "take the consumer" => {
            drop(consumer);
            let taken = traced(|| ring.consumer()).expect("the role is free");
            std::mem::forget(taken);
        }
        "drop the producer" => traced(|| drop(producer)),
        "drop the consumer" => traced(|| drop(consumer)),
        "close the producer" => traced(|| M::close_producer(&mut producer)),
        "close the consumer" => traced(|| M::close_consumer(&mut consumer)),
        "publish first" => traced(|| {
            file.write(TAIL, next + 1);
            let slot = DATA + next % Records::CAPACITY * size_of_val(&record(next)) as u64;
            file.write_bytes(slot, record(next).as_bytes());
        }),
        other => panic!("there is no operation {other}"),
    }
}
