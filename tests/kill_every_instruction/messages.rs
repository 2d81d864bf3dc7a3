//! Messages that are computed from a number, in both shapes.

use std::ops::ControlFlow;
use std::time::Duration;

use quoit::{
    ClaimError, Consumer, FrameConsumer, FrameProducer, FrameView, PopError, Producer, PushError,
    Shape,
};

use crate::common::sample::{Words, bytes, mix};

/// A shape of messages.
pub(crate) trait Messages {
    type T: Shape<Producer = Self::Producer, Consumer = Self::Consumer> + ?Sized;
    type Producer;
    type Consumer;
    /// Slots or bytes.
    const CAPACITY: u64;
    fn push(producer: &mut Self::Producer, number: u64) -> Result<(), ClaimError>;
    /// The number of the next message, if its content matches.
    fn pop(consumer: &mut Self::Consumer) -> Result<u64, PopError>;
    /// Claims and fills; then commits or drops.
    fn claim(producer: &mut Self::Producer, number: u64, commit: bool);
    /// Pushes two with one publish.
    fn push_two(producer: &mut Self::Producer, number: u64);
    /// Peeks; then releases or drops.
    fn peek(consumer: &mut Self::Consumer, release: bool);
    /// Peeks at all, and releases the first.
    fn release_first(consumer: &mut Self::Consumer);
    /// Skips one.
    fn skip(consumer: &mut Self::Consumer);
    /// Closes the endpoint, and keeps the role.
    fn close_producer(producer: &mut Self::Producer);
    /// Closes the endpoint, and keeps the role.
    fn close_consumer(consumer: &mut Self::Consumer);
    /// Takes everything, with one release.
    fn drain(consumer: &mut Self::Consumer);
    /// Waits until the timeout.
    fn wait_for_room(producer: &mut Self::Producer, timeout: Duration);
    /// Waits until the timeout.
    fn wait_for_message(consumer: &mut Self::Consumer, timeout: Duration);
}

/// The number of a torn message.
pub(crate) const TORN: u64 = u64::MAX;

/// Records that have inline copies.
pub(crate) struct Records;

pub(crate) fn record(number: u64) -> Words<3> {
    Words([number, mix(number), !number])
}

fn number(record: Words<3>) -> u64 {
    let [number, ..] = record.0;
    if record == self::record(number) {
        number
    } else {
        TORN
    }
}

impl Messages for Records {
    type T = Words<3>;
    type Producer = Producer<Words<3>>;
    type Consumer = Consumer<Words<3>>;
    const CAPACITY: u64 = 4;

    fn push(producer: &mut Producer<Words<3>>, number: u64) -> Result<(), ClaimError> {
        producer
            .try_push(record(number))
            .map_err(|error| match error {
                PushError::Full(_) => ClaimError::Full,
                PushError::Abandoned(_) => ClaimError::Abandoned,
                error => panic!("{error}"),
            })
    }

    fn pop(consumer: &mut Consumer<Words<3>>) -> Result<u64, PopError> {
        consumer.try_pop().map(number)
    }

    fn claim(producer: &mut Producer<Words<3>>, number: u64, commit: bool) {
        let mut claim = producer.try_claim().expect("there is room");
        claim.write(record(number));
        if commit {
            claim.commit();
        }
    }

    fn push_two(producer: &mut Producer<Words<3>>, number: u64) {
        let pushed = producer.try_push_slice(&[record(number), record(number + 1)]);
        assert_eq!(pushed, Ok(2));
    }

    fn peek(consumer: &mut Consumer<Words<3>>, release: bool) {
        let peek = consumer.try_peek().expect("there is a message");
        assert_ne!(number(peek.read()), TORN);
        if release {
            peek.release();
        }
    }

    fn release_first(consumer: &mut Consumer<Words<3>>) {
        let peek = consumer.try_peek_many().expect("there is a message");
        assert!(peek.iter().all(|record| number(record) != TORN));
        peek.release_first(1);
    }

    fn skip(consumer: &mut Consumer<Words<3>>) {
        assert_eq!(consumer.skip(1), Ok(1));
    }

