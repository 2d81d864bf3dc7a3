//! Waits for the peer itself, and for work without a message.

use std::fs;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use futures_util::StreamExt;
use quoit::{PeerError, PopError, Ring, RingOptions, Role};

use super::{Plain, bell, heap_ends, in_time, is_pending, on_every_runtime, poll_once, poll_with};
use crate::common::PATIENCE;
use crate::common::positions::start;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::sleep_state::assert_no_rescues;

crate::common::suite::tests! {
    wait_for_peer_returns_at_once_if_a_peer_is_attached,
    a_wait_for_a_close_is_superseded,
    closed_returns_although_messages_are_unread,
    closed_returns_when_the_peer_is_killed,
    a_dropped_wait_for_a_peer_changes_nothing,
    waiting_for_readiness_takes_no_message,
}

const CAPACITY: u64 = 8;
const HERE: Poll<Result<(), PeerError>> = Poll::Ready(Ok(()));
const SUPERSEDED: Poll<Result<(), PeerError>> = Poll::Ready(Err(PeerError::Superseded));

fn wait_for_peer_returns_at_once_if_a_peer_is_attached() {
    let (mut producer, mut consumer) = heap_ends::<[u8]>(64);
    assert_eq!(poll_once(producer.wait_for_peer()), HERE);
    assert_eq!(poll_once(consumer.wait_for_peer()), HERE);
    assert!(is_pending(producer.closed()));
    assert_eq!(producer.try_push(b"seven"), Ok(()));
    drop(producer);
    // Unread messages end a consumer's wait for a message, and not its wait for a close.
    assert_eq!(poll_once(consumer.wait_for_peer()), HERE);
    assert_eq!(poll_once(consumer.closed()), HERE);
    consumer.try_pop(&mut [0; 8]).expect("a frame");
    // On the heap no peer attaches.
    assert_eq!(poll_once(consumer.wait_for_peer()), SUPERSEDED);
    assert_eq!(poll_once(consumer.closed()), HERE);
}

/// A peer that can never attach never closes.
fn a_wait_for_a_close_is_superseded() {
    let (ring, name) = named::<u64>("no-peer", &RingOptions::new(CAPACITY));
    let mut consumer = consumer(&ring).asynchronous();
    assert!(is_pending(consumer.closed()));
    fs::remove_file(name.file()).expect("the name exists");
    in_time(move || {
        let closed = block_on(consumer.closed());
        assert_eq!(closed, Err(PeerError::Superseded));
        assert_eq!(block_on(consumer.next()), None, "the stream ends");
    });
}

fn closed_returns_although_messages_are_unread() {
    let (ring, name) = named::<u64>("closed", &RingOptions::new(CAPACITY));
    let (mut first, consumer) = ends(&ring);
    let mut consumer = consumer.asynchronous();
    {
        let mut closed = pin!(consumer.closed());
        for number in 0..CAPACITY {
            let (waker, wakes) = bell();
            assert!(poll_with(&waker, closed.as_mut()).is_pending());
            first.try_push(number).expect("there is room");
            // A message wakes the task, which continues to sleep.
            assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        }
        assert!(is_pending(closed.as_mut()));
        // A restarted peer does not hide the close.
        drop(first);
        let _successor = producer(&ring);
        assert_eq!(poll_once(closed), HERE);
    }
    in_time(move || assert_eq!(block_on(consumer.closed()), Ok(())));
    assert_no_rescues(&name);
}

fn closed_returns_when_the_peer_is_killed() {
    on_every_runtime("closed-killed", CAPACITY, |ring: Ring<u64>, name| {
        let mut child = start(Role::Consumer, name, "0");
        async move {
            let mut producer = producer(&ring).asynchronous();
            assert_eq!(producer.wait_for_peer().await, Ok(()));
            assert!(is_pending(producer.closed()));
            child.kill();
            assert_eq!(producer.closed().await, Ok(()));
            assert_eq!(producer.closed().await, Ok(()), "the result stays the same");
            assert!(is_pending(producer.wait_for_peer()));
            let _successor = consumer(&ring);
            assert_eq!(producer.wait_for_peer().await, Ok(()));
            assert!(is_pending(producer.closed()));
        }
    });
}

/// Drops each future; the next one waits for something else.
fn a_dropped_wait_for_a_peer_changes_nothing() {
    on_every_runtime("peer-dropped", CAPACITY, |ring: Ring<u64>, _| async move {
        let mut consumer = consumer(&ring).asynchronous();
        for number in 0..200 {
            assert!(is_pending(consumer.pop()) || number > 0);
            assert!(is_pending(consumer.wait_for_peer()));
            assert!(is_pending(consumer.ready()) || number > 0);
            let other = ring.clone();
            let push = move || producer(&other).push(number).expect("there is room");
            let writer = thread::spawn(push);
            assert_eq!(consumer.wait_for_peer().await, Ok(()));
            writer.join().expect("no panic");
            assert_eq!(consumer.closed().await, Ok(()));
            assert_eq!(consumer.pop().await, Ok(number));
            assert_eq!(consumer.pop().await, Err(PopError::Abandoned));
        }
    });
}

fn waiting_for_readiness_takes_no_message() {
    let (mut producer, mut consumer) = heap_ends::<u64>(1);
    for number in 0..100 {
        assert!(is_pending(consumer.ready()));
        for _ in 0..2 {
            assert_eq!(poll_once(producer.ready()), Poll::Ready(Ok(())));
        }
        producer.try_push(number).expect("it was ready");
        assert!(is_pending(producer.ready()));
        for _ in 0..2 {
            assert_eq!(poll_once(consumer.ready()), Poll::Ready(Ok(())));
        }
        assert_eq!(consumer.try_pop(), Ok(number));
    }
}
