//! Inline copies: while the consumer has caught up, a small message is also copied into the
//! tail's cache line.
//!
//! The tests overwrite one of the two copies, to see which one a read takes.

use crate::common::names::RingName;
use crate::common::rings::named;
use crate::common::sample::Words;
use crate::common::segment_file::{DATA, RIDE, RIDE_POSITION, SegmentFile};
use quoit::{PopError, Popped, Producer, Record, RingOptions, Shape};

const SPOILED: [u8; 48] = [0xee; 48];

/// Both endpoints of a ring, and its file.
struct Pair<T: Shape + ?Sized> {
    producer: T::Producer,
    consumer: T::Consumer,
    file: SegmentFile,
    name: RingName,
}

fn pair<T: Record>(test: &str) -> Pair<T> {
    let (ring, name) = named::<T>(test, &RingOptions::new(8));
    Pair {
        producer: ring.producer().expect("the role is free"),
        consumer: ring.consumer().expect("the role is free"),
        file: SegmentFile::open(&name.file()),
        name,
    }
}

impl<T: Record> Pair<T> {
    /// Polls without a message until the consumer has set its hint, and lets the producer
    /// see it.
    fn catch_up(&mut self) {
        for _ in 0..64 {
            assert_eq!(self.consumer.try_pop().err(), Some(PopError::Empty));
        }
        self.producer
            .try_push(T::new_zeroed())
            .expect("there is room");
        self.consumer.try_pop().expect("there is a record");
    }

    /// Overwrites every slot.
    fn overwrite_slots(&self) {
        for slot in 0..8 {
            let offset = DATA + slot * size_of::<T>() as u64;
            self.file.write_bytes(offset, &SPOILED[..size_of::<T>()]);
        }
    }
}

impl<T: Shape + ?Sized> Pair<T> {
    /// Overwrites the inline copy.
    fn overwrite_inline_copy(&self) {
        self.file.write_bytes(RIDE, &SPOILED);
    }
}

#[test]
fn no_message_is_copied_inline_before_the_consumer_has_caught_up() {
    let mut pair = pair::<u64>("ride-early");
    for value in 0..20 {
        pair.producer.try_push(value).expect("there is room");
        assert!(!pair.file.has_inline_copy());
        assert_eq!(pair.consumer.try_pop(), Ok(value));
    }
}

#[test]
fn an_inline_copy_is_read_without_its_slot() {
    let mut pair = pair::<u64>("ride-taken");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
    assert!(pair.file.has_inline_copy());
    pair.overwrite_slots();
    assert_eq!(pair.consumer.try_pop(), Ok(7));
}

#[test]
fn six_words_are_copied_inline() {
    let mut pair = pair::<Words<6>>("ride-six-words");
    pair.catch_up();
    let value = Words([1, 2, 3, 4, 5, 6]);
    let mut claim = pair.producer.try_claim().expect("there is room");
    claim.write(value);
    claim.commit();
    assert!(pair.file.has_inline_copy());
    pair.overwrite_slots();
    assert_eq!(pair.consumer.try_pop(), Ok(value));
}

#[test]
fn a_record_with_an_inline_copy_is_in_its_slot_too() {
    let mut pair = pair::<u64>("ride-and-slot");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
    assert!(pair.file.has_inline_copy());
    // As for a consumer of another implementation that does not use the inline copy.
    pair.file.write(RIDE_POSITION, 0);
    pair.overwrite_inline_copy();
    assert_eq!(pair.consumer.try_pop(), Ok(7));
}

#[test]
fn an_inline_copy_of_another_position_is_refused() {
    let mut pair = pair::<u64>("ride-of-another");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
    assert!(pair.file.has_inline_copy());
    pair.overwrite_inline_copy();
    pair.file
        .write(RIDE_POSITION, pair.file.read(RIDE_POSITION) + 2);
    assert_eq!(pair.consumer.try_pop(), Ok(7));
}

#[test]
fn a_record_among_others_is_read_from_its_slot() {
    let mut pair = pair::<u64>("ride-in-a-crowd");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
    pair.producer.try_push(8).expect("there is room");
    pair.overwrite_inline_copy();
    assert_eq!(pair.consumer.try_pop(), Ok(7));
    assert_eq!(pair.consumer.try_pop(), Ok(8));
}

