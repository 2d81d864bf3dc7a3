//! Records of 32 bytes, which may be copied inline.

use std::time::Duration;

use quoit::{Consumer, PopError, Producer};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::FEWER;
use crate::common::PATIENCE;
use crate::common::child::say;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::sample::mix;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Message {
    sequence: u64,
    content: [u64; 2],
    checksum: u64,
}

impl Message {
    fn new(sequence: u64) -> Self {
        let content = [mix(sequence), !sequence];
        Self {
            sequence,
            content,
            checksum: checksum(sequence, content),
        }
    }

    fn check(&self, sequence: u64) {
        assert_eq!(self.sequence, sequence);
        assert_eq!(self.checksum, checksum(self.sequence, self.content));
    }
}

fn checksum(sequence: u64, [first, second]: [u64; 2]) -> u64 {
    mix(sequence ^ first.rotate_left(7) ^ second.rotate_left(29))
}

/// Sends messages by every call.
pub(crate) fn record_producer(arguments: &[String]) {
    let mut producer = Producer::<Message>::open(&arguments[0]).expect("the role is free");
    let messages: u64 = arguments[1].parse().expect("a number");
    say("ready");
    let mut dice = Dice(1);
    let mut sent = 0;
    while sent < messages {
        let left = messages - sent;
        match dice.roll(8) {
            0 => {
                let count = left.min(1 + dice.roll(50) as u64);
                let batch: Vec<_> = (sent..sent + count).map(Message::new).collect();
                match dice.roll(3) {
                    0 => {
                        let pushed = producer.push_all(&batch);
                        pushed.expect("the consumer is attached");
                        sent += count;
                    }
                    1 => {
                        // The first of them that fit.
                        let mut messages = batch.into_iter();
                        let Ok(pushed) = producer.try_extend(&mut messages) else {
                            continue;
                        };
                        assert_eq!(messages.len() as u64, count - pushed as u64);
                        sent += pushed as u64;
                    }
                    _ => {
                        let pushed = producer.push_slice(&batch);
                        sent += pushed.expect("the consumer is attached") as u64;
                    }
                }
            }
            1 => {
                // Several slots in place, some of which are not committed.
                let claim = producer.try_claim_many(left.min(20) as usize);
                let Ok(mut claim) = claim else { continue };
                let commit = 1 + dice.roll(claim.len() as u64);
                if dice.roll(2) == 0 {
                    for (index, sequence) in (sent..).take(claim.len()).enumerate() {
                        claim.write(index, Message::new(sequence));
                    }
                } else {
                    // SAFETY: the consumer does not access unpublished slots.
                    let (front, back) = unsafe { claim.slices_mut() };
                    for (slot, sequence) in front.iter_mut().chain(back).zip(sent..) {
                        *slot = Message::new(sequence);
                    }
                }
                claim.commit_first(commit);
                sent += commit as u64;
            }
            2..=4 => {
                let mut claim = producer.claim().expect("the consumer is attached");
                claim.write(Message::new(sent));
                claim.commit();
                sent += 1;
            }
            _ => {
                let pushed = producer.push(Message::new(sent));
                pushed.expect("the consumer is attached");
                sent += 1;
            }
        }
    }
}

/// Receives messages by every call, until the producer has closed.
pub(crate) fn consume(name: &RingName, messages: u64) {
    let mut consumer = Consumer::<Message>::open(name).expect("the role is free");
    let mut dice = Dice(2);
    let mut received = 0;
    let mut take = |message: &Message| {
        message.check(received);
        received += 1;
    };
    let mut buffer = [Message::new(0); 32];
    loop {
        let way = dice.roll(8);
        let end = match way {
            0 => consumer.try_peek_many().map(|peek| {
                let release = dice.roll(peek.len() as u64 + 1);
                if dice.roll(2) == 0 {
                    peek.iter().take(release).for_each(|message| take(&message));
                } else {
                    // SAFETY: the producer does not access unreleased slots.
                    let (front, back) = unsafe { peek.slices() };
                    front.iter().chain(back).take(release).for_each(&mut take);
                }
                peek.release_first(release);
            }),
            1 => {
                consumer.try_iter().for_each(|message| take(&message));
                Ok(())
            }
            2 => {
                let popped = consumer.pop_slice_timeout(&mut buffer, PATIENCE);
                popped.map(|count| buffer[..count].iter().for_each(&mut take))
            }
            3 | 4 => consumer.peek_timeout(PATIENCE).map(|peek| {
                take(&peek.read());
                peek.release();
            }),
            _ => consumer.pop_timeout(PATIENCE).map(|message| take(&message)),
        };
        match end {
            Ok(()) => {}
            Err(PopError::Empty) if way == 0 => {} // this call does not wait
            Err(PopError::Abandoned) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(received, messages);
}

/// Sends each message back, until the producer has closed.
pub(crate) fn record_echo(arguments: &[String]) {
    let mut consumer = Consumer::<Message>::open(&arguments[0]).expect("the role is free");
    let mut producer = Producer::<Message>::open(&arguments[1]).expect("the role is free");
    say("ready");
    while let Ok(message) = consumer.pop() {
        producer.push(message).expect("the consumer is attached");
    }
}

/// Sends one message at a time, and waits for its echo.
pub(crate) fn play(there: &RingName, back: &RingName) {
    let mut producer = Producer::<Message>::open(there).expect("the role is free");
    let mut consumer = Consumer::<Message>::open(back).expect("the role is free");
    for sequence in 0..FEWER {
        producer
            .push(Message::new(sequence))
            .expect("the echo is attached");
        let message = consumer.pop_timeout(PATIENCE).expect("the echo answers");
        assert_eq!(message, Message::new(sequence));
    }
    let last = consumer.pop_timeout(Duration::ZERO);
    assert_eq!(last, Err(PopError::TimedOut), "no message arrives twice");
}
