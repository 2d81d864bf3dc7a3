//! Every call at random, dropped after a random number of polls, at both endpoints of one
//! ring: messages arrive once and in order.

use std::future::Future;
use std::pin::pin;
use std::thread;

use futures_executor::block_on;
use futures_util::future::{self, Either};
use quoit::{
    AsyncConsumer, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer, PopError, RingOptions,
};

use super::cancelling::ready_after;
use super::{frame, on_every_runtime, record};
use crate::common::dice::Dice;
use crate::common::rings::ends;
use crate::common::sample::Words;

crate::common::suite::tests! {
    records_arrive_once_although_futures_are_dropped,
    frames_arrive_once_although_futures_are_dropped,
}

const MESSAGES: u64 = 20_000;
/// The most records in a batch. The ring has room for fewer.
const BATCH: usize = 11;

fn records_arrive_once_although_futures_are_dropped() {
    on_every_runtime("dropped-records", |name| {
        let ring = RingOptions::new(8)
            .create::<Words<2>>(name)
            .expect("a ring");
        let (producer, consumer) = ends(&ring);
        async move {
            let writer = thread::spawn(move || {
                let mut producer = producer.into_async().expect("an async endpoint");
                block_on(write_records(&mut producer, &mut Dice(1)));
            });
            let mut consumer = consumer.into_async().expect("an async endpoint");
            read_records(&mut consumer, &mut Dice(2)).await;
            writer.join().expect("all is pushed");
            assert_eq!(consumer.pop().await, Err(PopError::Abandoned));
        }
    });
}

fn frames_arrive_once_although_futures_are_dropped() {
    on_every_runtime("dropped-frames", |name| {
        let ring = RingOptions::new(256).create::<[u8]>(name).expect("a ring");
        let (producer, consumer) = ends(&ring);
        async move {
            let writer = thread::spawn(move || {
                let mut producer = producer.into_async().expect("an async endpoint");
                block_on(write_frames(&mut producer, &mut Dice(3)));
            });
            let mut consumer = consumer.into_async().expect("an async endpoint");
            read_frames(&mut consumer, &mut Dice(4)).await;
            writer.join().expect("all is pushed");
            let end = consumer.peek().await.map(drop);
            assert_eq!(end, Err(PopError::Abandoned));
        }
    });
}

