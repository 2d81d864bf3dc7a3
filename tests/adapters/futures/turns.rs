//! An endpoint that is always ready yields to other tasks.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;
use futures_util::{SinkExt, StreamExt};
use quoit::{AsyncConsumer, RingOptions};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, yield_now};

use super::reactor::{bell, poll_with};
use crate::common::PATIENCE;

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

fn every_call_of_records_yields() {
    let mut consumer = full_ring();
    yields(|waker| poll_with(waker, consumer.pop()));
    yields(|waker| poll_with(waker, consumer.next()));
    yields(|waker| poll_with(waker, consumer.pop_slice(&mut [0])));
    yields(|waker| poll_with(waker, consumer.ready()));
    yields(|waker| poll_with(waker, consumer.peek()).map(drop));
    yields(|waker| poll_with(waker, consumer.wait_for_peer()));
    yields(|waker| poll_with(waker, consumer.closed()));
    let (producer, consumer) = RingOptions::new(MESSAGES).heap::<u64>().expect("a ring");
    let mut producer = producer.into_async().expect("an async endpoint");
    yields(|waker| poll_with(waker, producer.push(1)));
    yields(|waker| poll_with(waker, producer.push_slice(&[1, 2])));
    yields(|waker| poll_with(waker, producer.feed(1)));
    yields(|waker| poll_with(waker, producer.ready()));
    yields(|waker| poll_with(waker, producer.claim()).map(drop));
    yields(|waker| poll_with(waker, producer.wait_for_peer()));
    drop(consumer);
    yields(|waker| poll_with(waker, producer.closed()));
}

fn every_call_of_frames_yields() {
    let (producer, consumer) = RingOptions::new(1 << 17).heap::<[u8]>().expect("a ring");
    let mut producer = producer.into_async().expect("an async endpoint");
    yields(|waker| poll_with(waker, producer.push(b"1")));
    yields(|waker| poll_with(waker, producer.push_kind(1, b"1")));
    yields(|waker| poll_with(waker, producer.push_parts(1, &[b"1", b"2"])));
    yields(|waker| poll_with(waker, producer.feed(vec![1])));
    yields(|waker| poll_with(waker, producer.send(vec![1])));
    yields(|waker| poll_with(waker, producer.ready(1)));
    yields(|waker| poll_with(waker, producer.claim(1)).map(drop));
    yields(|waker| poll_with(waker, producer.wait_for_peer()));
    let mut consumer = consumer.into_async().expect("an async endpoint");
    yields(|waker| poll_with(waker, consumer.pop(&mut [0; 8])));
    yields(|waker| poll_with(waker, consumer.pop_into(&mut Vec::new())));
    yields(|waker| poll_with(waker, consumer.next()));
    yields(|waker| poll_with(waker, consumer.ready()));
    yields(|waker| poll_with(waker, consumer.peek()).map(drop));
    yields(|waker| poll_with(waker, consumer.peek_many()).map(drop));
    yields(|waker| poll_with(waker, consumer.wait_for_peer()));
    drop(producer);
    yields(|waker| poll_with(waker, consumer.closed()));
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
