//! A hundred thousand messages between an async endpoint here and a plain one in another
//! process, or between two tasks.

use futures_util::{SinkExt, StreamExt, future};
use quoit::{ClaimError, PopError, RingOptions};

use super::calls::AsyncCalls;
use super::on_every_runtime;
use crate::common::calls::{Wait, pop, push};
use crate::common::child::Child;
use crate::common::rings::ends;
use crate::common::sample::Words;

crate::common::suite::tests! {
    records_arrive_from_another_process,
    records_are_sent_to_another_process,
    frames_arrive_from_another_process,
    frames_are_sent_to_another_process,
    two_tasks_share_a_thread;
    parts: writer_of_records, reader_of_records, writer_of_frames, reader_of_frames
}

const MESSAGES: u64 = 100_000;

/// In a child: pushes every message.
fn write<T: AsyncCalls + ?Sized>(arguments: &[String]) {
    let ring = RingOptions::default().open::<T>(&arguments[0]);
    let mut producer = ring
        .expect("the ring")
        .producer()
        .expect("the role is free");
    for number in 0..MESSAGES {
        push::<T>(&mut producer, &T::numbered(number), Wait::Forever).expect("a reader");
    }
}

/// In a child: pops every message.
fn read<T: AsyncCalls + ?Sized>(arguments: &[String]) {
    let ring = RingOptions::default().open::<T>(&arguments[0]);
    let mut consumer = ring
        .expect("the ring")
        .consumer()
        .expect("the role is free");
    for number in 0..MESSAGES {
        assert_eq!(
            pop::<T>(&mut consumer, Wait::Forever),
            Ok(T::numbered(number))
        );
    }
    assert_eq!(
        pop::<T>(&mut consumer, Wait::Forever),
        Err(PopError::Abandoned)
    );
}

/// By all calls in turn, which are equivalent.
fn arrive<T: AsyncCalls + ?Sized>(writer: &str) {
    on_every_runtime(writer, |name| {
        let ring = RingOptions::new(4 * T::CAPACITY).create::<T>(name);
        let consumer = ring.and_then(|ring| ring.consumer()).expect("a ring");
        let child = Child::start(writer, &[name.as_str()]);
        async move {
            let mut stream = T::stream(consumer);
            let (mut number, mut calls) = (0, T::RECEIVES.iter().cycle());
            while number < MESSAGES {
                let mut take = |message| {
                    assert_eq!(message, T::numbered(number));
                    number += 1;
                };
                let receive = calls.next().expect("endless");
                receive(&mut stream, 3, 0, &mut take)
                    .await
                    .expect("a message");
            }
            for receive in T::RECEIVES {
                let end = receive(&mut stream, 3, 0, &mut |_| panic!("one too many")).await;
                assert_eq!(end, Err(PopError::Abandoned));
            }
            child.succeeds();
        }
    });
}

fn are_sent<T: AsyncCalls + ?Sized>(reader: &str) {
    on_every_runtime(reader, |name| {
        let ring = RingOptions::new(4 * T::CAPACITY).create::<T>(name);
        let producer = ring.and_then(|ring| ring.producer()).expect("a ring");
        let child = Child::start(reader, &[name.as_str()]);
        async move {
            let mut sink = T::sink(producer);
            let (mut number, calls) = (0, [T::SENDS, T::SINKS].concat());
            for send in calls.iter().cycle() {
                let most = (MESSAGES - number).min(3);
                let messages: Vec<_> = (number..number + most).map(T::numbered).collect();
                if most == 0 {
                    break;
                }
                number += send(&mut sink, &messages, 0).await.expect("a reader") as u64;
            }
            let flushed = T::WAITS[2](&mut sink, &[], 0).await;
            assert_eq!(flushed, Ok(0), "all is in the ring");
            drop(sink);
            child.succeeds();
        }
    });
}

fn writer_of_records(arguments: &[String]) {
    write::<Words<2>>(arguments);
}

fn reader_of_records(arguments: &[String]) {
    read::<Words<2>>(arguments);
}

fn writer_of_frames(arguments: &[String]) {
    write::<[u8]>(arguments);
}

fn reader_of_frames(arguments: &[String]) {
    read::<[u8]>(arguments);
}

fn records_arrive_from_another_process() {
    arrive::<Words<2>>("writer_of_records");
}

fn records_are_sent_to_another_process() {
    are_sent::<Words<2>>("reader_of_records");
}

fn frames_arrive_from_another_process() {
    arrive::<[u8]>("writer_of_frames");
}

fn frames_are_sent_to_another_process() {
    are_sent::<[u8]>("reader_of_frames");
}

fn two_tasks_share_a_thread() {
    on_every_runtime("two-tasks", |name| {
        let ring = RingOptions::new(64).create::<Words<2>>(name);
        let (producer, consumer) = ends(&ring.expect("a ring"));
        async move {
            let write = async move {
                let mut sink = producer.into_async().expect("an async endpoint");
                for number in 0..MESSAGES {
                    sink.feed(<Words<2>>::numbered(number)).await?;
                }
                Ok::<_, ClaimError>(())
            };
            let read = async move {
                let stream = consumer.into_async().expect("an async endpoint");
                stream.map(Result::unwrap).collect::<Vec<_>>().await
            };
            let (written, read) = future::join(write, read).await;
            assert_eq!(written, Ok(()));
            assert!(read.into_iter().eq((0..MESSAGES).map(<Words<2>>::numbered)));
        }
    });
}