    fn close_producer(producer: &mut Producer<Words<3>>) {
        producer.close();
    }

    fn close_consumer(consumer: &mut Consumer<Words<3>>) {
        consumer.close();
    }

    fn drain(consumer: &mut Consumer<Words<3>>) {
        let whole = consumer.try_iter().all(|record| number(record) != TORN);
        assert!(whole);
    }

    fn wait_for_room(producer: &mut Producer<Words<3>>, timeout: Duration) {
        let claimed = producer.claim_timeout(timeout).map(drop);
        assert_eq!(claimed, Err(ClaimError::TimedOut));
    }

    fn wait_for_message(consumer: &mut Consumer<Words<3>>, timeout: Duration) {
        let peeked = consumer.peek_timeout(timeout).map(drop);
        assert_eq!(peeked, Err(PopError::TimedOut));
    }
}

/// Frames of several lengths: short ones with inline copies, and a longer one.
pub(crate) struct Frames;

fn frame(number: u64) -> Vec<u8> {
    let len = [0, 5, 32, 92][(number % 4) as usize];
    let mut frame = number.to_le_bytes().to_vec();
    frame.extend(bytes(number, len));
    frame
}

fn number_of(frame: &[u8]) -> u64 {
    let Some(number) = frame.first_chunk() else {
        return TORN;
    };
    let number = u64::from_le_bytes(*number);
    if *frame == *self::frame(number) {
        number
    } else {
        TORN
    }
}

impl Messages for Frames {
    type T = [u8];
    type Producer = FrameProducer;
    type Consumer = FrameConsumer;
    const CAPACITY: u64 = 256;

    fn push(producer: &mut FrameProducer, number: u64) -> Result<(), ClaimError> {
        producer.try_push(&frame(number))
    }

    fn pop(consumer: &mut FrameConsumer) -> Result<u64, PopError> {
        let frame = consumer.try_peek()?;
        let number = number_of(&frame.to_vec());
        frame.release();
        Ok(number)
    }

    fn claim(producer: &mut FrameProducer, number: u64, commit: bool) {
        let frame = frame(number);
        let mut claim = producer.try_claim(frame.len()).expect("there is room");
        claim.copy_from_slice(&frame);
        if commit {
            claim.commit();
        }
    }

    fn push_two(producer: &mut FrameProducer, number: u64) {
        let pushed = producer.try_push_slice(0, &[frame(number), frame(number + 1)]);
        assert_eq!(pushed, Ok(2));
    }

    fn peek(consumer: &mut FrameConsumer, release: bool) {
        let frame = consumer.try_peek().expect("there is a message");
        assert_ne!(number_of(&frame.to_vec()), TORN);
        if release {
            frame.release();
        }
    }

    fn release_first(consumer: &mut FrameConsumer) {
        let mut frames = consumer.try_peek_many().expect("there is a message");
        while let Some(frame) = frames.next_frame().expect("a sound ring") {
            assert_ne!(number_of(&frame.to_vec()), TORN);
        }
        frames.release_first(1);
    }

    fn skip(consumer: &mut FrameConsumer) {
        assert_eq!(consumer.skip(1), Ok(1));
    }

    fn close_producer(producer: &mut FrameProducer) {
        producer.close();
    }

    fn close_consumer(consumer: &mut FrameConsumer) {
        consumer.close();
    }

    fn drain(consumer: &mut FrameConsumer) {
        let visit = |frame: FrameView<'_>| {
            assert_ne!(number_of(&frame.to_vec()), TORN);
            ControlFlow::Continue(())
        };
        consumer.drain_with(visit).expect("there are messages");
    }

    fn wait_for_room(producer: &mut FrameProducer, timeout: Duration) {
        let claimed = producer.claim_timeout(100, timeout).map(drop);
        assert_eq!(claimed, Err(ClaimError::TimedOut));
    }

    fn wait_for_message(consumer: &mut FrameConsumer, timeout: Duration) {
        let peeked = consumer.peek_timeout(timeout).map(drop);
        assert_eq!(peeked, Err(PopError::TimedOut));
    }
}
