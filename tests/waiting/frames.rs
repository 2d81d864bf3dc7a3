//! Waiting for frames, and for room for them.

use std::time::Duration;

use quoit::{ClaimError, Consumer, PopError, Producer};

use super::{on_both_kinds_of_ring, takes_its_time};
use crate::common::threads::while_waiting;

type Read = fn(&mut FrameConsumer) -> Result<Vec<u8>, PopError>;
type TimedRead = fn(&mut FrameConsumer, Duration) -> Result<Vec<u8>, PopError>;
type Write = fn(&mut FrameProducer, &[u8]) -> Result<(), ClaimError>;
type TimedWrite = fn(&mut FrameProducer, &[u8], Duration) -> Result<(), ClaimError>;

const FOREVER: Duration = Duration::MAX;

const READS: [Read; 4] = [
    |consumer| {
        let mut buffer = [0; 64];
        let len = consumer.pop(&mut buffer)?;
        Ok(buffer[..len].to_vec())
    },
    |consumer| {
        let frame = consumer.peek()?;
        let payload = frame.to_vec();
        frame.release();
        Ok(payload)
    },
    |consumer| TIMED_READS[0](consumer, FOREVER),
    |consumer| TIMED_READS[1](consumer, FOREVER),
];

const TIMED_READS: [TimedRead; 2] = [
    |consumer, timeout| {
        let mut buffer = [0; 64];
        let len = consumer.pop_timeout(&mut buffer, timeout)?;
        Ok(buffer[..len].to_vec())
    },
    |consumer, timeout| {
        let frame = consumer.peek_timeout(timeout)?;
        let payload = frame.to_vec();
        frame.release();
        Ok(payload)
    },
];

const WRITES: [Write; 6] = [
    FrameProducer::push,
    |producer, payload| {
        assert_eq!(producer.push_slice(&[payload])?, 1);
        Ok(())
    },
    |producer, payload| {
        let mut claim = producer.claim(payload.len())?;
        claim.copy_from_slice(payload);
        claim.commit();
        Ok(())
    },
    |producer, payload| TIMED_WRITES[0](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[1](producer, payload, FOREVER),
    |producer, payload| TIMED_WRITES[2](producer, payload, FOREVER),
];

const TIMED_WRITES: [TimedWrite; 3] = [
    FrameProducer::push_timeout,
    |producer, payload, timeout| {
        assert_eq!(producer.push_slice_timeout(&[payload], timeout)?, 1);
        Ok(())
    },
    |producer, payload, timeout| {
        let mut claim = producer.claim_timeout(payload.len(), timeout)?;
        claim.copy_from_slice(payload);
        claim.commit();
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
fn every_read_takes_what_is_there() {
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
fn every_read_waits_for_a_frame_that_comes() {
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
fn every_read_with_a_timeout_gives_up_when_nothing_comes() {
    on_both_kinds_of_ring::<[u8]>("frames-in-vain", 64, |_producer, mut consumer| {
        for read in TIMED_READS {
            let result = takes_its_time(|timeout| read(&mut consumer, timeout));
            assert_eq!(result, Err(PopError::Empty));
        }
    });
}

#[test]
fn every_read_ends_when_the_producer_leaves() {
    for read in READS {
        on_both_kinds_of_ring::<[u8]>("frames-alone", 64, |producer, mut consumer| {
            let result = while_waiting(move || read(&mut consumer), || drop(producer));
            assert_eq!(result, Err(PopError::Abandoned));
        });
    }
}

#[test]
fn a_wait_ends_at_once_when_the_buffer_is_too_short() {
    on_both_kinds_of_ring::<[u8]>("frames-too-short", 64, |mut producer, mut consumer| {
        producer.try_push(&payload(1)).expect("there is room");
        let too_short = Err(PopError::TooShort { needed: 24 });
        assert_eq!(consumer.pop(&mut [0; 23]), too_short);
        assert_eq!(consumer.pop_timeout(&mut [], FOREVER), too_short);
        assert_eq!(READS[0](&mut consumer), Ok(payload(1)));
    });
}

#[test]
fn every_write_uses_the_room_that_is_there() {
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
fn every_write_waits_for_room_that_comes() {
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
fn every_write_with_a_timeout_gives_up_when_no_room_comes() {
    on_both_kinds_of_ring::<[u8]>("room-in-vain", 64, |mut producer, mut consumer| {
        fill(&mut producer);
        for write in TIMED_WRITES {
            let result = takes_its_time(|timeout| write(&mut producer, &[], timeout));
            assert_eq!(result, Err(ClaimError::Full));
        }
        take(&mut consumer);
        take(&mut consumer);
        assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
    });
}

#[test]
fn every_write_ends_when_the_consumer_leaves() {
    for write in WRITES {
        on_both_kinds_of_ring::<[u8]>("room-alone", 64, |mut producer, consumer| {
            fill(&mut producer);
            let result = while_waiting(move || write(&mut producer, &[]), || drop(consumer));
            assert_eq!(result, Err(ClaimError::Abandoned));
        });
    }
}

#[test]
fn no_write_waits_for_a_frame_that_can_never_fit() {
    on_both_kinds_of_ring::<[u8]>("room-never", 64, |mut producer, _consumer| {
        for write in WRITES {
            let too_long = Err(ClaimError::TooLong {
                wanted: 25,
                longest: 24,
            });
            assert_eq!(write(&mut producer, &[0; 25]), too_long);
        }
    });
}

#[test]
fn an_empty_batch_waits_for_nothing() {
    on_both_kinds_of_ring::<[u8]>("batch-of-nothing", 64, |mut producer, _consumer| {
        fill(&mut producer);
        let nothing: [&[u8]; 0] = [];
        assert_eq!(producer.push_slice(&nothing), Ok(0));
    });
}
