//! Frames of up to 63 bytes, of which some may ride.

use std::time::Duration;

use quoit::{Consumer, PopError, Producer};

use super::FEWER;
use crate::common::PATIENCE;
use crate::common::child::say;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::sample::mix;

/// A sequence number, so much content that follows from it, and a checksum.
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

/// Over all bytes, and where they are.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = sum.rotate_left(9) ^ u64::from_le_bytes(word);
    }
    mix(sum)
}

/// Sends messages in every way there is.
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
                sent += producer.push_slice(&batch).expect("the consumer is there") as u64;
            }
            1 => {
                let wanted = left.min(20);
                let mut batch = producer.batch();
                for sequence in sent..sent + wanted {
                    let Ok(room) = batch.try_claim(Message::len(sequence)) else {
                        break;
                    };
                    Message::fill(room, sequence);
                }
                // A batch that is dropped publishes nothing.
                if dice.roll(4) > 0 {
                    sent += batch.commit() as u64;
                }
            }
            2..=4 => {
                // More than the message takes, of which the rest is given up.
                let len = Message::len(sent);
                let mut claim = producer
                    .claim(len + dice.roll(17))
                    .expect("the consumer is there");
                Message::fill(&mut claim[..len], sent);
                claim.commit_first(len);
                sent += 1;
            }
            _ => {
                let pushed = producer.push(Message::new(sent).as_ref());
                pushed.expect("the consumer is there");
                sent += 1;
            }
        }
    }
}

/// Receives messages in every way there is, until the producer has left.
pub(crate) fn consume(name: &RingName, messages: u64) {
    let mut consumer = FrameConsumer::open(name).expect("the role is free");
    let mut dice = Dice(2);
    let mut received = 0;
    let mut take = |message: &[u8]| {
        Message::check(message, received);
        received += 1;
    };
    let mut buffer = [0; 128];
    loop {
        let way = dice.roll(8);
        let end = match way {
            0 => consumer.try_pop_each(|_, message| take(message)).map(drop),
            1 => consumer.try_peek_many().and_then(|mut frames| {
                for _ in 0..dice.roll(20) {
                    match frames.next_frame()? {
                        Some((_, message)) => take(message),
                        None => break,
                    }
                }
                frames.release();
                Ok(())
            }),
            2 => consumer
                .try_pop(&mut [])
                .map(|_| panic!("no message is empty")),
            3 | 4 => consumer.peek_timeout(PATIENCE).map(|frame| {
                take(&frame);
                frame.release();
            }),
            _ => {
                let popped = consumer.pop_timeout(&mut buffer, PATIENCE);
                popped.map(|len| take(&buffer[..len]))
            }
        };
        match end {
            Ok(()) | Err(PopError::TooShort { .. }) => {}
            Err(PopError::Empty) if way <= 2 => {} // those do not wait
            Err(PopError::Abandoned) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(received, messages);
}

/// Sends back what it receives, until there is nothing more.
pub(crate) fn frame_echo(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    let mut producer = FrameProducer::open(&arguments[1]).expect("the role is free");
    say("ready");
    while let Ok(frame) = consumer.peek() {
        producer.push(&frame).expect("the consumer is there");
        frame.release();
    }
}

/// Sends one message at a time, and waits for it to come back.
pub(crate) fn play(there: &RingName, back: &RingName) {
    let mut producer = FrameProducer::open(there).expect("the role is free");
    let mut consumer = FrameConsumer::open(back).expect("the role is free");
    for sequence in 0..FEWER {
        let message = Message::new(sequence);
        producer.push(message.as_ref()).expect("the echo is there");
        let frame = consumer.peek_timeout(PATIENCE).expect("the echo answers");
        assert_eq!(&*frame, message.as_ref());
        frame.release();
    }
    let last = consumer.peek_timeout(Duration::ZERO).map(drop);
    assert_eq!(last, Err(PopError::Empty), "nothing comes twice");
}
