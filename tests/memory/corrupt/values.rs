//! Impossible positions and frame headers. `hostile` finds them in any call; it cannot know which
//! call must find them, nor see a release that should not have been.

use std::fmt::Debug;

use quoit::{Corrupt, Error, Observer, PopError, PushError, Ring, RingOptions, StalePolicy};

use super::{any_call_finds, corrupt, is_poisoned, reads, ring, writes};
use crate::common::calls::{Wait, pop, push};
use crate::common::clock::until;
use crate::common::refused::refused;
use crate::common::rings::{consumer, ends, producer};
use crate::hostile::body::calls::Prey;
use crate::hostile::body::memory::{DATA, HEAD, Memory, TAIL};
use crate::hostile::body::oracle::Watched;

crate::common::suite::tests! {
    every_call_that_polls_finds_an_impossible_value,
    an_impossible_position_poisons_its_reader_and_no_other_endpoint,
    a_consumer_that_is_poisoned_after_a_peek_has_no_inline_copy,
    frames_whose_headers_have_changed_since_are_not_released,
    no_role_is_granted_at_impossible_positions,
}

/// The positions at which an endpoint takes its role, what is stored then, and the field and the
/// value that it finds.
type Case = ([u64; 2], &'static [(usize, u64)], &'static str, u64);

/// In a ring of 128 records or bytes.
const TAILS: [Case; 4] = [
    ([64, 64], &[(TAIL, 193)], "tail", 193),
    ([64, 64], &[(TAIL, 56)], "tail", 56),
    ([64, 64], &[(TAIL, 1 << 63)], "tail", 1 << 63),
    ([64, 64], &[(TAIL, u64::MAX)], "tail", u64::MAX),
];

/// The length that marks padding.
const PADDING: u64 = 0xffff_ffff;
/// Where the lap has sixteen bytes left.
const LAST: usize = DATA + 112;

const HEADERS: [Case; 16] = [
    // Longer than what is published.
    ([0, 16], &[(DATA, 9)], "frame length", 9),
    ([0, 16], &[(DATA, 17)], "frame length", 17),
    ([0, 16], &[(DATA, 1 << 20)], "frame length", 1 << 20),
    ([0, 16], &[(DATA, 0x7fff_ffff)], "frame length", 0x7fff_ffff),
    ([0, 16], &[(DATA, 0xffff_fff0)], "frame length", 0xffff_fff0),
    ([0, 16], &[(DATA, 0xffff_fffe)], "frame length", 0xffff_fffe),
    // At the end of the lap.
    ([112, 176], &[(LAST, 9)], "frame length", 9),
    ([112, 128], &[(LAST, PADDING)], "padding", PADDING),
    ([112, 120], &[(LAST, PADDING)], "padding", PADDING),
    (
        [112, 176],
        &[(LAST, PADDING), (DATA, PADDING)],
        "padding",
        PADDING,
    ),
    ([112, 144], &[(LAST, PADDING), (DATA, 9)], "frame length", 9),
    // The kind is no part of the length.
    ([0, 16], &[(DATA, 7 << 32 | 100)], "frame length", 100),
    ([112, 128], &[(LAST, 7 << 32 | PADDING)], "padding", PADDING),
    // Too few bytes for a header.
    ([0, 4], &[], "tail", 4),
    ([8, 12], &[], "tail", 12),
    ([112, 132], &[(LAST, PADDING)], "tail", 132),
];

/// Each call as the first one of a new endpoint, and an observer.
fn every_call_finds<T: Prey + ?Sized>(cases: &[Case]) {
    let (set, scene) = ring::<T>(128);
    any_call_finds(&scene, &writes::<T>(), corrupt("head", 136), || {
        set.publish(0, 128);
        let end = producer(&set.ring);
        set.memory.put(HEAD, 136);
        Watched::new(end, Some(set.base))
    });
    for &([head, tail], stores, field, found) in cases {
        let found = corrupt(field, found);
        any_call_finds(&scene, &reads::<T>(), found, || {
            set.publish(head, tail);
            let end = consumer(&set.ring);
            for &(offset, word) in stores {
                set.memory.put(offset, word);
            }
            Watched::new(end, Some(set.base))
        });
        let observer = Observer::open(&set.name).expect("a ring");
        let refusal = observer.unread(1, drop).err();
        refused!(refusal => Error::Corrupt(seen));
        assert_eq!(seen, found);
    }
}

fn every_call_that_polls_finds_an_impossible_value() {
    every_call_finds::<u64>(&TAILS);
    every_call_finds::<[u8]>(&[&TAILS[..], &HEADERS].concat());
}

/// Of a full ring of 4 records whose endpoints know both positions, 10 and 14: where each position
/// is, and values that it cannot have.
const IMPOSSIBLE: [(usize, [u64; 6]); 2] = [
    (TAIL, [15, 13, 10, 9, 1 << 63, u64::MAX]),
    (HEAD, [15, 9, 0, 16, 1 << 63, u64::MAX]),
];

