//! The peer attaches and closes, the process forks, and an endpoint becomes a plain one again.

use std::fmt::Debug;
use std::fs;
use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use futures_util::StreamExt;
use futures_util::stream::FusedStream;
use quoit::{ClaimError, PeerError, PopError, RingOptions, Role};

use super::calls::AsyncCalls;
use super::{Plain, Stream, async_pair, bell, heap_out, is_pending, poll_once, poll_with};
use crate::common::PATIENCE;
use crate::common::allocations::allocated;
use crate::common::calls::{Wait, fill, push};
use crate::common::fork::in_a_child;
use crate::common::positions::start;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::sample::Words;
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    a_stream_ends_when_the_producer_closes_and_continues_with_the_next,
    a_push_ends_when_the_consumer_closes,
    a_child_of_fork_may_drop_inherited_endpoints,
    a_plain_endpoint_continues_where_the_async_one_stopped,
    a_wait_for_a_close_is_superseded,
    closed_returns_although_messages_are_unread,
    closed_returns_when_the_peer_is_killed,
}

const CAPACITY: u64 = 64;
const HERE: Poll<Result<(), PeerError>> = Poll::Ready(Ok(()));
const SUPERSEDED: Poll<Result<(), PeerError>> = Poll::Ready(Err(PeerError::Superseded));

/// It is terminated until the next producer attaches, or forever if the ring is corrupt.
fn stream_ends<T, I>(item: fn(T::Message) -> I)
where
    T: AsyncCalls + ?Sized,
    Stream<T>: FusedStream<Item = Result<I, PopError>> + Unpin,
    I: Debug + PartialEq,
{
    let (ring, name) = named::<T>("left", &RingOptions::new(CAPACITY));
    let mut stream = consumer(&ring).asynchronous();
    assert!(is_pending(stream.next()), "none has attached yet");
    for number in 0..3 {
        let mut producer = producer(&ring);
        assert!(!stream.is_terminated());
        push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
        drop(producer);
        let next = poll_once(stream.next());
        assert_eq!(next, Poll::Ready(Some(Ok(item(T::message(number))))));
        assert!(!stream.is_terminated(), "it has not reported it yet");
        for _ in 0..2 {
            assert_eq!(poll_once(stream.next()), Poll::Ready(None));
            assert!(stream.is_terminated());
        }
    }
    // A corrupt ring is one error, and the end.
    let file = SegmentFile::open(&name.file());
    let tail = file.read(TAIL);
    file.write(TAIL, tail + 2 * CAPACITY);
    assert_eq!(
        poll_once(stream.next()),
        Poll::Ready(Some(Err(PopError::Corrupt)))
    );
    assert_eq!(futures_util::Stream::size_hint(&stream).0, 0);
    assert_eq!(poll_once(stream.next()), Poll::Ready(None));
    file.write(TAIL, tail);
    let _successor = producer(&ring);
    assert!(stream.is_terminated());
}

fn a_stream_ends_when_the_producer_closes_and_continues_with_the_next() {
    stream_ends::<Words<2>, _>(|record| record);
    stream_ends::<[u8], _>(|(_, payload)| payload);
}

/// A call that waits for room, and one after the close.
fn sends_end<T: AsyncCalls + ?Sized>() {
    for send in [T::SENDS, &T::WAITS[..1]].concat() {
        let (ring, _name) = named::<T>("reader-left", &RingOptions::new(T::CAPACITY));
        let (mut producer, consumer) = ends(&ring);
        let messages = [T::message(fill::<T>(&mut producer))];
        let mut sink = producer.asynchronous();
        assert!(is_pending(send(&mut sink, &messages, 0)));
        drop(consumer);
        for _ in 0..2 {
            let sent = poll_once(send(&mut sink, &messages, 0));
            assert_eq!(sent, Poll::Ready(Err(ClaimError::Abandoned)));
        }
    }
}

fn a_push_ends_when_the_consumer_closes() {
    sends_end::<Words<2>>();
    sends_end::<[u8]>();
}

/// Forks many times while the reactor is busy and its table may be locked.
fn a_child_of_fork_may_drop_inherited_endpoints() {
    let (ring, _name) = named::<u64>("forks", &RingOptions::new(CAPACITY));
    let mut shared = Some(consumer(&ring).asynchronous());
    let (_sender, local) = heap_out::<u64>(CAPACITY);
    let mut local = Some(local);
    for end in [&mut shared, &mut local] {
        assert!(is_pending(end.as_mut().expect("it lives").pop()));
    }
    let without = ["a", "b"].map(|name| named::<u64>(name, &RingOptions::new(CAPACITY)));
    let [mut first, mut second] = without
        .each_ref()
        .map(|alone| consumer(&alone.0).asynchronous());
    let (mut attached, mut closed) = (pin!(first.wait_for_peer()), pin!(second.closed()));
    let before = allocated();
    assert!(is_pending(attached.as_mut()) && is_pending(closed.as_mut()));
    assert_eq!(allocated(), before, "the thread runs");
    let (mut busy_in, mut busy) = heap_out::<u64>(CAPACITY);
    let reader = thread::spawn(move || block_on(async { while busy.next().await.is_some() {} }));
    for _ in 0..200 {
        (0..20).for_each(|number| busy_in.push(number).expect("the reader runs"));
        in_a_child(|| {
            // On the heap the producer still exists, and waiting for it is an error.
            for (end, error) in [
                (&mut shared, PopError::Abandoned),
                (&mut local, PopError::ReactorDied),
            ] {
                let mut end = end.take().expect("it lives");
                assert_eq!(poll_once(end.pop()), Poll::Ready(Err(error)));
            }
            assert_eq!(poll_once(attached.as_mut()), SUPERSEDED);
            assert_eq!(poll_once(closed.as_mut()), SUPERSEDED);
        });
    }
    drop(busy_in);
    reader.join().expect("no panic");
    assert!(is_pending(shared.expect("the child's was a copy").pop()));
}

/// Its word is AWAKE, so that its peer needs no wake.
fn a_plain_endpoint_continues_where_the_async_one_stopped() {
    let (ring, name) = named::<u64>("plain-again", &RingOptions::new(1));
    let (mut producer, mut consumer) = async_pair(&ring);
    let page = SleepPage::open(&name.file());
    assert!(is_pending(consumer.pop()) && page.consumer_is_parked());
    let mut consumer = consumer.into_inner();
    assert!(!page.consumer_is_parked());
    assert_eq!(poll_once(producer.push(1)), Poll::Ready(Ok(())));
    assert!(is_pending(producer.push(2)) && page.producer_is_parked());
    assert_eq!((consumer.pop(), producer.get_ref().len()), (Ok(1), 0));
    assert_eq!(poll_once(producer.push(2)), Poll::Ready(Ok(())));
    assert!(is_pending(producer.push(4711)) && page.producer_is_parked());
    let mut producer = producer.into_inner();
    assert!(!page.producer_is_parked());
    assert_eq!((consumer.pop(), producer.push(4711)), (Ok(2), Ok(())));
    let consumer = consumer.asynchronous();
    let shown = format!("{consumer:?}");
    assert!(
        shown.contains("len: 1") && !shown.contains("4711"),
        "{shown}"
    );
    assert_eq!(futures_util::Stream::size_hint(&consumer), (1, None));
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
