//! Waiting for frames, and for room for them.

use std::time::Duration;

use quoit::{ClaimError, FrameConsumer, FrameProducer, Frames, PopError};

use super::{
    Read, TimedRead, TimedWrite, Waits, Write, lasts_until_the_timeout, on_both_kinds_of_ring,
};
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    a_read_into_a_buffer_that_is_too_short_ends_immediately,
    a_frame_that_can_never_fit_is_refused_immediately,
    an_empty_batch_does_not_wait,
    a_batch_does_not_wait_for_room_that_it_occupies_itself,
    all_frames_of_a_slice_larger_than_the_ring_are_pushed,
    frames_that_were_pushed_before_a_timeout_remain_published,
}

impl Waits for [u8] {
    type Message = Vec<u8>;
    const CAPACITY: u64 = 64;
    const READS: &'static [Read<Self::Consumer, Vec<u8>>] = &[
        |consumer| {
            let mut buffer = [0; 64];
            let popped = consumer.pop(&mut buffer)?;
            Ok(buffer[..popped.len].to_vec())
        },
        |consumer| {
            let frame = consumer.peek()?;
            let payload = frame.to_vec();
            frame.release();
            Ok(payload)
        },
        |consumer| {
            let mut bytes = vec![9; 3];
            consumer.pop_into(&mut bytes)?;
            Ok(bytes)
        },
        |consumer| first_of(consumer.peek_many()?),
    ];
    const TIMED_READS: &'static [TimedRead<Self::Consumer, Vec<u8>>] = &[
        |consumer, timeout| {
            let mut buffer = [0; 64];
            let popped = consumer.pop_timeout(&mut buffer, timeout)?;
            Ok(buffer[..popped.len].to_vec())
        },
        |consumer, timeout| {
            let frame = consumer.peek_timeout(timeout)?;
            let payload = frame.to_vec();
            frame.release();
            Ok(payload)
        },
        |consumer, timeout| {
            let mut bytes = vec![9; 99];
            consumer.pop_into_timeout(&mut bytes, timeout)?;
            Ok(bytes)
        },
        |consumer, timeout| first_of(consumer.peek_many_timeout(timeout)?),
    ];
    const WRITES: &'static [Write<Self::Producer, Vec<u8>>] = &[
        |producer, payload| producer.push(payload),
        |producer, payload| {
            assert_eq!(producer.push_slice(0, &[payload])?, 1);
            Ok(())
        },
        |producer, payload| {
            let mut claim = producer.claim(payload.len())?;
            claim.copy_from_slice(payload);
            claim.commit();
            Ok(())
        },
        |producer, payload| producer.push_kind(7, payload),
        |producer, payload| producer.push_parts(7, &in_parts(payload)),
        |producer, payload| producer.push_all(7, &[payload]),
        |producer, payload| {
            let mut batch = producer.batch();
            batch.claim(7, payload.len())?.copy_from_slice(payload);
            assert_eq!(batch.commit(), 1);
            Ok(())
        },
    ];
    const TIMED_WRITES: &'static [TimedWrite<Self::Producer, Vec<u8>>] = &[
        |producer, payload, timeout| producer.push_timeout(payload, timeout),
        |producer, payload, timeout| {
            assert_eq!(producer.push_slice_timeout(0, &[payload], timeout)?, 1);
            Ok(())
        },
        |producer, payload, timeout| {
            let mut claim = producer.claim_timeout(payload.len(), timeout)?;
            claim.copy_from_slice(payload);
            claim.commit();
            Ok(())
        },
        |producer, payload, timeout| producer.push_kind_timeout(7, payload, timeout),
        |producer, payload, timeout| producer.push_parts_timeout(7, &in_parts(payload), timeout),
        |producer, payload, timeout| producer.push_all_timeout(7, &[payload], timeout),
        |producer, payload, timeout| {
            let mut batch = producer.batch();
            let claim = batch.claim_timeout(7, payload.len(), timeout);
            claim?.copy_from_slice(payload);
            assert_eq!(batch.commit(), 1);
            Ok(())
        },
    ];

    fn message(number: u8) -> Vec<u8> {
        payload(number)
    }

    fn try_push(producer: &mut FrameProducer, payload: &Vec<u8>) -> Result<(), ClaimError> {
        producer.try_push(payload)
    }

    fn try_pop(consumer: &mut FrameConsumer) -> Result<Vec<u8>, PopError> {
        let mut bytes = Vec::new();
        consumer.try_pop_into(&mut bytes).map(|_| bytes)
    }
}

