//! Impossible positions.

use std::fmt::Debug;

use quoit::{Corrupt, Error, PopError, PushError, Ring, RingOptions, StalePolicy};

use super::{any_call_finds, corrupt, is_poisoned, reads, ring, writes};
use crate::common::calls::{Wait, pop, push};
use crate::common::clock::until;
use crate::common::refused::refused;
use crate::common::rings::ends;
use crate::hostile::body::calls::Prey;
use crate::hostile::body::memory::{HEAD, Memory, TAIL};
use crate::hostile::body::oracle::Watched;

crate::common::suite::tests! {
    an_impossible_tail_poisons_the_consumer,
    an_impossible_head_poisons_the_producer,
    a_consumer_that_is_poisoned_after_a_peek_has_no_inline_copy,
    every_call_that_polls_detects_a_corrupt_position,
    no_role_is_granted_at_impossible_positions,
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
        let (mut producer, mut consumer) = ends(&set.ring);
        producer.try_push_slice(&[1, 2]).expect("there is room");
        assert_eq!(consumer.try_peek_many().map(|peek| peek.len()), Ok(2));

        set.memory.put(TAIL, tail);
        // The first call that polls detects it.
        let peeked = consumer.try_peek_many().map(drop);
        assert_eq!(peeked, Err(PopError::Corrupt));
        set.memory.put(TAIL, 12);
        let found = corrupt("tail", tail);
        is_poisoned(Watched::new(consumer, None), &scene, &reads::<u64>(), found);
        // The producer is not affected.
        producer.try_push(3).expect("there is room");
        assert_eq!(producer.corruption(), None);
        let mut successor = set.ring.consumer().expect("the positions are valid");
        assert_eq!(successor.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(successor.corruption(), None);
    }
}

fn an_impossible_head_poisons_the_producer() {
    for head in IMPOSSIBLE_HEADS {
        let (set, scene) = ring::<u64>(4);
        set.publish(10, 10);
        let (mut producer, mut consumer) = ends(&set.ring);
        assert_eq!(producer.try_push_slice(&[1, 2, 3, 4]), Ok(4));

        set.memory.put(HEAD, head);
        assert_eq!(producer.try_push(5), Err(PushError::Corrupt(5)));
        set.memory.put(HEAD, 10);
        let found = corrupt("head", head);
        is_poisoned(
            Watched::new(producer, None),
            &scene,
            &writes::<u64>(),
            found,
        );
        // The consumer is not affected.
        assert_eq!(consumer.try_pop(), Ok(1));
        assert_eq!(consumer.corruption(), None);
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
    let consumer = Watched::new(consumer, Some(set.base));
    is_poisoned(consumer, &scene, &reads::<T>(), corrupt("tail", tail));
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

/// Every call of an endpoint whose peer is attached, so that a wait would not end.
fn every_call_detects<T: Prey + ?Sized>() {
    let (set, scene) = ring::<T>(64);
    set.publish(0, 64);
    let peer = set.ring.consumer().expect("the positions are valid");
    let found = corrupt("head", 72);
    any_call_finds(&scene, &writes::<T>(), found, || {
        set.publish(0, 64);
        let end = set.ring.producer().expect("the positions are valid");
        set.memory.put(HEAD, 72);
        Watched::new(end, None)
    });
    drop(peer);
    set.publish(64, 64);
    let _peer = set.ring.producer().expect("the positions are valid");
    let found = corrupt("tail", 129);
    any_call_finds(&scene, &reads::<T>(), found, || {
        set.publish(64, 64);
        let end = set.ring.consumer().expect("the positions are valid");
        set.memory.put(TAIL, 129);
        Watched::new(end, None)
    });
}

fn every_call_that_polls_detects_a_corrupt_position() {
    every_call_detects::<u64>();
    every_call_detects::<[u8]>();
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
