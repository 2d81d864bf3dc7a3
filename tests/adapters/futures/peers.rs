//! Waits for the peer itself.

use std::fs;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use quoit::{PeerError, PopError, Ring, RingOptions, Role};

use super::reactor::{bell, poll_with};
use super::{assert_no_rescues, in_time, on_every_runtime, poll_once};
use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::rings::ends;

crate::common::suite::tests! {
    wait_for_peer_ends_when_a_peer_attaches,
    wait_for_peer_returns_at_once_if_a_peer_is_attached,
    a_wait_without_a_peer_is_superseded,
    closed_returns_although_messages_are_unread,
    closed_returns_when_the_peer_is_killed,
    a_dropped_wait_for_a_peer_changes_nothing,
}

const HERE: Poll<Result<(), PeerError>> = Poll::Ready(Ok(()));
const SUPERSEDED: Poll<Result<(), PeerError>> = Poll::Ready(Err(PeerError::Superseded));

fn ring(name: &RingName) -> Ring<u64> {
    RingOptions::new(8).create(name).expect("a ring")
}

fn wait_for_peer_ends_when_a_peer_attaches() {
    on_every_runtime("attaches", |name| {
        let ring = ring(name);
        let consumer = ring.consumer().expect("the role is free");
        async move {
            let mut consumer = consumer.into_async().expect("an async endpoint");
            assert!(poll_once(pin!(consumer.wait_for_peer())).is_pending());
            let other = ring.clone();
            let starts = thread::spawn(move || other.producer().expect("the role is free"));
            assert_eq!(consumer.wait_for_peer().await, Ok(()));
            let producer = starts.join().expect("no panic");
            let mut producer = producer.into_async().expect("an async endpoint");
            assert_eq!(producer.wait_for_peer().await, Ok(()));
            drop(consumer);
            let mut wait = pin!(producer.wait_for_peer());
            assert!(poll_once(wait.as_mut()).is_pending());
            let starts = thread::spawn(move || ring.consumer().map(drop));
            // Also if it has closed again.
            assert_eq!(wait.await, Ok(()));
            starts.join().expect("no panic").expect("the role is free");
        }
    });
}

fn wait_for_peer_returns_at_once_if_a_peer_is_attached() {
    let (producer, consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut producer = producer.into_async().expect("an async endpoint");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    assert_eq!(poll_once(pin!(producer.wait_for_peer())), HERE);
    assert_eq!(poll_once(pin!(consumer.wait_for_peer())), HERE);
    assert!(poll_once(pin!(producer.closed())).is_pending());
    assert_eq!(producer.try_push(b"seven"), Ok(()));
    drop(producer);
    // Unread messages end a consumer's wait for a message, and not its wait for a close.
    assert_eq!(poll_once(pin!(consumer.wait_for_peer())), HERE);
    assert_eq!(poll_once(pin!(consumer.closed())), HERE);
    assert_eq!(
        consumer.try_pop(&mut [0; 8]).map(|popped| popped.len),
        Ok(5)
    );
    // On the heap no peer attaches.
    assert_eq!(poll_once(pin!(consumer.wait_for_peer())), SUPERSEDED);
    assert_eq!(poll_once(pin!(consumer.closed())), HERE);
}

/// The name is removed while the endpoint waits for its first peer, or for another one.
fn a_wait_without_a_peer_is_superseded() {
    for had_a_peer in [false, true] {
        let name = RingName::new("no-peer");
        let ring = ring(&name);
        let mut consumer = ring.consumer().expect("the role is free");
        if had_a_peer {
            drop(ring.producer().expect("the role is free"));
            assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
        }
        let mut consumer = consumer.into_async().expect("an async endpoint");
        let is_gone = poll_once(pin!(consumer.closed()));
        assert_eq!(is_gone, if had_a_peer { HERE } else { Poll::Pending });
        assert!(poll_once(pin!(consumer.wait_for_peer())).is_pending());
        fs::remove_file(name.file()).expect("the name exists");
        in_time(move || {
            let nobody = Err(PeerError::Superseded);
            assert_eq!(block_on(consumer.wait_for_peer()), nobody);
            let closed = if had_a_peer { Ok(()) } else { nobody };
            assert_eq!(block_on(consumer.closed()), closed);
        });
    }
}

fn closed_returns_although_messages_are_unread() {
    let name = RingName::new("closed");
    let ring = ring(&name);
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.into_async().expect("an async endpoint");
    {
        let mut closed = pin!(consumer.closed());
        for number in 0..8 {
            let (waker, wakes) = bell();
            assert!(poll_with(&waker, closed.as_mut()).is_pending());
            producer.try_push(number).expect("there is room");
            // A message wakes the task, which continues to sleep.
            assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        }
        assert!(poll_once(closed.as_mut()).is_pending());
        // A restarted peer does not hide the close.
        drop(producer);
        let _successor = ring.producer().expect("the role is free");
        assert_eq!(poll_once(closed), HERE);
    }
    in_time(move || assert_eq!(block_on(consumer.closed()), Ok(())));
    assert_no_rescues(&name);
}

fn closed_returns_when_the_peer_is_killed() {
    on_every_runtime("closed-killed", |name| {
        let ring = ring(name);
        let producer = ring.producer().expect("the role is free");
        let mut child = start(Role::Consumer, name, "0");
        async move {
            let mut producer = producer.into_async().expect("an async endpoint");
            assert_eq!(producer.wait_for_peer().await, Ok(()));
            assert!(poll_once(pin!(producer.closed())).is_pending());
            child.kill();
            assert_eq!(producer.closed().await, Ok(()));
            assert_eq!(producer.closed().await, Ok(()), "the result stays the same");
            assert!(poll_once(pin!(producer.wait_for_peer())).is_pending());
            let _consumer = ring.consumer().expect("the role is free");
            assert_eq!(producer.wait_for_peer().await, Ok(()));
            assert!(poll_once(pin!(producer.closed())).is_pending());
        }
    });
}

/// Drops each future; the next one waits for something else.
fn a_dropped_wait_for_a_peer_changes_nothing() {
    on_every_runtime("peer-dropped", |name| {
        let ring = ring(name);
        let consumer = ring.consumer().expect("the role is free");
        async move {
            let mut consumer = consumer.into_async().expect("an async endpoint");
            for number in 0..200 {
                assert!(poll_once(pin!(consumer.pop())).is_pending() || number > 0);
                assert!(poll_once(pin!(consumer.wait_for_peer())).is_pending());
                assert!(poll_once(pin!(consumer.ready())).is_pending() || number > 0);
                let other = ring.clone();
                let writer = thread::spawn(move || {
                    let mut producer = other.producer().expect("the role is free");
                    producer.push(number).expect("there is room");
                });
                assert_eq!(consumer.wait_for_peer().await, Ok(()));
                writer.join().expect("no panic");
                assert_eq!(consumer.closed().await, Ok(()));
                assert_eq!(consumer.pop().await, Ok(number));
                assert_eq!(consumer.pop().await, Err(PopError::Abandoned));
            }
        }
    });
}
