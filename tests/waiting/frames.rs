//! Waiting for frames, and for room for them.

use std::time::Duration;

use quoit::{ClaimError, FrameConsumer, FrameProducer, Frames, PopError};

use super::{lasts_until_the_timeout, on_both_kinds_of_ring};
use crate::common::threads::while_waiting;

type Read = fn(&mut FrameConsumer) -> Result<Vec<u8>, PopError>;
type TimedRead = fn(&mut FrameConsumer, Duration) -> Result<Vec<u8>, PopError>;
type Write = fn(&mut FrameProducer, &[u8]) -> Result<(), ClaimError>;
type TimedWrite = fn(&mut FrameProducer, &[u8], Duration) -> Result<(), ClaimError>;

const FOREVER: Duration = Duration::MAX;

const READS: [Read; 8] = [
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
    |consumer| TIMED_READS[0](consumer, FOREVER),
    |consumer| TIMED_READS[1](consumer, FOREVER),
    |consumer| TIMED_READS[2](consumer, FOREVER),
    |consumer| TIMED_READS[3](consumer, FOREVER),
];

/// Takes the first of some frames.
fn first_of(mut frames: Frames<'_>) -> Result<Vec<u8>, PopError> {
    let payload = frames.next_frame()?.expect("at least one").to_vec();
    frames.release();
    Ok(payload)
}

