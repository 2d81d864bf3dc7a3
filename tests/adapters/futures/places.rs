//! Messages in place, readiness, and the termination of a stream.

use std::pin::pin;
use std::task::Poll;

use futures_util::stream::FusedStream;
use futures_util::{SinkExt, Stream, StreamExt};
use quoit::{PopError, RingOptions};

use super::poll_once;
use crate::common::rings::named;

crate::common::suite::tests! {
    a_frame_in_the_sink_is_sent_before_claims_and_parts,
    waiting_for_readiness_takes_no_message,
    a_stream_is_terminated_until_a_new_peer_attaches,
}

fn a_frame_in_the_sink_is_sent_before_claims_and_parts() {
    let (producer, mut consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut producer = producer.into_async().expect("an async endpoint");
    let mut buffer = [0; 24];
    for number in 0..3 {
        let fed = poll_once(pin!(producer.feed(vec![number; 24])));
        assert_eq!(fed, Poll::Ready(Ok(())));
    }
    assert!(poll_once(pin!(producer.claim(24))).is_pending());
    assert!(poll_once(pin!(producer.ready(24))).is_pending());
    assert!(poll_once(pin!(producer.push_parts(7, &[&[3; 24]]))).is_pending());
    consumer.try_pop(&mut buffer).expect("the first");
    // The third takes the place of the first, and there is no room for another.
    assert!(poll_once(pin!(producer.push_parts(7, &[&[3; 24]]))).is_pending());
    for number in 1..3 {
        consumer.try_pop(&mut buffer).expect("a frame");
        assert_eq!(buffer, [number; 24]);
    }
    assert_eq!(consumer.try_pop(&mut buffer), Err(PopError::Empty));
    assert_eq!(poll_once(pin!(producer.ready(24))), Poll::Ready(Ok(())));
    let Poll::Ready(Ok(mut claim)) = poll_once(pin!(producer.claim(24))) else {
        panic!("there is room");
    };
    claim.copy_from_slice(&[4; 24]);
    claim.commit();
    assert_eq!(
        consumer.try_peek().map(|frame| frame.to_vec()),
        Ok(vec![4; 24])
    );
}

fn waiting_for_readiness_takes_no_message() {
    let (producer, consumer) = RingOptions::new(1).heap::<u64>().expect("a ring");
    let mut producer = producer.into_async().expect("an async endpoint");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    for number in 0..100 {
        assert!(poll_once(pin!(consumer.ready())).is_pending());
        for _ in 0..2 {
            assert_eq!(poll_once(pin!(producer.ready())), Poll::Ready(Ok(())));
        }
        producer.try_push(number).expect("it was ready");
        assert!(poll_once(pin!(producer.ready())).is_pending());
        for _ in 0..2 {
            assert_eq!(poll_once(pin!(consumer.ready())), Poll::Ready(Ok(())));
        }
        assert_eq!(consumer.try_pop(), Ok(number));
    }
}

fn a_stream_is_terminated_until_a_new_peer_attaches() {
    let (ring, _name) = named::<u64>("fused", &RingOptions::new(8));
    let consumer = ring.consumer().expect("the role is free");
    let mut stream = consumer.into_async().expect("an async endpoint");
    assert_eq!(stream.size_hint(), (0, None));
    for _ in 0..3 {
        let mut producer = ring.producer().expect("the role is free");
        assert!(!stream.is_terminated());
        producer.try_push_slice(&[1, 2, 3]).expect("there is room");
        drop(producer);
        for number in 1..=3 {
            assert_eq!(stream.size_hint(), (4 - number as usize, None));
            assert!(!stream.is_terminated());
            assert_eq!(
                poll_once(pin!(stream.next())),
                Poll::Ready(Some(Ok(number)))
            );
        }
        assert!(!stream.is_terminated(), "it has not reported it yet");
        for _ in 0..2 {
            assert_eq!(poll_once(pin!(stream.next())), Poll::Ready(None));
            assert!(stream.is_terminated());
        }
        assert_eq!(stream.try_pop(), Err(PopError::Abandoned));
        assert!(stream.is_terminated());
    }

    let (mut producer, consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    let mut frames = consumer.into_async().expect("an async endpoint");
    producer.try_push(b"one").expect("there is room");
    drop(producer);
    assert_eq!(
        poll_once(pin!(frames.next())),
        Poll::Ready(Some(Ok(b"one".to_vec())))
    );
    assert!(!frames.is_terminated());
    assert_eq!(poll_once(pin!(frames.next())), Poll::Ready(None));
    assert!(frames.is_terminated());
}