#[test]
fn a_batch_has_no_inline_copy() {
    let mut pair = pair::<u64>("ride-batch");
    pair.catch_up();
    assert_eq!(pair.producer.try_push_slice(&[7]), Ok(1));
    assert!(!pair.file.has_inline_copy());
    pair.overwrite_inline_copy();
    assert_eq!(pair.consumer.try_pop(), Ok(7));
}

#[test]
fn a_second_peek_of_an_inline_copy_equals_the_first() {
    let mut pair = pair::<u64>("ride-peeked");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
    assert!(pair.file.has_inline_copy());
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
    pair.overwrite_slots();
    pair.overwrite_inline_copy();
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
}

#[test]
fn a_consumer_that_falls_behind_ends_the_inline_copies() {
    let mut pair = pair::<u64>("ride-ended");
    pair.catch_up();
    pair.producer.try_push(0).expect("there is room");
    assert!(pair.file.has_inline_copy());
    let mut values = [0; 8];
    for _ in 0..32 {
        pair.producer
            .try_push_slice(&[1, 2, 3])
            .expect("there is room");
        pair.consumer
            .try_pop_slice(&mut values)
            .expect("there are records");
    }
    pair.producer.try_push(0).expect("there is room");
    assert!(!pair.file.has_inline_copy());
}

#[test]
fn a_new_producer_clears_the_inline_copy_of_the_previous_holder() {
    let mut pair = pair::<u64>("ride-cleared");
    pair.catch_up();
    pair.producer.try_push(7).expect("there is room");
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
    file.write_bytes(RIDE, &SPOILED);
    assert_eq!(consumer.try_pop(), Ok(7));
}

/// A ring of frames of 128 bytes whose consumer has caught up, with the tail two frames of
/// 16 bytes after `first_position`.
fn frames(test: &str, first_position: u64) -> Pair<[u8]> {
    let name = RingName::new(test);
    let options = RingOptions::new(128).first_position(first_position);
    let ring = options.create::<[u8]>(&name).expect("a ring");
    let mut pair = Pair::<[u8]> {
        producer: ring.producer().expect("the role is free"),
        consumer: ring.consumer().expect("the role is free"),
        file: SegmentFile::open(&name.file()),
        name,
    };
    let mut buffer = [0; 8];
    for _ in 0..2 {
        for _ in 0..64 {
            assert_eq!(pair.consumer.try_pop(&mut buffer), Err(PopError::Empty));
        }
        pair.producer.try_push(&[0; 8]).expect("there is room");
        let popped = pair.consumer.try_pop(&mut buffer);
        assert_eq!(popped, Ok(Popped { len: 8, kind: 0 }));
    }
    pair
}

#[test]
fn a_frame_of_40_bytes_is_copied_inline_with_its_kind() {
    let mut pair = frames("ride-frame", 0);
    let payload = [7; 40];
    pair.producer
        .try_push_kind(9, &payload)
        .expect("there is room");
    assert!(pair.file.has_inline_copy());
    pair.file.write_bytes(DATA, &[0xee; 128]);
    let frame = pair.consumer.try_peek().expect("there is a frame");
    assert_eq!((frame.kind(), frame.to_vec()), (9, payload.to_vec()));
}

#[test]
fn a_frame_of_41_bytes_is_not_copied_inline() {
    let mut pair = frames("ride-long-frame", 0);
    pair.producer.try_push(&[7; 41]).expect("there is room");
    assert!(!pair.file.has_inline_copy());
    pair.overwrite_inline_copy();
    let frame = pair.consumer.try_peek().expect("there is a frame");
    assert_eq!(frame.to_vec(), [7; 41]);
}

#[test]
fn a_frame_after_padding_is_read_from_the_ring() {
    // The two frames that `frames` sends leave eight bytes of the lap.
    let mut pair = frames("ride-padding", 128 - 8 - 32);
    pair.producer.try_push(&[7; 8]).expect("there is room");
    // The inline copy is a frame of another length than the unread bytes.
    assert!(pair.file.has_inline_copy());
    pair.file.write_bytes(RIDE + 8, &SPOILED[..40]);
    let frame = pair.consumer.try_peek().expect("there is a frame");
    assert_eq!(frame.to_vec(), [7; 8]);
    frame.release();
    assert_eq!(pair.consumer.position(), 128 + 16);
}
