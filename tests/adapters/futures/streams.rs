//! A hundred thousand messages between an async endpoint here and a plain one in another
//! process, or between two tasks.

use futures_util::{SinkExt, StreamExt, future};
use quoit::{ClaimError, Consumer, FrameConsumer, FrameProducer, PopError, Producer, RingOptions};

use super::{frame, on_every_runtime, record};
use crate::common::child::Child;
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::sample::Words;

crate::common::suite::tests! {
    records_arrive_from_another_process,
    records_are_sent_to_another_process,
    frames_arrive_from_another_process,
    frames_are_sent_to_another_process,
    two_tasks_share_a_thread,
    frames_are_peeked_in_place;
    parts: writer_of_records, reader_of_records, writer_of_frames, reader_of_frames
}

const MESSAGES: u64 = 100_000;
/// So few that both endpoints wait sometimes.
const SLOTS: u64 = 64;
const BYTES: u64 = 1024;

/// Pushes every record.
fn writer_of_records(arguments: &[String]) {
    let producer = Producer::<Words<2>>::open(&arguments[0]);
    let mut producer = producer.expect("the role is free");
    for number in 0..MESSAGES {
        producer.push(record(number)).expect("a reader");
    }
}

/// Pops every record.
fn reader_of_records(arguments: &[String]) {
    let consumer = Consumer::<Words<2>>::open(&arguments[0]);
    let mut consumer = consumer.expect("the role is free");
    for number in 0..MESSAGES {
        assert_eq!(consumer.pop(), Ok(record(number)));
    }
    assert_eq!(consumer.pop(), Err(PopError::Abandoned));
}

/// Pushes every frame.
fn writer_of_frames(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    for number in 0..MESSAGES {
        producer.push(&frame(number)).expect("a reader");
    }
}

/// Pops every frame.
fn reader_of_frames(arguments: &[String]) {
    let mut consumer = FrameConsumer::open(&arguments[0]).expect("the role is free");
    for number in 0..MESSAGES {
        let next = consumer.peek().expect("a frame");
        assert_eq!(next.to_vec(), frame(number));
        next.release();
    }
    let end = consumer.peek();
    assert_eq!(end.map(drop), Err(PopError::Abandoned));
}

fn records_arrive_from_another_process() {
    on_every_runtime("records-in", |name| {
        let ring = RingOptions::new(SLOTS).create::<Words<2>>(name);
        let consumer = ring.and_then(|ring| ring.consumer()).expect("a ring");
        let child = Child::start("writer_of_records", &[name.as_str()]);
        async move {
            let mut stream = consumer.into_async().expect("an async endpoint");
            // By the two calls in turn, which are equivalent.
            for number in 0..MESSAGES / 2 {
                assert_eq!(stream.next().await, Some(Ok(record(2 * number))));
                assert_eq!(stream.pop().await, Ok(record(2 * number + 1)));
            }
            assert_eq!(stream.next().await, None);
            assert_eq!(stream.pop().await, Err(PopError::Abandoned));
            child.succeeds();
        }
    });
}

fn records_are_sent_to_another_process() {
    on_every_runtime("records-out", |name| {
        let ring = RingOptions::new(SLOTS).create::<Words<2>>(name);
        let producer = ring.and_then(|ring| ring.producer()).expect("a ring");
        let child = Child::start("reader_of_records", &[name.as_str()]);
        async move {
            let mut sink = producer.into_async().expect("an async endpoint");
            for number in 0..MESSAGES / 2 {
                sink.send(record(2 * number)).await.expect("a reader");
                sink.push(record(2 * number + 1)).await.expect("a reader");
            }
            sink.close().await.expect("all is in the ring");
            drop(sink);
            child.succeeds();
        }
    });
}

fn frames_arrive_from_another_process() {
    on_every_runtime("frames-in", |name| {
        let ring = RingOptions::new(BYTES).create::<[u8]>(name);
        let consumer = ring.and_then(|ring| ring.consumer()).expect("a ring");
        let child = Child::start("writer_of_frames", &[name.as_str()]);
        async move {
            let mut stream = consumer.into_async().expect("an async endpoint");
            let (mut buffer, mut bytes) = ([0; 64], Vec::new());
            for number in 0..MESSAGES / 2 {
                let next = stream.next().await;
                assert_eq!(next, Some(Ok(frame(2 * number))));
                if number % 2 == 0 {
                    let popped = stream.pop(&mut buffer).await.expect("a frame");
                    assert_eq!(buffer[..popped.len], frame(2 * number + 1));
                } else {
                    assert_eq!(stream.pop_into(&mut bytes).await, Ok(0));
                    assert_eq!(bytes, frame(2 * number + 1));
                }
            }
            assert_eq!(stream.next().await, None);
            assert_eq!(stream.pop(&mut buffer).await, Err(PopError::Abandoned));
            let popped = stream.pop_into(&mut bytes).await;
            assert_eq!(popped, Err(PopError::Abandoned));
            child.succeeds();
        }
    });
}

fn frames_are_sent_to_another_process() {
    on_every_runtime("frames-out", |name| {
        let ring = RingOptions::new(BYTES).create::<[u8]>(name);
        let producer = ring.and_then(|ring| ring.producer()).expect("a ring");
        let child = Child::start("reader_of_frames", &[name.as_str()]);
        async move {
            let mut sink = producer.into_async().expect("an async endpoint");
            for number in 0..MESSAGES / 2 {
                sink.feed(frame(2 * number)).await.expect("a reader");
                sink.push(&frame(2 * number + 1)).await.expect("a reader");
            }
            sink.close().await.expect("all is in the ring");
            drop(sink);
            child.succeeds();
        }
    });
}

fn two_tasks_share_a_thread() {
    on_every_runtime("two-tasks", |name| {
        let (producer, consumer) = pair(name);
        async move {
            let write = async move {
                let mut sink = producer.into_async().expect("an async endpoint");
                for number in 0..MESSAGES {
                    sink.feed(record(number)).await?;
                }
                Ok::<_, ClaimError>(())
            };
            let read = async move {
                let stream = consumer.into_async().expect("an async endpoint");
                stream.map(Result::unwrap).collect::<Vec<_>>().await
            };
            let (written, read) = future::join(write, read).await;
            assert_eq!(written, Ok(()));
            assert!(read.into_iter().eq((0..MESSAGES).map(record)));
        }
    });
}

fn frames_are_peeked_in_place() {
    on_every_runtime("peeked", |name| {
        let ring = RingOptions::new(BYTES).create::<[u8]>(name);
        let ring = ring.expect("a ring");
        let (mut producer, consumer) = ends(&ring);
        async move {
            let mut consumer = consumer.into_async().expect("an async endpoint");
            producer.try_push_kind(7, b"seven").expect("there is room");
            for _ in 0..2 {
                let frame = consumer.peek().await.expect("a frame");
                assert_eq!((frame.to_vec(), frame.kind()), (b"seven".to_vec(), 7));
            } // after a drop it stays in the ring
            consumer.peek().await.expect("a frame").release();
            drop(producer);
            let end = consumer.peek().await.map(drop);
            assert_eq!(end, Err(PopError::Abandoned));
        }
    });
}

fn pair(name: &RingName) -> (Producer<Words<2>>, Consumer<Words<2>>) {
    let ring = RingOptions::new(SLOTS)
        .create::<Words<2>>(name)
        .expect("a ring");
    let producer = ring.producer().expect("the role is free");
    (producer, ring.consumer().expect("the role is free"))
}
