//! An endpoint that is always ready yields to other tasks.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_executor::LocalPool;
use futures_util::StreamExt;
use futures_util::task::LocalSpawnExt;
use quoit::{AsyncConsumer, RingOptions};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, yield_now};

use super::calls::AsyncCalls;
use super::reactor::{bell, poll_with};
use crate::common::PATIENCE;
use crate::common::calls::{Wait, push};
use crate::common::sample::Words;

crate::common::suite::tests! {
    a_ring_that_is_always_ready_yields_to_tokio,
    a_ring_that_is_always_ready_yields_to_a_local_pool,
    every_call_of_records_yields,
    every_call_of_frames_yields,
    a_poll_that_waits_resets_the_count,
}

/// The most consecutive polls that may be ready.
const BUDGET: u64 = 128;
const MESSAGES: u64 = 64 * BUDGET;

/// A consumer of a full ring, which never waits.
fn full_ring() -> AsyncConsumer<u64> {
    let (mut producer, consumer) = RingOptions::new(MESSAGES).heap::<u64>().expect("a ring");
    let all: Vec<_> = (0..MESSAGES).collect();
    producer.push_all(&all).expect("there is room");
    consumer.into_async().expect("an async endpoint")
}

/// Counts its own turns.
async fn count(turns: Rc<Cell<u64>>) {
    loop {
        turns.set(turns.get() + 1);
        yield_now_anywhere().await;
    }
}

async fn yield_now_anywhere() {
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        if !std::mem::replace(&mut is_first, false) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes everything, by the two calls in turn, and asserts that the other task ran.
async fn drain(mut consumer: AsyncConsumer<u64>, turns: Rc<Cell<u64>>) {
    for number in 0..MESSAGES / 2 {
        assert_eq!(consumer.pop().await, Ok(2 * number));
        assert_eq!(consumer.next().await, Some(Ok(2 * number + 1)));
    }
    let turns = turns.get();
    assert!(turns >= MESSAGES / BUDGET - 1, "{turns} turns");
}

fn a_ring_that_is_always_ready_yields_to_tokio() {
    let turns = Rc::new(Cell::new(0));
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let tasks = LocalSet::new();
    tasks.spawn_local(count(Rc::clone(&turns)));
    let reader = tasks.spawn_local(drain(full_ring(), turns));
    tasks.block_on(&runtime, async {
        yield_now().await;
        reader.await.expect("no panic");
    });
}

fn a_ring_that_is_always_ready_yields_to_a_local_pool() {
    let turns = Rc::new(Cell::new(0));
    let mut pool = LocalPool::new();
    let counter = count(Rc::clone(&turns));
    pool.spawner().spawn_local(counter).expect("a pool");
    pool.run_until(drain(full_ring(), turns));
}

/// Checks that 128 polls are ready, that the next one is pending and wakes its task, and that this repeats.
fn yields<R>(mut poll: impl FnMut(&Waker) -> Poll<R>) {
    let (waker, wakes) = bell();
    // The count may be anything before.
    let first = (0..=BUDGET).position(|_| poll(&waker).is_pending());
    assert!(first.is_some(), "it never yields");
    for _ in 0..2 {
        assert_eq!(wakes.try_recv(), Ok(()));
        for _ in 0..BUDGET {
            assert!(poll(&waker).is_ready());
        }
        assert!(wakes.try_recv().is_err());
        assert!(poll(&waker).is_pending());
    }
}

/// Every call, on a ring with room for all its messages.
fn every_call_yields<T: AsyncCalls + ?Sized>(capacity: u64) {
    let (mut producer, consumer) = RingOptions::new(capacity).heap::<T>().expect("a ring");
    for number in 0..MESSAGES / 2 {
        push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
    }
    let (mut sink, mut stream) = (T::sink(producer), T::stream(consumer));
    let messages = [0, 1].map(T::message);
    for send in [T::SENDS, T::SINKS, &T::WAITS[..2]].concat() {
        yields(|waker| poll_with(waker, send(&mut sink, &messages, 0)));
    }
    for receive in [T::RECEIVES, T::RECEIVE_WAITS].concat() {
        yields(|waker| poll_with(waker, receive(&mut stream, 1, 0, &mut |_| ())));
    }
    drop(stream);
    yields(|waker| poll_with(waker, T::WAITS[3](&mut sink, &messages, 0)));
}

fn every_call_of_records_yields() {
    let mut consumer = full_ring();
    yields(|waker| poll_with(waker, consumer.closed()));
    every_call_yields::<Words<2>>(2 * MESSAGES);
}

fn every_call_of_frames_yields() {
    let (producer, consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    drop(producer);
    yields(|waker| poll_with(waker, consumer.closed()));
    every_call_yields::<[u8]>(64 * MESSAGES);
}

fn a_poll_that_waits_resets_the_count() {
    let (mut producer, consumer) = RingOptions::new(MESSAGES).heap::<u64>().expect("a ring");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    let (waker, wakes) = bell();
    for _ in 0..8 {
        for _ in 0..BUDGET - 2 {
            producer.try_push(1).expect("there is room");
            assert!(poll_with(&waker, consumer.pop()).is_ready());
        }
        assert!(poll_with(&waker, consumer.pop()).is_pending());
        assert!(wakes.try_recv().is_err(), "the ring is empty");
        producer.try_push(1).expect("there is room");
        assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        assert!(poll_with(&waker, consumer.pop()).is_ready());
    }
}
