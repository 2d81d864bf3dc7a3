//! Impossible positions.

use std::fmt::Debug;

use quoit::{
    ClaimError, Corrupt, Error, PopError, PushError, Ring, RingOptions, Shape, StalePolicy,
};

use super::ends::{FORMS, Poisoned, any_call_finds_it, is_poisoned};
use super::{corrupt, publish, ring, while_it_changes};
use crate::common::calls::{Amount, Calls, Wait, push, ways};
use crate::common::ends::End;
use crate::common::names::RingName;
use crate::common::refused::refused;
use crate::common::rings::ends;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};

crate::common::suite::tests! {
    an_impossible_tail_poisons_the_consumer,
    an_impossible_head_poisons_the_producer,
    several_records_are_not_pushed_at_a_corrupt_head,
    several_frames_are_not_pushed_at_a_corrupt_head,
    every_call_of_records_that_polls_detects_a_corrupt_position,
    every_call_of_frames_that_polls_detects_a_corrupt_position,
    no_role_is_granted_at_impossible_positions,
    no_frame_role_is_granted_at_a_position_between_words,
    a_position_is_read_once,
    a_corrupt_ring_can_be_replaced,
}

/// Impossible tails for a consumer at 10 that has seen 12, in a ring of 4.
const IMPOSSIBLE_TAILS: [u64; 6] = [15, 11, 10, 9, 1 << 63, u64::MAX];

/// Impossible heads for a producer at 14 that has seen 10, in a ring of 4.
const IMPOSSIBLE_HEADS: [u64; 6] = [15, 9, 0, 16, 1 << 63, u64::MAX];

