//! The peer closes, crashes, never attaches, or writes invalid values.

use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use futures_util::stream::FusedStream;
use futures_util::{StreamExt, future};
use quoit::{ClaimError, PopError, Ring, RingOptions};

use super::calls::AsyncCalls;
use super::{Plain, async_pair, heap_out, in_time, is_pending, on_every_runtime, poll_once};
use crate::common::calls::fill;
use crate::common::fork::in_a_child;
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::sample::Words;
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};

crate::common::suite::tests! {
    a_stream_ends_when_the_producer_closes_and_continues_with_the_next,
    a_push_ends_when_the_consumer_closes,
    corruption_ends_a_stream_after_one_error,
    a_child_of_fork_may_drop_inherited_endpoints,
    a_plain_endpoint_continues_where_the_async_one_stopped,
}

const CAPACITY: u64 = 64;

/// It is terminated until the next producer attaches.
fn a_stream_ends_when_the_producer_closes_and_continues_with_the_next() {
    on_every_runtime("left", CAPACITY, |ring: Ring<u64>, _| async move {
        let mut stream = consumer(&ring).asynchronous();
        assert!(is_pending(stream.next()), "none has attached yet");
        for number in 0..100 {
            let mut producer = producer(&ring);
            assert!(!stream.is_terminated());
            let writer = thread::spawn(move || {
                producer.push_all(&[number, 7]).expect("there is room");
            });
            assert_eq!(stream.next().await, Some(Ok(number)));
            writer.join().expect("no panic");
            assert_eq!(futures_util::Stream::size_hint(&stream), (1, None));
            assert_eq!(stream.next().await, Some(Ok(7)));
            assert!(!stream.is_terminated(), "it has not reported it yet");
            for _ in 0..2 {
                assert_eq!(stream.next().await, None);
                assert!(stream.is_terminated());
            }
            assert_eq!(stream.try_pop(), Err(PopError::Abandoned));
        }
    });
    let (mut producer, mut frames) = heap_out::<[u8]>(64);
    producer.try_push(b"one").expect("there is room");
    drop(producer);
    let next = poll_once(frames.next());
    assert_eq!(next, Poll::Ready(Some(Ok(b"one".to_vec()))));
    assert!(!frames.is_terminated());
    assert_eq!(poll_once(frames.next()), Poll::Ready(None));
    assert!(frames.is_terminated());
}

/// A call that waits for room, and one after the close.
fn sends_end<T: AsyncCalls + ?Sized>() {
    for send in [T::SENDS, &T::WAITS[..1]].concat() {
        on_every_runtime::<T, _>("reader-left", T::CAPACITY, |ring, _| {
            let (mut producer, consumer) = ends(&ring);
            let messages = [T::message(fill::<T>(&mut producer))];
            drop(ring);
            async move {
                let mut sink = producer.asynchronous();
                assert!(is_pending(send(&mut sink, &messages, 0)));
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

fn corruption_ends_a_stream_after_one_error() {
    let (ring, name) = named::<u64>("corrupt", &RingOptions::new(CAPACITY));
    let (mut producer, consumer) = ends(&ring);
    let mut stream = consumer.asynchronous();
    assert!(is_pending(stream.next()));
    producer.try_push(1).expect("there is room");
    SegmentFile::open(&name.file()).write(TAIL, u64::MAX);
    assert_eq!(stream.get_ref().corruption(), None);
    in_time(move || {
        block_on(async {
            assert_eq!(stream.next().await, Some(Err(PopError::Corrupt)));
            assert_eq!(stream.next().await, None);
            assert_eq!(stream.pop().await, Err(PopError::Corrupt));
            let corrupt = stream.get_ref().corruption().expect("it is corrupt");
            assert_eq!((corrupt.field, corrupt.found), ("tail", u64::MAX));
        });
    });
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
    let (mut busy_in, mut busy) = heap_out::<u64>(CAPACITY);
    let reader = thread::spawn(move || block_on(async { while busy.next().await.is_some() {} }));
    for _ in 0..200 {
        for number in 0..20 {
            busy_in.push(number).expect("the reader runs");
        }
        in_a_child(|| {
            // On the heap the producer still exists, and waiting for it is an error.
            for (end, error) in [
                (&mut shared, PopError::Abandoned),
                (&mut local, PopError::ReactorDied),
            ] {
                let mut end = end.take().expect("it lives");
                assert_eq!(poll_once(end.pop()), Poll::Ready(Err(error)));
            }
        });
    }
    drop(busy_in);
    reader.join().expect("no panic");
    assert!(is_pending(shared.expect("the child's was a copy").pop()));
}

fn a_plain_endpoint_continues_where_the_async_one_stopped() {
    let (ring, name) = named::<u64>("plain-again", &RingOptions::new(2));
    let (mut producer, mut consumer) = async_pair(&ring);
    let page = SleepPage::open(&name.file());
    assert!(is_pending(consumer.pop()) && page.consumer_is_parked());
    for number in 0..2 {
        assert_eq!(poll_once(producer.push(number)), Poll::Ready(Ok(())));
    }
    assert!(is_pending(producer.push(2)));
    assert_eq!(poll_once(consumer.pop()), Poll::Ready(Ok(0)));
    assert_eq!(producer.get_ref().len(), 1);
    assert_eq!(consumer.get_ref().position(), 1);
    // Both without a change: the plain endpoints sleep and wake as always.
    assert_eq!(poll_once(producer.push(2)), Poll::Ready(Ok(())));
    assert!(is_pending(producer.push(3)) && page.producer_is_parked());
    let mut producer = producer.into_inner();
    let mut consumer = consumer.into_inner();
    assert!(!page.producer_is_parked());
    in_time(move || {
        let writer = thread::spawn(move || {
            (3..1000).for_each(|number| producer.push(number).expect("a reader"));
        });
        for number in 1..1000 {
            assert_eq!(consumer.pop(), Ok(number));
        }
        assert_eq!(consumer.pop(), Err(PopError::Abandoned));
        writer.join().expect("all is pushed");
    });
    assert_no_rescues(&name);
}
