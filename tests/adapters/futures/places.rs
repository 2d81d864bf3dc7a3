//! Messages in place, readiness, and the termination of a stream.

use std::pin::pin;
use std::task::Poll;
use std::thread;

use futures_util::stream::FusedStream;
use futures_util::{SinkExt, Stream, StreamExt};
use quoit::{ClaimError, PopError, RingOptions};

use super::{on_every_runtime, poll_once};
use crate::common::rings::{ends, named};

crate::common::suite::tests! {
    records_are_written_in_place,
    frames_are_written_in_place,
    a_frame_in_the_sink_is_sent_before_claims_and_parts,
    many_frames_are_peeked_in_place,
    waiting_for_readiness_takes_no_message,
    a_stream_is_terminated_until_a_new_peer_attaches,
}

const MESSAGES: u64 = 2000;

fn records_are_written_in_place() {
    on_every_runtime("claimed", |name| {
        let ring = RingOptions::new(4).create::<u64>(name).expect("a ring");
        let (producer, consumer) = ends(&ring);
        async move {
            let reader = thread::spawn(move || {
                let mut consumer = consumer;
                for number in 0..MESSAGES {
                    assert_eq!(consumer.pop(), Ok(number));
                }
            });
            let mut producer = producer.into_async().expect("an async endpoint");
            for number in 0..MESSAGES {
                // Dropping the future while it waits, or its claim, publishes nothing.
                let _ = poll_once(pin!(producer.ready()));
                let _ = poll_once(pin!(producer.claim())).map(drop);
                let mut claim = producer.claim().await.expect("a reader");
                claim.write(number);
                claim.commit();
            }
            reader.join().expect("all is popped");
            assert_eq!(producer.closed().await, Ok(()));
            producer.push_slice(&[0; 4]).await.expect("there is room");
            let abandoned = Err(ClaimError::Abandoned);
            assert_eq!(producer.ready().await, abandoned);
            assert_eq!(producer.claim().await.map(drop), abandoned);
        }
    });
}

fn frames_are_written_in_place() {
    on_every_runtime("claimed-frames", |name| {
        let ring = RingOptions::new(128).create::<[u8]>(name).expect("a ring");
        let (producer, consumer) = ends(&ring);
        async move {
            let reader = thread::spawn(move || {
                let mut consumer = consumer;
                let mut bytes = Vec::new();
                for number in 0..MESSAGES {
                    assert_eq!(consumer.pop_into(&mut bytes), Ok(number as u32 % 2));
                    assert_eq!(bytes, number.to_le_bytes());
                }
            });
            let mut producer = producer.into_async().expect("an async endpoint");
            for number in 0..MESSAGES {
                let bytes = number.to_le_bytes();
                let _ = poll_once(pin!(producer.ready(24)));
                let _ = poll_once(pin!(producer.claim(24))).map(drop);
                if number % 2 == 0 {
                    let mut claim = producer.claim(24).await.expect("a reader");
                    claim.write_at(0, &bytes);
                    claim.commit_first(8);
                } else {
                    let (front, back) = bytes.split_at(3);
                    let pushed = producer.push_parts(1, &[front, back]).await;
                    assert_eq!(pushed, Ok(()));
                }
            }
            let too_long = Err(ClaimError::TooLong { max: 56 });
            assert_eq!(producer.ready(57).await, too_long);
            assert_eq!(producer.claim(57).await.map(drop), too_long);
            assert_eq!(producer.push_parts(0, &[&[0; 50], &[0; 7]]).await, too_long);
            reader.join().expect("all is popped");
        }
    });
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

fn many_frames_are_peeked_in_place() {
    on_every_runtime("peeked-many", |name| {
        let ring = RingOptions::new(1024).create::<[u8]>(name).expect("a ring");
        let (mut producer, consumer) = ends(&ring);
        async move {
            let mut consumer = consumer.into_async().expect("an async endpoint");
            assert!(poll_once(pin!(consumer.peek_many())).is_pending());
            let writer = thread::spawn(move || {
                for number in 0..MESSAGES {
                    producer.push(&number.to_le_bytes()).expect("a reader");
                }
            });
            let mut next = 0;
            while next < MESSAGES {
                assert_eq!(consumer.ready().await, Ok(()));
                // After a drop they stay in the ring.
                drop(consumer.peek_many().await.expect("frames"));
                let mut frames = consumer.peek_many().await.expect("frames");
                while let Some(frame) = frames.next_frame().expect("no corruption") {
                    assert_eq!(frame.to_vec(), next.to_le_bytes());
                    next += 1;
                }
                frames.release();
            }
            writer.join().expect("no panic");
            let end = consumer.peek_many().await.map(drop);
            assert_eq!(end, Err(PopError::Abandoned));
            assert_eq!(consumer.ready().await, Err(PopError::Abandoned));
        }
    });
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
