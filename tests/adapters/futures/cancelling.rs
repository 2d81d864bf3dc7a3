//! Futures that are dropped before they are ready.

use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::future::{self, Either};
use quoit::{PopError, Popped, RingOptions};
use tokio::time::timeout;

use super::{assert_no_rescues, in_time, on_every_runtime, on_tokio, poll_once};
use crate::common::rings::{ends, named};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    a_pop_that_is_dropped_takes_nothing,
    a_pop_that_times_out_takes_nothing,
    a_push_that_is_dropped_pushes_nothing,
    a_plain_endpoint_continues_where_the_async_one_stopped,
    a_frame_that_is_too_long_stays_in_the_ring,
}

const MESSAGES: u64 = 5000;
/// The producer pauses sometimes, so that pops wait without success.
const PAUSES: u64 = 64;

fn a_pop_that_is_dropped_takes_nothing() {
    on_every_runtime("cancelled-pop", |name| {
        let ring = RingOptions::new(8).create::<u64>(name).expect("a ring");
        let (mut producer, consumer) = ends(&ring);
        async move {
            let writer = thread::spawn(move || {
                for number in 0..MESSAGES {
                    if number % PAUSES == 0 {
                        thread::yield_now();
                    }
                    producer.push(number).expect("a reader");
                }
            });
            let mut consumer = consumer.into_async().expect("an async endpoint");
            let mut next = 0;
            for attempt in 0.. {
                let other = pin!(ready_after(polls(attempt)));
                match future::select(pin!(consumer.pop()), other).await {
                    Either::Left((number, _)) => {
                        assert_eq!(number, Ok(next));
                        next += 1;
                    }
                    Either::Right(_) => {} // drops the pop
                }
                if next == MESSAGES {
                    break;
                }
            }
            writer.join().expect("all is pushed");
            assert_eq!(consumer.pop().await, Err(PopError::Abandoned));
        }
    });
}

/// The number of polls of an attempt; every fourth attempt has no limit.
fn polls(attempt: u32) -> u32 {
    [1, 2, 3, u32::MAX][attempt as usize % 4]
}

/// Is ready after this many polls, which follow one another directly.
pub(super) async fn ready_after(mut polls: u32) {
    future::poll_fn(|cx| match polls {
        0 => Poll::Ready(()),
        u32::MAX => Poll::Pending,
        _ => {
            polls -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn a_pop_that_times_out_takes_nothing() {
    on_tokio("timed-out-pop", |name| {
        let ring = RingOptions::new(8).create::<u64>(name).expect("a ring");
        let (mut producer, consumer) = ends(&ring);
        async move {
            let writer = thread::spawn(move || {
                for number in 0..200 {
                    thread::sleep(Duration::from_millis(number % 4));
                    producer.push(number).expect("a reader");
                }
            });
            let mut consumer = consumer.into_async().expect("an async endpoint");
            let mut next = 0;
            while next < 200 {
                let pop = timeout(Duration::from_millis(1), consumer.pop());
                if let Ok(number) = pop.await {
                    assert_eq!(number, Ok(next));
                    next += 1;
                }
            }
            writer.join().expect("all is pushed");
            assert_eq!(consumer.pop().await, Err(PopError::Abandoned));
        }
    });
}

fn a_push_that_is_dropped_pushes_nothing() {
    on_every_runtime("cancelled-push", |name| {
        let ring = RingOptions::new(64).create::<[u8]>(name).expect("a ring");
        let (producer, mut consumer) = ends(&ring);
        async move {
            let reader = thread::spawn(move || {
                for number in 0..MESSAGES {
                    let mut buffer = [0; 24];
                    let popped = consumer.pop(&mut buffer).expect("a frame");
                    let len = (number % 17) as usize + 8;
                    assert_eq!(popped, Popped { len, kind: 0 });
                    assert_eq!(buffer[..8], number.to_le_bytes());
                }
            });
            let mut producer = producer.into_async().expect("an async endpoint");
            let mut number = 0_u64;
            for attempt in 0.. {
                let mut payload = number.to_le_bytes().to_vec();
                payload.resize((number % 17) as usize + 8, 0);
                let other = pin!(ready_after(polls(attempt)));
                match future::select(pin!(producer.push(&payload)), other).await {
                    Either::Left((pushed, _)) => {
                        assert_eq!(pushed, Ok(()));
                        number += 1;
                    }
                    Either::Right(_) => {} // drops the push
                }
                if number == MESSAGES {
                    break;
                }
            }
            reader.join().expect("all is popped");
        }
    });
}

fn a_plain_endpoint_continues_where_the_async_one_stopped() {
    let (ring, name) = named::<u64>("plain-again", &RingOptions::new(2));
    let (producer, consumer) = ends(&ring);
    let mut producer = producer.into_async().expect("an async endpoint");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    let page = SleepPage::open(&name.file());
    assert_eq!(poll_once(pin!(consumer.pop())), Poll::Pending);
    assert!(page.consumer_is_parked());
    for number in 0..2 {
        let pushed = poll_once(pin!(producer.push(number)));
        assert_eq!(pushed, Poll::Ready(Ok(())));
    }
    assert_eq!(poll_once(pin!(producer.push(2))), Poll::Pending);
    assert_eq!(poll_once(pin!(consumer.pop())), Poll::Ready(Ok(0)));
    assert_eq!(producer.get_ref().len(), 1);
    assert_eq!(consumer.get_ref().position(), 1);
    // Both without a change: the plain endpoints sleep and wake as always.
    assert_eq!(poll_once(pin!(producer.push(2))), Poll::Ready(Ok(())));
    assert_eq!(poll_once(pin!(producer.push(3))), Poll::Pending);
    assert!(page.producer_is_parked());
    let mut producer = producer.into_inner();
    let mut consumer = consumer.into_inner();
    assert!(!page.producer_is_parked());
    in_time(move || {
        let writer = thread::spawn(move || {
            for number in 3..1000 {
                producer.push(number).expect("a reader");
            }
            thread::sleep(Duration::from_millis(5));
        });
        for number in 1..1000 {
            assert_eq!(consumer.pop(), Ok(number));
        }
        assert_eq!(consumer.pop(), Err(PopError::Abandoned));
        writer.join().expect("all is pushed");
    });
    assert_no_rescues(&name);
}

fn a_frame_that_is_too_long_stays_in_the_ring() {
    let (mut producer, consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    producer.try_push(&[1; 24]).expect("there is room");
    let too_short = PopError::TooShort { needed: 24 };
    let mut short = [0; 23];
    let mut long = [0; 24];
    let pop = poll_once(pin!(consumer.pop(&mut short)));
    assert_eq!(pop, Poll::Ready(Err(too_short)));
    let pop = poll_once(pin!(consumer.pop(&mut long)));
    let popped = Popped { len: 24, kind: 0 };
    assert_eq!((pop, long), (Poll::Ready(Ok(popped)), [1; 24]));
}
