//! The peer closes, crashes, never attaches, or writes invalid values.

use std::fs;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use futures_util::{StreamExt, future};
use quoit::{ClaimError, PopError, PushError, RingOptions, Role};

use super::calls::AsyncCalls;
use super::{frame, in_time, on_every_runtime, poll_once};
use crate::common::calls::fill;
use crate::common::child::Child;
use crate::common::fork::{done, ending, fork};
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::rings::{ends, named};
use crate::common::sample::Words;
use crate::common::segment_file::{SegmentFile, TAIL};

crate::common::suite::tests! {
    a_stream_ends_when_the_producer_closes_and_continues_with_the_next,
    a_push_ends_when_the_consumer_closes,
    a_stream_ends_when_the_producer_is_killed,
    a_push_ends_when_the_consumer_is_killed,
    an_endpoint_without_a_peer_is_superseded,
    a_consumer_waits_for_its_first_producer,
    corruption_ends_a_stream_after_one_error,
    a_child_of_fork_may_drop_inherited_endpoints;
    parts: parent_of_many
}

const CAPACITY: u64 = 64;

fn a_stream_ends_when_the_producer_closes_and_continues_with_the_next() {
    on_every_runtime("left", |name| {
        let ring = RingOptions::new(CAPACITY).create::<[u8]>(name);
        let ring = ring.expect("a ring");
        let consumer = ring.consumer().expect("the role is free");
        async move {
            let mut stream = consumer.into_async().expect("an async endpoint");
            for number in 0..100 {
                let mut producer = ring.producer().expect("the role is free");
                let writer = thread::spawn(move || producer.push(&frame(number % 24)));
                assert_eq!(stream.next().await, Some(Ok(frame(number % 24))));
                assert_eq!(stream.next().await, None);
                writer.join().expect("no panic").expect("there is room");
            }
        }
    });
}

/// A call that waits for room, and one after the close.
fn sends_end<T: AsyncCalls + ?Sized>() {
    for send in [T::SENDS, &T::WAITS[..1]].concat() {
        on_every_runtime("reader-left", |name| {
            let ring = RingOptions::new(T::CAPACITY).create::<T>(name);
            let (mut producer, consumer) = ends(&ring.expect("a ring"));
            let there = fill::<T>(&mut producer);
            async move {
                let (mut sink, messages) = (T::sink(producer), [T::message(there)]);
                assert!(poll_once(pin!(send(&mut sink, &messages, 0))).is_pending());
                let sent = send(&mut sink, &messages, 0);
                let (sent, ()) = future::join(sent, async { drop(consumer) }).await;
                assert_eq!(sent, Err(ClaimError::Abandoned));
                let sent = send(&mut sink, &messages, 0).await;
                assert_eq!(sent, Err(ClaimError::Abandoned));
            }
        });
    }
}

fn a_push_ends_when_the_consumer_closes() {
    sends_end::<Words<2>>();
    sends_end::<[u8]>();
}

/// Sleeps, without a peer that ever attached, when the ring loses its name.
fn an_endpoint_without_a_peer_is_superseded() {
    let name = RingName::new("superseded");
    let options = RingOptions::new(1);
    let ring = options.create::<u64>(&name).expect("a ring");
    let consumer = ring.consumer().expect("the role is free");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    let second = RingName::new("superseded-too");
    let ring = options.create::<u64>(&second).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    let mut producer = producer.into_async().expect("an async endpoint");
    let task = async move {
        producer.push(0).await.expect("there is room");
        assert!(poll_once(pin!(consumer.pop())).is_pending());
        assert!(poll_once(pin!(producer.push(1))).is_pending());
        for name in [&name, &second] {
            fs::remove_file(name.file()).expect("the name exists");
        }
        assert_eq!(consumer.pop().await, Err(PopError::Superseded));
        assert_eq!(producer.push(1).await, Err(PushError::Superseded(1)));
        assert_eq!(consumer.next().await, None, "and the stream ends");
    };
    in_time(|| block_on(task));
}

fn a_stream_ends_when_the_producer_is_killed() {
    on_every_runtime("killed", |name| {
        let ring = RingOptions::new(CAPACITY).create::<u64>(name);
        let ring = ring.expect("a ring");
        let consumer = ring.consumer().expect("the role is free");
        let mut child = start(Role::Producer, name, "5");
        async move {
            let mut stream = consumer.into_async().expect("an async endpoint");
            for number in 0..4 {
                assert_eq!(stream.next().await, Some(Ok(number)));
            }
            child.kill();
            // Its remaining messages come first.
            assert_eq!(stream.next().await, Some(Ok(4)));
            assert_eq!(stream.next().await, None);
            assert_eq!(stream.pop().await, Err(PopError::Abandoned));
            // Another producer may attach.
            let mut producer = ring.producer().expect("the role is free");
            producer.push(5).expect("there is room");
            assert_eq!(stream.next().await, Some(Ok(5)));
        }
    });
}