/// Takes the first of some frames.
fn first_of(mut frames: Frames<'_>) -> Result<Vec<u8>, PopError> {
    let payload = frames.next_frame()?.expect("at least one").to_vec();
    frames.release();
    Ok(payload)
}

/// The payload in three parts, one of them empty.
fn in_parts(payload: &[u8]) -> [&[u8]; 3] {
    let (front, back) = payload.split_at(payload.len() / 3);
    [front, &[], back]
}

/// A payload of 24 bytes: two of them fill the ring.
fn payload(number: u8) -> Vec<u8> {
    vec![number; 24]
}

fn a_read_into_a_buffer_that_is_too_short_ends_immediately() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        producer.try_push(&payload(1)).expect("there is room");
        let too_short = Err(PopError::TooShort { needed: 24 });
        assert_eq!(consumer.pop(&mut [0; 23]), too_short);
        assert_eq!(consumer.pop_timeout(&mut [], Duration::MAX), too_short);
        assert_eq!(<[u8]>::try_pop(&mut consumer), Ok(payload(1)));
    });
}

fn a_frame_that_can_never_fit_is_refused_immediately() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, _consumer| {
        for write in <[u8]>::writes() {
            let too_long = Err(ClaimError::TooLong { max: 24 });
            assert_eq!(write(&mut producer, &vec![0; 25]), too_long);
        }
    });
}

fn an_empty_batch_does_not_wait() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, _consumer| {
        assert_eq!(<[u8] as Waits>::fill(&mut producer), 2);
        let nothing: [&[u8]; 0] = [];
        assert_eq!(producer.push_slice(0, &nothing), Ok(0));
        assert_eq!(producer.push_all(0, &nothing), Ok(()));
    });
}

fn a_batch_does_not_wait_for_room_that_it_occupies_itself() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        let mut batch = producer.batch();
        for number in 0..2 {
            batch.try_push(7, &payload(number)).expect("there is room");
        }
        // Nothing of the batch is published, so no consumer can make room for more.
        let more = batch.claim(7, 0).map(drop);
        assert_eq!(more, Err(ClaimError::TooLong { max: 24 }));
        assert_eq!(batch.commit(), 2);
        for number in 0..2 {
            assert_eq!(<[u8]>::try_pop(&mut consumer), Ok(payload(number)));
        }
    });
}

fn all_frames_of_a_slice_larger_than_the_ring_are_pushed() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..20).map(payload).collect();
        let wait = move || {
            let mut popped = Vec::new();
            for _ in 0..20 {
                popped.push(<[u8]>::READS[0](&mut consumer));
            }
            popped
        };
        let act = || {
            let pushed = producer.push_all(7, &payloads);
            pushed.expect("the consumer is attached");
        };
        let popped = while_waiting(wait, act);
        assert!(popped.into_iter().eq(payloads.into_iter().map(Ok)));
    });
}

fn frames_that_were_pushed_before_a_timeout_remain_published() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..3).map(payload).collect();
        let pushed =
            lasts_until_the_timeout(|timeout| producer.push_all_timeout(0, &payloads, timeout));
        assert_eq!(pushed, Err(ClaimError::TimedOut));
        for number in 0..2 {
            assert_eq!(<[u8]>::try_pop(&mut consumer), Ok(payload(number)));
        }
        assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
    });
}
