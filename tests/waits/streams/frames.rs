//! Frames of up to 89 bytes by every call; the shorter ones may be copied inline.

use std::ops::ControlFlow;

use quoit::{FrameConsumer, FrameProducer, FrameView, PopError};

use super::{ATTACHED, Streamed};
use crate::common::PATIENCE;
use crate::common::dice::Dice;
use crate::common::sample::{bytes, mix};

const LONGEST: usize = 89;

fn payload(number: u64) -> Vec<u8> {
    bytes(number, mix(number) as usize % (LONGEST + 1))
}

/// As many messages have one kind: a call may give all its frames the same.
const ALIKE: u64 = 16;

/// Zero for every other group, as `push` gives it.
fn kind(number: u64) -> u32 {
    match number / ALIKE % 2 {
        0 => 0,
        _ => mix(number / ALIKE) as u32,
    }
}

impl Streamed for [u8] {
    fn send(producer: &mut FrameProducer, messages: u64) {
        let mut dice = Dice(1);
        let mut sent = 0;
        while sent < messages {
            let most = (messages - sent).min(ALIKE - sent % ALIKE);
            let count = most.min(1 + dice.roll(20) as u64);
            let batch = || -> Vec<_> { (sent..sent + count).map(payload).collect() };
            sent += match dice.roll(12) {
                0 => producer.push_slice(kind(sent), &batch()).expect(ATTACHED) as u64,
                1 => {
                    producer.push_all(kind(sent), &batch()).expect(ATTACHED);
                    count
                }
                2 => {
                    let mut batch = producer.batch();
                    for number in sent..sent + count {
                        let payload = payload(number);
                        match batch.try_claim(kind(number), payload.len()) {
                            Ok(mut room) => room.copy_from_slice(&payload),
                            Err(_) => break,
                        }
                    }
                    // A dropped batch publishes nothing.
                    if dice.roll(4) > 0 {
                        batch.commit() as u64
                    } else {
                        0
                    }
                }
                3..=5 => {
                    // Claims more than the message needs, and commits a part.
                    let payload = payload(sent);
                    let len = payload.len();
                    let mut claim = producer.claim(len + dice.roll(17)).expect(ATTACHED);
                    if dice.roll(2) == 0 {
                        claim.write_at(0, &payload);
                    } else {
                        // SAFETY: the consumer does not access unpublished bytes.
                        let room = unsafe { claim.as_mut_bytes() };
                        room[..len].copy_from_slice(&payload);
                    }
                    claim.set_kind(kind(sent));
                    claim.commit_first(len);
                    1
                }
                6 => {
                    let payload = payload(sent);
                    let (first, second) = payload.split_at(dice.roll(payload.len() as u64 + 1));
                    let pushed = producer.push_parts(kind(sent), &[first, &[], second]);
                    pushed.expect(ATTACHED);
                    1
                }
                _ => {
                    let pushed = match kind(sent) {
                        0 => producer.push(&payload(sent)),
                        kind => producer.push_kind(kind, &payload(sent)),
                    };
                    pushed.expect(ATTACHED);
                    1
                }
            };
        }
    }

    fn receive(consumer: &mut FrameConsumer, messages: u64) {
        let mut dice = Dice(2);
        let mut received = 0;
        let mut take = |message: &[u8], found: u32| {
            assert_eq!(message, payload(received));
            assert_eq!(found, kind(received));
            received += 1;
        };
        let mut buffer = [0; LONGEST];
        let mut content = Vec::new();
        loop {
            let way = dice.roll(10);
            let end = match way {
                0 => {
                    // Up to the first one too many, which is not released.
                    let mut left = dice.roll(30);
                    let visit = |frame: FrameView<'_>| {
                        if left == 0 {
                            return ControlFlow::Break(());
                        }
                        left -= 1;
                        // SAFETY: the producer does not access unreleased bytes.
                        take(unsafe { frame.as_bytes() }, frame.kind());
                        ControlFlow::Continue(())
                    };
                    consumer.drain_with(visit).map(drop)
                }
                1 => consumer.try_peek_many().and_then(|mut frames| {
                    let (wanted, mut visited) = (dice.roll(20), 0);
                    while visited < wanted {
                        let Some(frame) = frames.next_frame()? else {
                            break;
                        };
                        take(&frame.to_vec(), frame.kind());
                        visited += 1;
                    }
                    match dice.roll(2) {
                        0 => frames.release(),
                        _ => frames.release_first(visited),
                    }
                    Ok(())
                }),
                // Only an empty frame fits.
                2 => consumer
                    .try_pop(&mut [])
                    .map(|popped| take(&[], popped.kind)),
                3 => {
                    let kind = consumer.try_pop_into(&mut content);
                    kind.map(|kind| take(&content, kind))
                }
                4 | 5 => consumer.peek().map(|frame| {
                    let len = frame.copy_to(&mut buffer);
                    // SAFETY: the producer does not access unreleased bytes.
                    assert_eq!(unsafe { frame.as_bytes() }, &buffer[..len]);
                    take(&buffer[..len], frame.kind());
                    frame.release();
                }),
                6 => {
                    let kind = consumer.pop_into_timeout(&mut content, PATIENCE);
                    kind.map(|kind| take(&content, kind))
                }
                _ => {
                    let popped = consumer.pop_timeout(&mut buffer, PATIENCE);
                    popped.map(|popped| take(&buffer[..popped.len], popped.kind))
                }
            };
            match end {
                Ok(()) | Err(PopError::TooShort { .. }) => {}
                Err(PopError::Empty) if way <= 3 => {} // these calls do not wait
                Err(PopError::Abandoned) => break,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(received, messages);
    }

    fn send_one(producer: &mut FrameProducer, number: u64) {
        producer.push(&payload(number)).expect(ATTACHED);
    }

    fn receive_one(consumer: &mut FrameConsumer, number: u64) -> Result<(), PopError> {
        let frame = consumer.peek_timeout(PATIENCE)?;
        assert_eq!(frame.to_vec(), payload(number));
        frame.release();
        Ok(())
    }

    fn forward(consumer: &mut FrameConsumer, producer: &mut FrameProducer) -> Result<(), PopError> {
        let frame = consumer.peek()?;
        producer.push(&frame.to_vec()).expect(ATTACHED);
        frame.release();
        Ok(())
    }
}