fn a_push_ends_when_the_consumer_is_killed() {
    on_every_runtime("reader-killed", |name| {
        let ring = RingOptions::new(1).create::<u64>(name).expect("a ring");
        let producer = ring.producer().expect("the role is free");
        let mut child = start(Role::Consumer, name, "0");
        async move {
            let mut producer = producer.into_async().expect("an async endpoint");
            producer.push(0).await.expect("there is room");
            assert!(poll_once(pin!(producer.push(1))).is_pending());
            child.kill();
            assert_eq!(producer.push(1).await, Err(PushError::Abandoned(1)));
            let mut consumer = ring.consumer().expect("the role is free");
            assert_eq!(consumer.try_pop(), Ok(0));
            assert_eq!(producer.push(1).await, Ok(()));
        }
    });
}

fn a_consumer_waits_for_its_first_producer() {
    on_every_runtime("late", |name| {
        let ring = RingOptions::new(CAPACITY).create::<u64>(name);
        let ring = ring.expect("a ring");
        let consumer = ring.consumer().expect("the role is free");
        async move {
            let mut consumer = consumer.into_async().expect("an async endpoint");
            assert!(poll_once(pin!(consumer.pop())).is_pending());
            let writer = thread::spawn(move || {
                let mut producer = ring.producer().expect("the role is free");
                producer.push(1).expect("there is room");
            });
            assert_eq!(consumer.pop().await, Ok(1));
            writer.join().expect("no panic");
        }
    });
}

fn corruption_ends_a_stream_after_one_error() {
    let (ring, name) = named::<u64>("corrupt", &RingOptions::new(CAPACITY));
    let (mut producer, consumer) = ends(&ring);
    let mut stream = consumer.into_async().expect("an async endpoint");
    assert!(poll_once(pin!(stream.next())).is_pending());
    producer.try_push(1).expect("there is room");
    SegmentFile::open(&name.file()).write(TAIL, u64::MAX);
    in_time(move || {
        futures_executor::block_on(async {
            assert_eq!(stream.get_ref().corruption(), None);
            assert_eq!(stream.next().await, Some(Err(PopError::Corrupt)));
            assert_eq!(stream.next().await, None);
            assert_eq!(stream.pop().await, Err(PopError::Corrupt));
            let corrupt = stream.get_ref().corruption().expect("it is corrupt");
            assert_eq!((corrupt.field, corrupt.found), ("tail", u64::MAX));
        });
    });
}

fn a_child_of_fork_may_drop_inherited_endpoints() {
    let name = RingName::new("parent-of-many");
    Child::start("parent_of_many", &[name.as_str()]).succeeds();
}

/// Forks many times while the reactor is busy and its table may be locked.
fn parent_of_many(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create::<u64>(&arguments[0]).expect("a ring");
    let shared = ring.consumer().expect("the role is free");
    let mut shared = shared.into_async().expect("an async endpoint");
    assert!(poll_once(pin!(shared.pop())).is_pending());
    let (_sender, local) = options.heap::<u64>().expect("a ring");
    let mut local = local.into_async().expect("an async endpoint");
    assert!(poll_once(pin!(local.pop())).is_pending());
    let (mut busy_in, busy) = options.heap::<u64>().expect("a ring");
    let mut busy = busy.into_async().expect("an async endpoint");
    let reader = thread::spawn(move || block_on(async { while busy.next().await.is_some() {} }));
    for _ in 0..200 {
        for number in 0..20 {
            busy_in.push(number).expect("the reader runs");
        }
        let Some(child) = fork() else {
            assert_eq!(
                poll_once(pin!(shared.pop())),
                Poll::Ready(Err(PopError::Abandoned))
            );
            // On the heap the producer still exists, and waiting for it is an error.
            assert_eq!(
                poll_once(pin!(local.pop())),
                Poll::Ready(Err(PopError::ReactorDied))
            );
            drop((shared, local));
            done();
        };
        assert_eq!(ending(child), 0);
    }
    drop(busy_in);
    reader.join().expect("no panic");
    assert!(poll_once(pin!(shared.pop())).is_pending());
}