/// The result of the future, unless it needs too many polls: then the future is dropped.
async fn patiently<F: Future>(future: F, dice: &mut Dice) -> Option<F::Output> {
    let polls = [0, 1, 2, 20][dice.roll(4)];
    match future::select(pin!(future), pin!(ready_after(polls))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn write_records(producer: &mut AsyncProducer<Words<2>>, dice: &mut Dice) {
    let mut number = 0;
    while number < MESSAGES {
        match dice.roll(6) {
            0 => {
                if let Some(pushed) = patiently(producer.push(record(number)), dice).await {
                    pushed.expect("a reader");
                    number += 1;
                }
            }
            1 => {
                let most = BATCH.min((MESSAGES - number) as usize);
                let batch: Vec<_> = (number..)
                    .take(1 + dice.roll(most as u64))
                    .map(record)
                    .collect();
                if let Some(pushed) = patiently(producer.push_slice(&batch), dice).await {
                    number += pushed.expect("a reader") as u64;
                }
            }
            2 => {
                let is_wanted = dice.roll(2) == 0;
                if let Some(claim) = patiently(producer.claim(), dice).await {
                    let mut claim = claim.expect("a reader");
                    claim.write(record(number));
                    if is_wanted {
                        claim.commit();
                        number += 1;
                    }
                }
            }
            3 => {
                let ready = patiently(producer.ready(), dice).await;
                assert!(!matches!(ready, Some(Err(_))), "{ready:?}");
            }
            4 => {
                let attached = patiently(producer.wait_for_peer(), dice).await;
                assert!(!matches!(attached, Some(Err(_))), "{attached:?}");
            }
            _ => {
                let closed = patiently(producer.closed(), dice).await;
                assert_eq!(closed, None);
            }
        }
    }
}

async fn read_records(consumer: &mut AsyncConsumer<Words<2>>, dice: &mut Dice) {
    let mut number = 0;
    while number < MESSAGES {
        match dice.roll(5) {
            0 => {
                if let Some(popped) = patiently(consumer.pop(), dice).await {
                    assert_eq!(popped, Ok(record(number)));
                    number += 1;
                }
            }
            1 => {
                let mut batch = [record(0); BATCH];
                let batch = &mut batch[..1 + dice.roll(BATCH as u64)];
                if let Some(popped) = patiently(consumer.pop_slice(batch), dice).await {
                    for popped in &batch[..popped.expect("a writer")] {
                        assert_eq!(*popped, record(number));
                        number += 1;
                    }
                }
            }
            2 => {
                let is_wanted = dice.roll(2) == 0;
                if let Some(peeked) = patiently(consumer.peek(), dice).await {
                    let peeked = peeked.expect("a writer");
                    assert_eq!(peeked.read(), record(number));
                    if is_wanted {
                        peeked.release();
                        number += 1;
                    }
                }
            }
            3 => {
                let ready = patiently(consumer.ready(), dice).await;
                assert!(!matches!(ready, Some(Err(_))), "{ready:?}");
            }
            _ => {
                let attached = patiently(consumer.wait_for_peer(), dice).await;
                assert!(!matches!(attached, Some(Err(_))), "{attached:?}");
            }
        }
    }
}

async fn write_frames(producer: &mut AsyncFrameProducer, dice: &mut Dice) {
    let mut number = 0;
    while number < MESSAGES {
        let payload = frame(number);
        let pushed = match dice.roll(6) {
            0 => patiently(producer.push(&payload), dice).await,
            1 => {
                let (front, back) = payload.split_at(payload.len() / 2);
                patiently(producer.push_parts(0, &[front, back]), dice).await
            }
            2 => {
                let is_wanted = dice.roll(2) == 0;
                let claim = patiently(producer.claim(64), dice).await;
                claim
                    .map(|claim| claim.expect("a reader"))
                    .and_then(|mut claim| {
                        claim.write_at(0, &payload);
                        is_wanted.then(|| {
                            claim.commit_first(payload.len());
                            Ok(())
                        })
                    })
            }
            3 => {
                let ready = patiently(producer.ready(64), dice).await;
                assert!(!matches!(ready, Some(Err(_))), "{ready:?}");
                None
            }
            4 => {
                let attached = patiently(producer.wait_for_peer(), dice).await;
                assert!(!matches!(attached, Some(Err(_))), "{attached:?}");
                None
            }
            _ => {
                let closed = patiently(producer.closed(), dice).await;
                assert_eq!(closed, None);
                None
            }
        };
        if let Some(pushed) = pushed {
            pushed.expect("a reader");
            number += 1;
        }
    }
}

async fn read_frames(consumer: &mut AsyncFrameConsumer, dice: &mut Dice) {
    let mut number = 0;
    let mut bytes = Vec::new();
    while number < MESSAGES {
        let expected = frame(number);
        match dice.roll(6) {
            0 => {
                let mut buffer = [0; 64];
                if let Some(popped) = patiently(consumer.pop(&mut buffer), dice).await {
                    let len = popped.expect("a writer").len;
                    assert_eq!(buffer[..len], expected);
                    number += 1;
                }
            }
            1 => {
                if let Some(popped) = patiently(consumer.pop_into(&mut bytes), dice).await {
                    popped.expect("a writer");
                    assert_eq!(bytes, expected);
                    number += 1;
                }
            }
            2 => {
                let is_wanted = dice.roll(2) == 0;
                if let Some(peeked) = patiently(consumer.peek(), dice).await {
                    let peeked = peeked.expect("a writer");
                    assert_eq!(peeked.to_vec(), expected);
                    if is_wanted {
                        peeked.release();
                        number += 1;
                    }
                }
            }
            3 => {
                let most = dice.roll(4);
                if let Some(peeked) = patiently(consumer.peek_many(), dice).await {
                    let mut frames = peeked.expect("a writer");
                    for _ in 0..most {
                        let Some(next) = frames.next_frame().expect("no corruption") else {
                            break;
                        };
                        assert_eq!(next.to_vec(), frame(number));
                        number += 1;
                    }
                    frames.release();
                }
            }
            4 => {
                let ready = patiently(consumer.ready(), dice).await;
                assert!(!matches!(ready, Some(Err(_))), "{ready:?}");
            }
            _ => {
                let attached = patiently(consumer.wait_for_peer(), dice).await;
                assert!(!matches!(attached, Some(Err(_))), "{attached:?}");
            }
        }
    }
}
