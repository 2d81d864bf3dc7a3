//! Frames of up to 63 bytes, some of which may be copied inline.

use std::ops::ControlFlow;
use std::time::Duration;

use quoit::{FrameConsumer, FrameProducer, FrameView, PopError};

use super::FEWER;
use crate::common::PATIENCE;
use crate::common::child::say;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::sample::mix;

/// A sequence number, this much content that is computed from it, and a checksum.
struct Message(Vec<u8>);

impl Message {
    fn new(sequence: u64) -> Self {
        let mut bytes = vec![0; Self::len(sequence)];
        Self::fill(&mut bytes, sequence);
        Self(bytes)
    }

    /// Bytes of the message with this number: 16 to 63.
    fn len(sequence: u64) -> usize {
        16 + (mix(sequence) % 48) as usize
    }

    /// Writes the message in place.
    fn fill(bytes: &mut [u8], sequence: u64) {
        bytes.fill(sequence as u8);
        bytes[..8].copy_from_slice(&sequence.to_le_bytes());
        let (content, sum) = bytes.split_at_mut(bytes.len() - 8);
        sum.copy_from_slice(&checksum(content).to_le_bytes());
    }

    fn check(bytes: &[u8], sequence: u64) {
        assert_eq!(bytes.len(), Self::len(sequence));
        let (content, sum) = bytes.split_last_chunk().expect("sixteen bytes");
        assert_eq!(u64::from_le_bytes(*sum), checksum(content));
        let number = content.first_chunk().expect("eight bytes");
        assert_eq!(u64::from_le_bytes(*number), sequence);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A checksum over all bytes and their places.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = sum.rotate_left(9) ^ u64::from_le_bytes(word);
    }
    mix(sum)
}

/// Sends messages by every call.
pub(crate) fn frame_producer(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    let messages: u64 = arguments[1].parse().expect("a number");
    say("ready");
    let mut dice = Dice(1);
    let mut sent = 0;
    while sent < messages {
        let left = messages - sent;
        match dice.roll(8) {
            0 => {
                let count = left.min(1 + dice.roll(20) as u64);
                let batch: Vec<_> = (sent..sent + count).map(Message::new).collect();
                if dice.roll(2) == 0 {
                    let pushed = producer.push_slice(0, &batch);
                    sent += pushed.expect("the consumer is attached") as u64;
                } else {
                    let pushed = producer.push_all(0, &batch);
                    pushed.expect("the consumer is attached");
                    sent += count;
                }
            }
            1 => {
                let wanted = left.min(20);
                let mut batch = producer.batch();
                for sequence in sent..sent + wanted {
                    let Ok(mut room) = batch.try_claim(0, Message::len(sequence)) else {
                        break;
                    };
                    // SAFETY: the consumer does not access unpublished bytes.
                    Message::fill(unsafe { room.as_mut_bytes() }, sequence);
                }
                // A dropped batch publishes nothing.
                if dice.roll(4) > 0 {
                    sent += batch.commit() as u64;
                }
            }
            2..=4 => {
                // Claims more than the message needs, and commits a part.
                let len = Message::len(sent);
                let mut claim = producer
                    .claim(len + dice.roll(17))
                    .expect("the consumer is attached");
                // SAFETY: the consumer does not access unpublished bytes.
                let room = unsafe { claim.as_mut_bytes() };
                Message::fill(&mut room[..len], sent);
                claim.commit_first(len);
                sent += 1;
            }
            5 => {
                let message = Message::new(sent);
                let (first, second) = message.0.split_at(dice.roll(17));
                let pushed = producer.push_parts(0, &[first, &[], second]);
                pushed.expect("the consumer is attached");
                sent += 1;
            }
            _ => {
                let pushed = producer.push(Message::new(sent).as_ref());
                pushed.expect("the consumer is attached");
                sent += 1;
            }
        }
    }
}

/// Receives messages by every call, until the producer has closed.
pub(crate) fn consume(name: &RingName, messages: u64) {
    let mut consumer = FrameConsumer::open(name).expect("the role is free");
    let mut dice = Dice(2);
    let mut received = 0;
    let mut take = |message: &[u8]| {
        Message::check(message, received);
        received += 1;
    };
    let mut buffer = [0; 128];
    let mut bytes = Vec::new();
    loop {
        let way = dice.roll(9);
        let end = match way {
            0 => {
                // Up to the first unexpected one, which is not released.
                let mut left = dice.roll(30);
                let visit = |frame: FrameView<'_>| {
                    if left == 0 {
                        return ControlFlow::Break(());
                    }
                    left -= 1;
                    // SAFETY: the producer does not access unreleased bytes.
                    take(unsafe { frame.as_bytes() });
                    ControlFlow::Continue(())
                };
                consumer.drain_with(visit).map(drop)
            }
            1 => consumer.try_peek_many().and_then(|mut frames| {
                let (wanted, mut visited) = (dice.roll(20), 0);
                while visited < wanted {
                    match frames.next_frame()? {
                        Some(message) => take(&message.to_vec()),
                        None => break,
                    }
                    visited += 1;
                }
                if dice.roll(2) == 0 {
                    frames.release();
                } else {
                    frames.release_first(visited);
                }
                Ok(())
            }),
            2 => consumer
                .try_pop(&mut [])
                .map(|_| panic!("no message is empty")),
            3 | 4 => consumer.peek_timeout(PATIENCE).map(|frame| {
                let len = frame.copy_to(&mut buffer);
                take(&buffer[..len]);
                // SAFETY: the producer does not access unreleased bytes.
                assert_eq!(unsafe { frame.as_bytes() }, &buffer[..len]);
                frame.release();
            }),
            5 => {
                let popped = consumer.pop_into_timeout(&mut bytes, PATIENCE);
                popped.map(|_| take(&bytes))
            }
            _ => {
                let popped = consumer.pop_timeout(&mut buffer, PATIENCE);
                popped.map(|popped| take(&buffer[..popped.len]))
            }
        };
        match end {
            Ok(()) | Err(PopError::TooShort { .. }) => {}
            Err(PopError::Empty) if way <= 2 => {} // these calls do not wait
            Err(PopError::Abandoned) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(received, messages);
}

/// Sends each message back, until the producer has closed.
pub(crate) fn frame_echo(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    let mut producer = FrameProducer::open(&arguments[1]).expect("the role is free");
    say("ready");
    while let Ok(frame) = consumer.peek() {
        let pushed = producer.push(&frame.to_vec());
        pushed.expect("the consumer is attached");
        frame.release();
    }
}

/// Sends one message at a time, and waits for its echo.
pub(crate) fn play(there: &RingName, back: &RingName) {
    let mut producer = FrameProducer::open(there).expect("the role is free");
    let mut consumer = FrameConsumer::open(back).expect("the role is free");
    for sequence in 0..FEWER {
        let message = Message::new(sequence);
        producer
            .push(message.as_ref())
            .expect("the echo is attached");
        let frame = consumer.peek_timeout(PATIENCE).expect("the echo answers");
        assert_eq!(frame.to_vec(), message.as_ref());
        frame.release();
    }
    let last = consumer.peek_timeout(Duration::ZERO).map(drop);
    assert_eq!(last, Err(PopError::TimedOut), "no message arrives twice");
}
