//! An endpoint that is always ready yields to other tasks.

use std::task::{Poll, Waker};

use super::calls::AsyncCalls;
use super::{Plain, bell, heap_out, poll_with};
use crate::common::PATIENCE;
use crate::common::calls::{Wait, push};
use crate::common::rings::heap;
use crate::common::sample::Words;

crate::common::suite::tests! {
    every_call_of_records_yields,
    every_call_of_frames_yields,
    a_poll_that_waits_resets_the_count,
}

/// The most consecutive polls that may be ready.
const BUDGET: u64 = 128;
const MESSAGES: u64 = 64 * BUDGET;

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
    let (mut producer, consumer) = heap::<T>(capacity);
    for number in 0..MESSAGES / 2 {
        push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
    }
    let (mut sink, mut stream) = (producer.asynchronous(), consumer.asynchronous());
    let messages = [0, 1].map(T::message);
    for send in [T::SENDS, T::SINKS, &T::WAITS[..2]].concat() {
        yields(|waker| poll_with(waker, send(&mut sink, &messages, 0)));
    }
    for receive in [T::RECEIVES, &T::RECEIVE_WAITS[..2]].concat() {
        yields(|waker| poll_with(waker, receive(&mut stream, 1, 0, &mut |_| ())));
    }
    drop(stream);
    yields(|waker| poll_with(waker, T::WAITS[3](&mut sink, &messages, 0)));
    let (producer, mut stream) = heap_out::<T>(capacity);
    drop(producer);
    yields(|waker| poll_with(waker, T::RECEIVE_WAITS[2](&mut stream, 1, 0, &mut |_| ())));
}

fn every_call_of_records_yields() {
    every_call_yields::<Words<2>>(2 * MESSAGES);
}

fn every_call_of_frames_yields() {
    every_call_yields::<[u8]>(64 * MESSAGES);
}

fn a_poll_that_waits_resets_the_count() {
    let (mut producer, mut consumer) = heap_out::<u64>(MESSAGES);
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
