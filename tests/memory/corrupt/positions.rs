//! Impossible positions.

use std::fmt::Debug;

use quoit::{ClaimError, Corrupt, Error, PopError, PushError, Ring, RingOptions, StalePolicy};

use super::{
    Consuming, FORMS, Producing, Side, any_call_finds, corrupt, is_poisoned, ring, while_it_changes,
};
use crate::common::calls::{Amount, Wait, pop, push, ways};
use crate::common::clock::until;
use crate::common::refused::refused;
use crate::common::rings::ends;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::choices::Choices;
use crate::hostile::body::memory::{HEAD, Memory, TAIL};
use crate::hostile::body::oracle::{self, Watched};

crate::common::suite::tests! {
    an_impossible_tail_poisons_the_consumer,
    an_impossible_head_poisons_the_producer,
    a_consumer_that_is_poisoned_after_a_peek_has_no_inline_copy,
    several_messages_are_not_pushed_at_a_corrupt_head,
    every_call_that_polls_detects_a_corrupt_position,
    no_role_is_granted_at_impossible_positions,
    a_position_is_read_once,
    a_corrupt_ring_can_be_replaced,
}

/// Impossible tails for a consumer at 10 that has seen 12, in a ring of 4.
const IMPOSSIBLE_TAILS: [u64; 6] = [15, 11, 10, 9, 1 << 63, u64::MAX];

/// Impossible heads for a producer at 14 that has seen 10, in a ring of 4.
const IMPOSSIBLE_HEADS: [u64; 6] = [15, 9, 0, 16, 1 << 63, u64::MAX];

