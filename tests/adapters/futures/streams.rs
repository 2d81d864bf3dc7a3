//! A hundred thousand messages between an async endpoint here and a plain one in another
//! process.

use quoit::{PopError, RingOptions};

use super::calls::AsyncCalls;
use super::{Plain, on_every_runtime};
use crate::common::calls::{Wait, pop, push};
use crate::common::child::Child;
use crate::common::rings::{consumer, producer};
use crate::common::sample::Words;

crate::common::suite::tests! {
    records_arrive_from_another_process,
    records_are_sent_to_another_process,
    frames_arrive_from_another_process,
    frames_are_sent_to_another_process;
    parts: peer_of_records, peer_of_frames
}

const MESSAGES: u64 = 100_000;

/// In a child: pushes or pops every message.
fn peer<T: AsyncCalls + ?Sized>(arguments: &[String]) {
    let ring = RingOptions::default().open::<T>(&arguments[0]);
    let ring = ring.expect("the ring");
    if arguments[1] == "writes" {
        let mut producer = producer(&ring);
        return (0..MESSAGES).for_each(|number| {
            push::<T>(&mut producer, &T::numbered(number), Wait::Forever).expect("a reader");
        });
    }
    let mut consumer = consumer(&ring);
    for number in 0..MESSAGES {
        let popped = pop::<T>(&mut consumer, Wait::Forever);
        assert_eq!(popped, Ok(T::numbered(number)));
    }
    let end = pop::<T>(&mut consumer, Wait::Forever);
    assert_eq!(end, Err(PopError::Abandoned));
}

/// By all calls in turn, which are equivalent.
fn arrive<T: AsyncCalls + ?Sized>(peer: &str) {
    on_every_runtime::<T, _>(peer, 4 * T::CAPACITY, |ring, name| {
        let child = Child::start(peer, &[name.as_str(), "writes"]);
        let consumer = consumer(&ring);
        drop(ring);
        async move {
            let mut stream = consumer.asynchronous();
            let (mut number, mut calls) = (0, T::RECEIVES.iter().cycle());
            while number < MESSAGES {
                let mut take = |message| {
                    assert_eq!(message, T::numbered(number));
                    number += 1;
                };
                let receive = calls.next().expect("endless");
                let received = receive(&mut stream, 3, 0, &mut take).await;
                received.expect("a message");
            }
            for receive in T::RECEIVES {
                let end = receive(&mut stream, 3, 0, &mut |_| panic!("one too many")).await;
                assert_eq!(end, Err(PopError::Abandoned));
            }
            child.succeeds();
        }
    });
}

fn are_sent<T: AsyncCalls + ?Sized>(peer: &str) {
    on_every_runtime::<T, _>(peer, 4 * T::CAPACITY, |ring, name| {
        let child = Child::start(peer, &[name.as_str(), "reads"]);
        let producer = producer(&ring);
        drop(ring);
        async move {
            let mut sink = producer.asynchronous();
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

fn peer_of_records(arguments: &[String]) {
    peer::<Words<2>>(arguments);
}

fn peer_of_frames(arguments: &[String]) {
    peer::<[u8]>(arguments);
}

fn records_arrive_from_another_process() {
    arrive::<Words<2>>("peer_of_records");
}

fn records_are_sent_to_another_process() {
    are_sent::<Words<2>>("peer_of_records");
}

fn frames_arrive_from_another_process() {
    arrive::<[u8]>("peer_of_frames");
}

fn frames_are_sent_to_another_process() {
    are_sent::<[u8]>("peer_of_frames");
}
