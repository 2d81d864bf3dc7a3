//! Inline copies: while the consumer has caught up, a small message is also copied into the
//! tail's cache line.
//!
//! The tests overwrite one of the two copies, to see which one a read takes.

use quoit::{PopError, Producer, RingOptions};

use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::names::RingName;
use crate::common::rings::{ends, named};
use crate::common::sample::Words;
use crate::common::segment_file::{DATA, RIDE, RIDE_POSITION, SegmentFile};

const SPOILED: [u8; 128] = [0xee; 128];

/// Both endpoints of a ring, and its file.
struct Pair<T: Calls + ?Sized> {
    producer: T::Producer,
    consumer: T::Consumer,
    file: SegmentFile,
    name: RingName,
}

impl<T: Calls + ?Sized> Pair<T> {
    fn new(options: &RingOptions) -> Self {
        let (ring, name) = named::<T>("inline", options);
        let (producer, consumer) = ends(&ring);
        let file = SegmentFile::open(&name.file());
        Self {
            producer,
            consumer,
            file,
            name,
        }
    }

    /// Polls without a message until the consumer has set its hint, and lets the producer
    /// see it, with two messages.
    fn caught_up(options: &RingOptions, message: &T::Message) -> Self {
        let mut pair = Self::new(options);
        for _ in 0..2 {
            for _ in 0..64 {
                let none = pop::<T>(&mut pair.consumer, Wait::Never);
                assert_eq!(none.err(), Some(PopError::Empty));
            }
            pair.push(message);
            pair.pops(message);
        }
        pair
    }

    fn push(&mut self, message: &T::Message) {
        push::<T>(&mut self.producer, message, Wait::Never).expect("there is room");
    }

    fn pops(&mut self, message: &T::Message) {
        let popped = pop::<T>(&mut self.consumer, Wait::Never);
        assert_eq!(popped.as_ref(), Ok(message));
    }

    /// Overwrites the data.
    fn spoil_slots(&self) {
        self.file.write_bytes(DATA, &SPOILED[..64]);
    }

    fn spoil_inline_copy(&self) {
        self.file.write_bytes(RIDE, &SPOILED[..48]);
    }
}

fn numbers() -> Pair<u64> {
    Pair::caught_up(&RingOptions::new(8), &0)
}

#[test]
fn no_message_is_copied_inline_before_the_consumer_has_caught_up() {
    let mut pair = Pair::<u64>::new(&RingOptions::new(8));
    for value in 0..20 {
        pair.push(&value);
        assert!(!pair.file.has_inline_copy());
        pair.pops(&value);
    }
}

/// What is done to the memory after a push of 7 that is copied inline, which is read then.
#[test]
fn an_inline_copy_is_read_if_it_is_of_this_position() {
    let spoils: [fn(&Pair<u64>); 3] = [
        |pair| pair.spoil_slots(),
        // As for a consumer of another implementation that does not use the inline copy.
        |pair| {
            pair.file.write(RIDE_POSITION, 0);
            pair.spoil_inline_copy();
        },
        |pair| {
            let another = pair.file.read(RIDE_POSITION) + 2;
            pair.file.write(RIDE_POSITION, another);
            pair.spoil_inline_copy();
        },
    ];
    for spoil in spoils {
        let mut pair = numbers();
        pair.push(&7);
        assert!(pair.file.has_inline_copy());
        spoil(&pair);
        pair.pops(&7);
    }
}

#[test]
fn six_words_are_copied_inline() {
    let value = Words([1, 2, 3, 4, 5, 6]);
    let mut pair = Pair::<Words<6>>::caught_up(&RingOptions::new(8), &Words([0; 6]));
    let mut claim = pair.producer.try_claim().expect("there is room");
    claim.write(value);
    claim.commit();
    assert!(pair.file.has_inline_copy());
    // Of the third one.
    pair.file.write_bytes(DATA + 2 * 48, &SPOILED[..48]);
    pair.pops(&value);
}

#[test]
fn a_record_among_others_is_read_from_its_slot() {
    let mut pair = numbers();
    pair.push(&7);
    pair.push(&8);
    pair.spoil_inline_copy();
    pair.pops(&7);
    pair.pops(&8);
}

#[test]
fn a_batch_has_no_inline_copy() {
    let mut pair = numbers();
    assert_eq!(pair.producer.try_push_slice(&[7]), Ok(1));
    assert!(!pair.file.has_inline_copy());
    pair.spoil_inline_copy();
    pair.pops(&7);
}

#[test]
fn a_second_peek_of_an_inline_copy_equals_the_first() {
    let mut pair = numbers();
    pair.push(&7);
    assert!(pair.file.has_inline_copy());
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
    pair.spoil_slots();
    pair.spoil_inline_copy();
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
}

#[test]
fn a_consumer_that_falls_behind_ends_the_inline_copies() {
    let mut pair = numbers();
    pair.push(&0);
    assert!(pair.file.has_inline_copy());
    let mut values = [0; 8];
    for _ in 0..32 {
        let pushed = pair.producer.try_push_slice(&[1, 2, 3]);
        pushed.expect("there is room");
        let popped = pair.consumer.try_pop_slice(&mut values);
        popped.expect("there are records");
    }
    pair.push(&0);
    assert!(!pair.file.has_inline_copy());
}

#[test]
fn a_new_producer_clears_the_inline_copy_of_the_previous_holder() {
    let mut pair = numbers();
    pair.push(&7);
    assert!(pair.file.has_inline_copy());
    let Pair {
        producer,
        mut consumer,
        file,
        name,
    } = pair;
    drop(producer);
    let _successor = Producer::<u64>::open(&name).expect("the role is free");
    assert!(!file.has_inline_copy());
    file.write_bytes(RIDE, &SPOILED[..48]);
    assert_eq!(consumer.try_pop(), Ok(7));
}

/// A ring of frames of 128 bytes whose consumer has caught up, with the tail two frames of
/// 16 bytes after `first_position`.
fn frames(first_position: u64) -> Pair<[u8]> {
    let options = RingOptions::new(128).first_position(first_position);
    Pair::caught_up(&options, &(0, vec![0; 8]))
}

impl Pair<[u8]> {
    fn peeks(&mut self, message: &(u32, Vec<u8>)) {
        let frame = self.consumer.try_peek().expect("there is a frame");
        assert_eq!((frame.kind(), frame.to_vec()), *message);
        frame.release();
    }
}

#[test]
fn a_frame_of_40_bytes_is_copied_inline_with_its_kind() {
    let mut pair = frames(0);
    let message = (9, vec![7; 40]);
    pair.push(&message);
    assert!(pair.file.has_inline_copy());
    pair.file.write_bytes(DATA, &SPOILED);
    pair.peeks(&message);
}

#[test]
fn a_frame_of_41_bytes_is_not_copied_inline() {
    let mut pair = frames(0);
    let message = (0, vec![7; 41]);
    pair.push(&message);
    assert!(!pair.file.has_inline_copy());
    pair.spoil_inline_copy();
    pair.peeks(&message);
}

#[test]
fn a_frame_after_padding_is_read_from_the_ring() {
    // The two frames that `frames` sends leave eight bytes of the lap.
    let mut pair = frames(128 - 8 - 32);
    let message = (0, vec![7; 8]);
    pair.push(&message);
    // The inline copy is a frame of another length than the unread bytes.
    assert!(pair.file.has_inline_copy());
    pair.file.write_bytes(RIDE + 8, &SPOILED[..40]);
    pair.peeks(&message);
    assert_eq!(pair.consumer.position(), 128 + 16);
}