fn an_impossible_position_poisons_its_reader_and_no_other_endpoint() {
    for (place, positions) in IMPOSSIBLE {
        for position in positions {
            let (set, scene) = ring::<u64>(4);
            set.publish(10, 10);
            let (mut writer, mut reader) = ends(&set.ring);
            assert_eq!(writer.try_push_slice(&[1, 2, 3, 4]), Ok(4));
            assert_eq!(reader.try_peek_many().map(|peek| peek.len()), Ok(4));
            let sound = set.memory.word(place);
            set.memory.put(place, position);
            // The first call that polls detects it.
            let pushed = writer.try_push(5) == Err(PushError::Corrupt(5));
            let peeked = reader.try_peek_many().err() == Some(PopError::Corrupt);
            assert_eq!([pushed, peeked], [place == HEAD, place == TAIL]);
            set.memory.put(place, sound);
            let (mut writer, mut reader) = if place == TAIL {
                let reader = Watched::new(reader, None);
                let found = corrupt("tail", position);
                is_poisoned(reader, &scene, &reads::<u64>(), found);
                (writer, consumer(&set.ring))
            } else {
                let writer = Watched::new(writer, None);
                let found = corrupt("head", position);
                is_poisoned(writer, &scene, &writes::<u64>(), found);
                (producer(&set.ring), reader)
            };
            assert_eq!(reader.try_pop(), Ok(1));
            writer.try_push(5).expect("there is room");
            assert_eq!(reader.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
            assert_eq!((writer.corruption(), reader.corruption()), (None, None));
        }
    }
}

/// A peek has made the inline copy of the next message. `peek` returns where the message is.
fn has_no_inline_copy<T: Prey + ?Sized>(
    peek: fn(&mut T::Consumer) -> Result<usize, PopError>,
    poll: fn(&mut T::Consumer) -> Option<PopError>,
) {
    let (set, scene) = ring::<T>(128);
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
        |consumer| consumer.try_peek().map(|peek| peek.as_ptr().addr()),
        |consumer| consumer.try_peek_many().err(),
    );
    has_no_inline_copy::<[u8]>(
        |consumer| consumer.try_peek().map(|frame| frame.as_ptr().addr()),
        |consumer| consumer.try_peek_many().err(),
    );
}

fn frames_whose_headers_have_changed_since_are_not_released() {
    let (set, scene) = ring::<[u8]>(128);
    let (mut producer, mut consumer) = ends(&set.ring);
    assert_eq!(producer.try_push_slice(0, &["one", "two"]), Ok(2));
    let mut frames = consumer.peek_many().expect("there are frames");
    while let Ok(Some(_)) = frames.next_frame() {}
    set.memory.put(DATA + 16, 40); // the header of "two"
    frames.release_first(2);
    assert_eq!(set.memory.word(HEAD), 0);
    let consumer = Watched::new(consumer, None);
    let found = corrupt("frame length", 40);
    is_poisoned(consumer, &scene, &reads::<[u8]>(), found);
}

/// Both roles are refused, each with its error, and the segment does not change.
fn both_are_refused<T: Prey + ?Sized>(ring: &Ring<T>, memory: &Memory, found: [Corrupt; 2])
where
    T::Producer: Debug,
    T::Consumer: Debug,
{
    let before = memory.segment();
    let refusals = [ring.producer().err(), ring.consumer().err()];
    for (refusal, expected) in refusals.into_iter().zip(found) {
        refused!(refusal => Error::Corrupt(found));
        assert_eq!(found, expected);
    }
    assert!(before == memory.segment(), "the segment has changed");
}

/// Frames do not begin between words.
fn no_role_is_granted_at_impossible_positions() {
    let (set, _scene) = ring::<[u8]>(64);
    for odd in [1, 4, 60, 63] {
        set.publish(odd, odd);
        let found = [corrupt("tail", odd), corrupt("head", odd)];
        both_are_refused(&set.ring, &set.memory, found);
    }
    let (set, _scene) = ring::<u64>(4);
    set.publish(5, 7);
    let ends = ends(&set.ring);
    assert_eq!((ends.0.position(), ends.1.position()), (7, 5));
    drop(ends);
    for (head, tail) in [(1, 0), (0, u64::MAX), (7, 1 << 40), (0, 5)] {
        set.publish(head, tail);
        let found = [corrupt("head", head), corrupt("tail", tail)];
        both_are_refused(&set.ring, &set.memory, found);
    }
    // Such a ring can be replaced.
    let options = RingOptions::new(4).stale(StalePolicy::Replace);
    let new = options.create::<u64>(&set.name);
    let new = new.expect("no process holds the ring");
    producer(&new).try_push(7).expect("there is room");
}