fn an_impossible_tail_poisons_the_consumer() {
    for tail in IMPOSSIBLE_TAILS {
        let (set, scene) = ring::<u64>(4);
        set.publish(10, 10);
        let (mut producer, consumer) = ends(&set.ring);
        let mut consumer = Watched::new(consumer, None);
        producer.try_push_slice(&[1, 2]).expect("there is room");
        let peeked = consumer.end.try_peek_many().map(|peek| peek.len());
        assert_eq!(peeked, Ok(2));

        set.memory.put(TAIL, tail);
        // The first call that polls detects it; all later calls return the same.
        let peeked = consumer.end.try_peek_many().map(drop);
        assert_eq!(peeked, Err(PopError::Corrupt));
        for tail_now in [tail, 12] {
            set.memory.put(TAIL, tail_now);
            is_poisoned::<u64, Consuming>(&mut consumer, &scene, corrupt("tail", tail));
        }
        // The producer is not affected.
        producer.try_push(3).expect("there is room");
        assert_eq!(producer.corruption(), None);

        drop(consumer);
        let mut successor = set.ring.consumer().expect("the positions are valid");
        assert_eq!(successor.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(successor.corruption(), None);
    }
}

fn an_impossible_head_poisons_the_producer() {
    for head in IMPOSSIBLE_HEADS {
        let (set, scene) = ring::<u64>(4);
        set.publish(10, 10);
        let (producer, mut consumer) = ends(&set.ring);
        let mut producer = Watched::new(producer, None);
        let pushed = producer.end.try_push_slice(&[1, 2, 3, 4]);
        assert_eq!(pushed, Ok(4));

        set.memory.put(HEAD, head);
        assert_eq!(producer.end.try_push(5), Err(PushError::Corrupt(5)));
        for head_now in [head, 10] {
            set.memory.put(HEAD, head_now);
            is_poisoned::<u64, Producing>(&mut producer, &scene, corrupt("head", head));
        }
        // The consumer is not affected.
        assert_eq!(consumer.try_pop(), Ok(1));
        assert_eq!(consumer.corruption(), None);

        drop(producer);
        let mut successor = set.ring.producer().expect("the positions are valid");
        successor.try_push(5).expect("there is room");
        assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}

/// A peek has made the inline copy of the next message. `peek` returns where the message is.
fn has_no_inline_copy<T: Prey + ?Sized>(
    capacity: usize,
    peek: fn(&mut T::Consumer) -> Result<usize, PopError>,
    poll: fn(&mut T::Consumer) -> Option<PopError>,
) {
    let (set, scene) = ring::<T>(capacity);
    let (mut producer, mut consumer) = ends(&set.ring);
    // The producer copies messages inline once it has seen that the consumer waits for each.
    until("a message is copied inline", || {
        while peek(&mut consumer).is_ok() {
            pop::<T>(&mut consumer, Wait::Never).expect("it was found");
        }
        push::<T>(&mut producer, &T::message(1), Wait::Never).expect("there is room");
        let ring = set.base..set.base + set.memory.length;
        !ring.contains(&peek(&mut consumer).expect("a message"))
    });
    let tail = set.memory.word(TAIL) + (1 << 40);
    set.memory.put(TAIL, tail);
    assert!(peek(&mut consumer).is_ok(), "it polls for no other message");
    assert_eq!(poll(&mut consumer), Some(PopError::Corrupt));
    let mut consumer = Watched::new(consumer, Some(set.base));
    is_poisoned::<T, Consuming>(&mut consumer, &scene, corrupt("tail", tail));
}

fn a_consumer_that_is_poisoned_after_a_peek_has_no_inline_copy() {
    has_no_inline_copy::<u64>(
        4,
        |consumer| consumer.try_peek().map(|peek| peek.as_ptr().addr()),
        |consumer| consumer.try_peek_many().err(),
    );
    has_no_inline_copy::<[u8]>(
        128,
        |consumer| consumer.try_peek().map(|frame| frame.as_ptr().addr()),
        |consumer| consumer.try_peek_many().err(),
    );
}

/// The cached head gives room for two messages; each call polls for more.
fn several_are_not_pushed<T: Prey + ?Sized>(capacity: usize) {
    let several = ways(T::WRITES, &FORMS).into_iter();
    for write in several.filter(|write| write.amount != Amount::One) {
        let (set, scene) = ring::<T>(capacity);
        let (mut producer, _consumer) = ends(&set.ring);
        for number in 0..2 {
            push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
        }
        let before = set.memory.word(TAIL);
        set.memory.put(HEAD, before + 8);
        let messages: Vec<_> = (0..4).map(T::message).collect();
        let mut producer = Watched::new(producer, None);
        let choices = &mut Choices::default();
        let pushed = oracle::write::<T>(&mut producer, &scene, &write, &messages, choices);
        assert_eq!(pushed, Err(ClaimError::Corrupt), "{}", write.name());
        // It pushes one by one, and so fills the room that the cached head gives.
        let moved = if write.name() == "extend" { 2 } else { 0 };
        let tail = set.memory.word(TAIL);
        assert_eq!(tail, before + moved, "{}", write.name());
        is_poisoned::<T, Producing>(&mut producer, &scene, corrupt("head", before + 8));
    }
}

fn several_messages_are_not_pushed_at_a_corrupt_head() {
    several_are_not_pushed::<u64>(4);
    several_are_not_pushed::<[u8]>(128);
}

/// An endpoint whose peer is attached, so that a wait would not end: every call finds that the
/// peer's position is impossible. Closing a poisoned endpoint moves no position.
fn every_call_detects<T: Prey + ?Sized, S: Side<T>, P: Side<T>>(
    field: &'static str,
    offset: usize,
    [head, tail]: [u64; 2],
    value: u64,
) {
    let ring = ring::<T>(64);
    let (set, scene) = &ring;
    set.publish(head, tail);
    let _peer = P::take(&set.ring).expect("the positions are valid");
    let spoil = || set.memory.put(offset, value);
    let found = corrupt(field, value);
    any_call_finds::<T, S>(&ring, found, [head, tail], spoil);

    set.publish(head, tail);
    let end = S::take(&set.ring).expect("the positions are valid");
    let mut end = Watched::new(end, None);
    spoil();
    let positions = [HEAD, TAIL].map(|position| set.memory.word(position));
    for _ in 0..2 {
        is_poisoned::<T, S>(&mut end, scene, found);
        end.close();
    }
    is_poisoned::<T, S>(&mut end, scene, found);
    drop(end);
    let after = [HEAD, TAIL].map(|position| set.memory.word(position));
    assert_eq!(after, positions);
}

fn every_call_that_polls_detects_a_corrupt_position() {
    every_call_detects::<u64, Producing, Consuming>("head", HEAD, [0, 64], 72);
    every_call_detects::<u64, Consuming, Producing>("tail", TAIL, [64, 64], 129);
    every_call_detects::<[u8], Producing, Consuming>("head", HEAD, [0, 64], 72);
    every_call_detects::<[u8], Consuming, Producing>("tail", TAIL, [64, 64], 129);
}

/// Both roles are refused, each with its error, and the segment does not change.
fn both_are_refused<T: Prey + ?Sized>(
    ring: &Ring<T>,
    memory: &Memory,
    [producer, consumer]: [Corrupt; 2],
) where
    T::Producer: Debug,
    T::Consumer: Debug,
{
    let before = memory.segment();
    let refusals = [
        (ring.producer().err(), producer),
        (ring.consumer().err(), consumer),
    ];
    for (refusal, expected) in refusals {
        refused!(refusal => Error::Corrupt(found));
        assert_eq!(found, expected);
    }
    assert!(before == memory.segment(), "the segment has changed");
}

/// Frames do not begin between words.
fn no_role_is_granted_at_impossible_positions() {
    let (set, _scene) = ring::<u64>(4);
    drop((set.ring.producer(), set.ring.consumer()));
    for (head, tail) in [(0, 5), (1, 0), (0, u64::MAX), (7, 1 << 40)] {
        set.publish(head, tail);
        let found = [corrupt("head", head), corrupt("tail", tail)];
        both_are_refused(&set.ring, &set.memory, found);
    }
    set.publish(5, 7);
    let (producer, consumer) = ends(&set.ring);
    assert_eq!((producer.position(), consumer.position()), (7, 5));

    let (set, _scene) = ring::<[u8]>(64);
    for odd in [1, 4, 60, 63] {
        set.publish(odd, odd);
        let found = [corrupt("tail", odd), corrupt("head", odd)];
        both_are_refused(&set.ring, &set.memory, found);
    }
}

fn a_position_is_read_once() {
    let (set, _scene) = ring::<u64>(4);
    let (mut sound, mut refused) = (0, 0);
    while_it_changes(set.memory, TAIL, [3, 1 << 40], 3_000, || {
        match set.ring.consumer() {
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
    let (set, _scene) = ring::<u64>(4);
    set.publish(0, 100);
    let found = [corrupt("head", 0), corrupt("tail", 100)];
    both_are_refused(&set.ring, &set.memory, found);
    let options = RingOptions::new(4).stale(StalePolicy::Replace);
    let new = options.create::<u64>(&set.name);
    let mut producer = new.expect("no process holds the ring").producer();
    let producer = producer.as_mut().expect("a new ring is valid");
    producer.try_push(7).expect("there is room");
}
