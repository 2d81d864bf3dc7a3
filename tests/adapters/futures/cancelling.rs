//! Futures that are dropped before they are ready.

use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures_util::future;
use quoit::{PopError, Popped, RingOptions};

use super::{assert_no_rescues, in_time, poll_once};
use crate::common::rings::{ends, named};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    a_plain_endpoint_continues_where_the_async_one_stopped,
    a_frame_that_is_too_long_stays_in_the_ring,
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
