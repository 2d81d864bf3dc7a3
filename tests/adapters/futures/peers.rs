//! Waits for the peer itself.

use std::fs;
use std::pin::pin;
use std::task::Poll;

use futures_executor::block_on;
use futures_util::StreamExt;
use quoit::{PeerError, RingOptions, Role};

use super::{Plain, bell, heap_ends, is_pending, poll_once, poll_with};
use crate::common::PATIENCE;
use crate::common::positions::start;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::sleep_state::assert_no_rescues;
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    wait_for_peer_returns_at_once_if_a_peer_is_attached,
    a_wait_for_a_close_is_superseded,
    closed_returns_although_messages_are_unread,
    closed_returns_when_the_peer_is_killed,
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
    let closed = move || (block_on(consumer.closed()), block_on(consumer.next()));
    // The stream ends.
    let superseded = (Err(PeerError::Superseded), None);
    assert_eq!(while_waiting(closed, || ()), superseded);
}

fn closed_returns_although_messages_are_unread() {
    let (ring, name) = named::<u64>("closed", &RingOptions::new(CAPACITY));
    let (mut first, consumer) = ends(&ring);
    let mut consumer = consumer.asynchronous();
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
    assert_no_rescues(&name);
}

fn closed_returns_when_the_peer_is_killed() {
    let (ring, name) = named::<u64>("closed-killed", &RingOptions::new(CAPACITY));
    let mut child = start(Role::Consumer, &name, "0");
    let mut producer = producer(&ring).asynchronous();
    assert!(is_pending(producer.closed()));
    child.kill();
    // The result stays the same.
    let closed = move || [(); 2].map(|()| block_on(producer.closed()));
    assert_eq!(while_waiting(closed, || ()), [Ok(()); 2]);
}