fn an_impossible_tail_poisons_the_consumer() {
    for tail in IMPOSSIBLE_TAILS {
        let (ring, file, name) = ring::<u64>("tail", 4);
        publish(&file, 10, 10);
        let (mut producer, mut consumer) = ends(&ring);
        producer.try_push_slice(&[1, 2]).expect("there is room");
        assert_eq!(consumer.try_peek_many().map(|peek| peek.len()), Ok(2));

        file.write(TAIL, tail);
        // The first call that polls detects it; all later calls return the same.
        assert_eq!(consumer.try_peek_many().map(drop), Err(PopError::Corrupt));
        consumer = is_poisoned(consumer, &name, corrupt("tail", tail));
        file.write(TAIL, 12);
        consumer = is_poisoned(consumer, &name, corrupt("tail", tail));
        assert_eq!(file.read(HEAD), 10);
        // The producer is not affected.
        producer.try_push(3).expect("there is room");
        assert_eq!(producer.corruption(), None);

        drop(consumer);
        let mut successor = ring.consumer().expect("the positions are valid");
        assert_eq!(successor.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(successor.corruption(), None);
    }
}

fn an_impossible_head_poisons_the_producer() {
    for head in IMPOSSIBLE_HEADS {
        let (ring, file, name) = ring::<u64>("head", 4);
        publish(&file, 10, 10);
        let (mut producer, mut consumer) = ends(&ring);
        producer
            .try_push_slice(&[1, 2, 3, 4])
            .expect("there is room");

        file.write(HEAD, head);
        assert_eq!(producer.try_push(5), Err(PushError::Corrupt(5)));
        producer = is_poisoned(producer, &name, corrupt("head", head));
        file.write(HEAD, 10);
        producer = is_poisoned(producer, &name, corrupt("head", head));
        assert_eq!(file.read(TAIL), 14);
        // The consumer is not affected.
        assert_eq!(consumer.try_pop(), Ok(1));
        assert_eq!(consumer.corruption(), None);

        drop(producer);
        let mut successor = ring.producer().expect("the positions are valid");
        successor.try_push(5).expect("there is room");
        assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}

/// The cached head gives room for two messages; each call polls for more.
fn several_are_not_pushed<T: Calls + ?Sized>(capacity: u64)
where
    T::Producer: Poisoned,
{
    let several = ways(T::WRITES, &FORMS).into_iter();
    for write in several.filter(|write| write.amount != Amount::One) {
        let (ring, file, name) = ring::<T>("several", capacity);
        let (mut producer, _consumer) = ends(&ring);
        for number in 0..2 {
            push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
        }
        let before = producer.position();
        file.write(HEAD, before + 8);
        let messages: Vec<_> = (0..4).map(T::message).collect();
        let pushed = (write.call)(&mut producer, &messages, write.wait, 0);
        assert_eq!(pushed, Err(ClaimError::Corrupt), "{}", write.name());
        // It pushes one by one, and so fills the room that the cached head gives.
        let moved = if write.name() == "extend" { 2 } else { 0 };
        assert_eq!(producer.position(), before + moved, "{}", write.name());
        assert_eq!(file.read(TAIL), before + moved, "{}", write.name());
        drop(is_poisoned(producer, &name, corrupt("head", before + 8)));
    }
}

fn several_records_are_not_pushed_at_a_corrupt_head() {
    several_are_not_pushed::<u64>(4);
}

fn several_frames_are_not_pushed_at_a_corrupt_head() {
    several_are_not_pushed::<[u8]>(128);
}

/// Both endpoints of a ring of this shape, each with its peer attached: a wait would not
/// end.
fn both_endpoints_are_poisoned<T: Shape + ?Sized>()
where
    T::Producer: Poisoned,
    T::Consumer: Poisoned,
{
    let (ring, file, name) = ring::<T>("both-ends", 64);
    publish(&file, 0, 64);
    let consumer = ring.consumer().expect("the positions are valid");
    let take = || {
        publish(&file, 0, 64);
        ring.producer().expect("the positions are valid")
    };
    let spoil = || file.write(HEAD, 72);
    any_call_finds_it(&name, corrupt("head", 72), take, spoil);
    is_poisoned_to_the_end(take(), &name, corrupt("head", 72), spoil);
    assert_eq!((file.read(HEAD), file.read(TAIL)), (72, 64));
    drop(consumer);

    publish(&file, 64, 64);
    let _producer = ring.producer().expect("the positions are valid");
    let take = || {
        publish(&file, 64, 64);
        ring.consumer().expect("the positions are valid")
    };
    let spoil = || file.write(TAIL, 129);
    any_call_finds_it(&name, corrupt("tail", 129), take, spoil);
    is_poisoned_to_the_end(take(), &name, corrupt("tail", 129), spoil);
    assert_eq!((file.read(HEAD), file.read(TAIL)), (64, 129));
}

/// Closing or dropping a poisoned endpoint releases its role and moves no position.
fn is_poisoned_to_the_end<E: Poisoned>(
    mut end: E,
    name: &RingName,
    found: Corrupt,
    spoil: impl Fn(),
) {
    spoil();
    let (text, call) = &E::calls()[0];
    assert_eq!(call(&mut end), Err(E::CORRUPT), "{text}");
    for _ in 0..2 {
        end = is_poisoned(end, name, found);
        end.close();
    }
    drop(is_poisoned(end, name, found));
}

fn every_call_of_records_that_polls_detects_a_corrupt_position() {
    both_endpoints_are_poisoned::<u64>();
}

fn every_call_of_frames_that_polls_detects_a_corrupt_position() {
    both_endpoints_are_poisoned::<[u8]>();
}

/// Both roles are refused, each with its error, and the segment does not change.
fn both_are_refused<T: Shape + ?Sized>(
    ring: &Ring<T>,
    file: &SegmentFile,
    [producer, consumer]: [Corrupt; 2],
) where
    T::Producer: Debug,
    T::Consumer: Debug,
{
    let before = file.header();
    let refusals = [
        (ring.producer().err(), producer),
        (ring.consumer().err(), consumer),
    ];
    for (refusal, expected) in refusals {
        refused!(refusal => Error::Corrupt(found));
        assert_eq!(found, expected);
    }
    assert!(before == file.header(), "the header has changed");
}

fn no_role_is_granted_at_impossible_positions() {
    let (ring, file, _name) = ring::<u64>("stored", 4);
    drop((ring.producer(), ring.consumer()));
    for (head, tail) in [(0, 5), (1, 0), (0, u64::MAX), (7, 1 << 40)] {
        publish(&file, head, tail);
        both_are_refused(&ring, &file, [corrupt("head", head), corrupt("tail", tail)]);
    }
    publish(&file, 5, 7);
    let (producer, consumer) = ends(&ring);
    assert_eq!((producer.position(), consumer.position()), (7, 5));
}

fn no_frame_role_is_granted_at_a_position_between_words() {
    for odd in [1, 4, 60, 63] {
        let (ring, file, _name) = ring::<[u8]>("between-words", 64);
        publish(&file, odd, odd);
        both_are_refused(&ring, &file, [corrupt("tail", odd), corrupt("head", odd)]);
    }
}

fn a_position_is_read_once() {
    let (ring, file, _name) = ring::<u64>("position-once", 4);
    file.write(TAIL, 3);
    let (mut sound, mut refused) = (0, 0);
    while_it_changes(&file, TAIL, [3, 1 << 40], 3_000, || {
        match ring.consumer() {
            Err(_) => refused += 1,
            Ok(mut consumer) => {
                while let Ok(peek) = consumer.try_peek_many() {
                    assert_eq!(peek.len(), 3);
                    sound += 1;
                }
                assert_eq!(consumer.corruption(), Some(corrupt("tail", 1 << 40)));
            }
        }
        sound > 100 && refused > 100
    });
}

fn a_corrupt_ring_can_be_replaced() {
    let (ring, file, name) = ring::<u64>("way-out", 4);
    file.write(TAIL, 100);
    both_are_refused(&ring, &file, [corrupt("head", 0), corrupt("tail", 100)]);
    let options = RingOptions::new(4).stale(StalePolicy::Replace);
    let new = options
        .create::<u64>(&name)
        .expect("no process holds the ring");
    let mut producer = new.producer().expect("a new ring is valid");
    producer.try_push(7).expect("there is room");
}