const TIMED_READS: [TimedRead; 4] = [
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

const WRITES: [Write; 14] = [
    FrameProducer::push,
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
    |producer, payload| TIMED_WRITES[0](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[1](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[2](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[3](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[4](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[5](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[6](producer, payload, FOREVER),
];

/// The payload in three parts, one of them empty.
fn in_parts(payload: &[u8]) -> [&[u8]; 3] {
    let (front, back) = payload.split_at(payload.len() / 3);
    [front, &[], back]
}

const TIMED_WRITES: [TimedWrite; 7] = [
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

/// Two frames of 24 bytes fill a ring of 64 bytes.
fn fill(producer: &mut FrameProducer) {
    for _ in 0..2 {
        producer.try_push(&[0; 24]).expect("there is room");
    }
}

fn take(consumer: &mut FrameConsumer) {
    consumer.try_peek().expect("there is a frame").release();
}

/// A payload of 24 bytes.
fn payload(number: u8) -> Vec<u8> {
    vec![number; 24]
}

#[test]
fn every_read_takes_a_message_that_has_arrived() {
    on_both_kinds_of_ring::<[u8]>("frames-at-once", 64, |mut producer, mut consumer| {
        for (number, read) in (0..).zip(READS) {
            producer.try_push(&payload(number)).expect("there is room");
            assert_eq!(read(&mut consumer), Ok(payload(number)));
        }
        for (number, read) in (0..).zip(TIMED_READS) {
            producer.try_push(&payload(number)).expect("there is room");
            assert_eq!(read(&mut consumer, Duration::ZERO), Ok(payload(number)));
        }
    });
}

#[test]
fn every_read_waits_for_a_frame() {
    on_both_kinds_of_ring::<[u8]>("frames-later", 64, |mut producer, mut consumer| {
        for (number, read) in (0..).zip(READS) {
            let wait = move || (read(&mut consumer), consumer);
            let act = || producer.try_push(&payload(number)).expect("there is room");
            let (result, back) = while_waiting(wait, act);
            assert_eq!(result, Ok(payload(number)));
            consumer = back;
        }
    });
}

#[test]
fn every_read_with_a_timeout_times_out_on_an_empty_ring() {
    on_both_kinds_of_ring::<[u8]>("frames-in-vain", 64, |_producer, mut consumer| {
        for read in TIMED_READS {
            let result = lasts_until_the_timeout(|timeout| read(&mut consumer, timeout));
            assert_eq!(result, Err(PopError::TimedOut));
        }
    });
}

#[test]
fn every_read_ends_when_the_producer_closes() {
    for read in READS {
        on_both_kinds_of_ring::<[u8]>("frames-alone", 64, |producer, mut consumer| {
            let result = while_waiting(move || read(&mut consumer), || drop(producer));
            assert_eq!(result, Err(PopError::Abandoned));
        });
    }
}

#[test]
fn a_read_into_a_buffer_that_is_too_short_ends_immediately() {
    on_both_kinds_of_ring::<[u8]>("frames-too-short", 64, |mut producer, mut consumer| {
        producer.try_push(&payload(1)).expect("there is room");
        let too_short = Err(PopError::TooShort { needed: 24 });
        assert_eq!(consumer.pop(&mut [0; 23]), too_short);
        assert_eq!(consumer.pop_timeout(&mut [], FOREVER), too_short);
        assert_eq!(READS[0](&mut consumer), Ok(payload(1)));
    });
}

#[test]
fn every_write_uses_existing_room() {
    on_both_kinds_of_ring::<[u8]>("room-at-once", 64, |mut producer, mut consumer| {
        for (number, write) in (0..).zip(WRITES) {
            assert_eq!(write(&mut producer, &payload(number)), Ok(()));
            assert_eq!(READS[0](&mut consumer), Ok(payload(number)));
        }
        for (number, write) in (0..).zip(TIMED_WRITES) {
            let written = write(&mut producer, &payload(number), Duration::ZERO);
            assert_eq!(written, Ok(()));
            assert_eq!(READS[0](&mut consumer), Ok(payload(number)));
        }
    });
}

#[test]
fn every_write_waits_for_room() {
    on_both_kinds_of_ring::<[u8]>("room-later", 64, |mut producer, mut consumer| {
        fill(&mut producer);
        for write in WRITES {
            let wait = move || (write(&mut producer, &payload(1)), producer);
            let (result, back) = while_waiting(wait, || take(&mut consumer));
            assert_eq!(result, Ok(()));
            producer = back;
        }
    });
}

#[test]
fn every_write_with_a_timeout_times_out_on_a_full_ring() {
    on_both_kinds_of_ring::<[u8]>("room-in-vain", 64, |mut producer, mut consumer| {
        fill(&mut producer);
        for write in TIMED_WRITES {
            let result = lasts_until_the_timeout(|timeout| write(&mut producer, &[], timeout));
            assert_eq!(result, Err(ClaimError::TimedOut));
        }
        take(&mut consumer);
        take(&mut consumer);
        assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
    });
}

#[test]
fn every_write_ends_when_the_consumer_closes() {
    for write in WRITES {
        on_both_kinds_of_ring::<[u8]>("room-alone", 64, |mut producer, consumer| {
            fill(&mut producer);
            let result = while_waiting(move || write(&mut producer, &[]), || drop(consumer));
            assert_eq!(result, Err(ClaimError::Abandoned));
        });
    }
}

#[test]
fn a_frame_that_can_never_fit_is_refused_immediately() {
    on_both_kinds_of_ring::<[u8]>("room-never", 64, |mut producer, _consumer| {
        for write in WRITES {
            let too_long = Err(ClaimError::TooLong { max: 24 });
            assert_eq!(write(&mut producer, &[0; 25]), too_long);
        }
    });
}

#[test]
fn an_empty_batch_does_not_wait() {
    on_both_kinds_of_ring::<[u8]>("batch-of-nothing", 64, |mut producer, _consumer| {
        fill(&mut producer);
        let nothing: [&[u8]; 0] = [];
        assert_eq!(producer.push_slice(0, &nothing), Ok(0));
        assert_eq!(producer.push_all(0, &nothing), Ok(()));
    });
}

#[test]
fn a_batch_does_not_wait_for_room_that_it_occupies_itself() {
    on_both_kinds_of_ring::<[u8]>("batch-of-all", 64, |mut producer, mut consumer| {
        let mut batch = producer.batch();
        for number in 0..2 {
            batch.try_push(7, &payload(number)).expect("there is room");
        }
        // Nothing of the batch is published, so no consumer can make room for more.
        let more = batch.claim(7, 0).map(drop);
        assert_eq!(more, Err(ClaimError::TooLong { max: 24 }));
        assert_eq!(batch.commit(), 2);
        for number in 0..2 {
            assert_eq!(READS[0](&mut consumer), Ok(payload(number)));
        }
    });
}

#[test]
fn all_frames_of_a_slice_larger_than_the_ring_are_pushed() {
    on_both_kinds_of_ring::<[u8]>("frames-of-all", 64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..20).map(payload).collect();
        let wait = move || {
            let mut popped = Vec::new();
            for _ in 0..20 {
                popped.push(READS[0](&mut consumer));
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

#[test]
fn frames_that_were_pushed_before_a_timeout_remain_published() {
    on_both_kinds_of_ring::<[u8]>("frames-some", 64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..3).map(payload).collect();
        let pushed =
            lasts_until_the_timeout(|timeout| producer.push_all_timeout(0, &payloads, timeout));
        assert_eq!(pushed, Err(ClaimError::TimedOut));
        for number in 0..2 {
            assert_eq!(READS[0](&mut consumer), Ok(payload(number)));
        }
        assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
    });
}
