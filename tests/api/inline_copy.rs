//! Inline copies: while the consumer has caught up, a small message is also copied into the
//! tail's cache line.
//!
//! The tests overwrite one of the two copies, to see which one a read takes.

use quoit::raw::{self, RawRing};
use quoit::{PopError, RingOptions};

use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::rings::{ends, named};
use crate::common::sample::Words;
use crate::common::segment_file::{DATA, RIDE, SegmentFile};

/// Both endpoints of a ring, and its file.
struct Pair<T: Calls + ?Sized> {
    producer: T::Producer,
    consumer: T::Consumer,
    file: SegmentFile,
}

impl<T: Calls + ?Sized> Pair<T> {
    fn new(capacity: u64) -> Self {
        let (ring, name) = named::<T>("inline", &RingOptions::new(capacity));
        let (producer, consumer) = ends(&ring);
        let file = SegmentFile::open(&name.file());
        Self {
            producer,
            consumer,
            file,
        }
    }

    /// Polls without a message until the consumer has set its hint, and lets the producer
    /// see it, with two messages.
    fn caught_up(mut self, message: &T::Message) -> Self {
        for _ in 0..2 {
            for _ in 0..64 {
                let none = pop::<T>(&mut self.consumer, Wait::Never);
                assert_eq!(none.err(), Some(PopError::Empty));
            }
            self.push(message);
            self.pops(message);
        }
        self
    }

    fn push(&mut self, message: &T::Message) {
        push::<T>(&mut self.producer, message, Wait::Never).expect("there is room");
    }

    fn pops(&mut self, message: &T::Message) {
        let popped = pop::<T>(&mut self.consumer, Wait::Never);
        assert_eq!(popped.as_ref(), Ok(message));
    }

    fn spoil_data(&self) {
        self.file.write_bytes(DATA, &[0xee; 384]);
    }

    fn spoil_inline_copy(&self) {
        self.file.write_bytes(RIDE, &[0xee; 48]);
    }

    /// Publishes messages, of which the last one has an inline copy or not; it is read if there
    /// are no others. Overwrites what must not be read.
    fn reads(mut self, has_copy: bool, messages: &[T::Message], publish: fn(&mut Self)) {
        publish(&mut self);
        assert_eq!(self.file.has_inline_copy(), has_copy);
        match has_copy && messages.len() == 1 {
            true => self.spoil_data(),
            false => self.spoil_inline_copy(),
        }
        messages.iter().for_each(|message| self.pops(message));
    }
}

fn numbers() -> Pair<u64> {
    Pair::new(8).caught_up(&0)
}

fn frames() -> Pair<[u8]> {
    Pair::new(128).caught_up(&(0, vec![0; 8]))
}

#[test]
fn a_short_message_that_is_alone_is_read_from_its_inline_copy() {
    numbers().reads(true, &[7], |pair| pair.push(&7));
    numbers().reads(true, &[7, 8], |pair| {
        (7..9).for_each(|value| pair.push(&value))
    });
    let is_batch = |pair: &mut Pair<u64>| assert_eq!(pair.producer.try_push_slice(&[7]), Ok(1));
    numbers().reads(false, &[7], is_batch);
    let six = Pair::<Words<6>>::new(8).caught_up(&Words([0; 6]));
    six.reads(true, &[Words([1, 2, 3, 4, 5, 6])], |pair| {
        let mut claim = pair.producer.try_claim().expect("there is room");
        claim.write(Words([1, 2, 3, 4, 5, 6]));
        claim.commit();
    });
    frames().reads(true, &[(9, vec![7; 40])], |pair| {
        pair.push(&(9, vec![7; 40]))
    });
    frames().reads(false, &[(0, vec![7; 41])], |pair| {
        pair.push(&(0, vec![7; 41]))
    });
}

#[test]
fn a_second_peek_of_an_inline_copy_equals_the_first() {
    let mut pair = numbers();
    pair.push(&7);
    assert!(pair.file.has_inline_copy());
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
    pair.spoil_data();
    pair.spoil_inline_copy();
    assert_eq!(pair.consumer.try_peek().map(|peek| peek.read()), Ok(7));
}

/// The endpoint of the bindings.
#[test]
fn a_raw_consumer_requests_inline_copies_while_it_has_caught_up() {
    fn takes_copies<T: Calls + ?Sized>(content: raw::Content, message: &T::Message) {
        let options = RingOptions::new(128).schema_tag("message");
        let (ring, name) = named::<T>("raw", &options);
        let file = SegmentFile::open(&name.file());
        let ends = RawRing::open(&options, content, name.as_ref());
        let mut consumer = ends.expect("a ring").consumer().expect("a role");
        let mut producer = ring.producer().expect("a role");
        let mut push = || push::<T>(&mut producer, message, Wait::Never).expect("there is room");
        let mut take = || {
            let found = consumer.poll(1, Some(&mut [0; raw::INLINE_WORDS]))?;
            consumer.release(found.unread);
            Ok(found.is_inline)
        };
        for _ in 0..2 {
            (0..64).for_each(|_| assert_eq!(take(), Err(PopError::Empty)));
            push();
            take().expect("a message");
        }
        push();
        assert!(file.has_inline_copy());
        assert_eq!(take(), Ok(true));
        for _ in 0..64 {
            (0..2).for_each(|_| push());
            assert_eq!(take(), Ok(false));
        }
        push();
        assert!(!file.has_inline_copy());
        assert_eq!(take(), Ok(false));
        // Some that are waited for, each alone, request them again.
        for _ in 0..8 {
            assert_eq!(take(), Err(PopError::Empty));
            push();
            take().expect("a message");
        }
        push();
        assert!(file.has_inline_copy());
    }
    let records = raw::records(8, 8).expect("a supported size");
    takes_copies::<u64>(records, &7);
    takes_copies::<[u8]>(raw::frames(), &(0, vec![7; 8]));
}
