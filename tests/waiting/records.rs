//! Waiting for records, and for room for them.

use std::time::Duration;

use quoit::{ClaimError, Consumer, PopError, Producer, PushError};

use super::{on_both_kinds_of_ring, takes_its_time};
use crate::common::threads::while_waiting;

type Read = fn(&mut Consumer<u64>) -> Result<u64, PopError>;
type TimedRead = fn(&mut Consumer<u64>, Duration) -> Result<u64, PopError>;
type Write = fn(&mut Producer<u64>, u64) -> Result<(), ClaimError>;
type TimedWrite = fn(&mut Producer<u64>, u64, Duration) -> Result<(), ClaimError>;

const FOREVER: Duration = Duration::MAX;

const READS: [Read; 6] = [
    Consumer::<u64>::pop,
    |consumer| {
        let mut values = [0; 4];
        assert_eq!(consumer.pop_slice(&mut values)?, 1);
        Ok(values[0])
    },
    |consumer| {
        let peek = consumer.peek()?;
        let value = *peek;
        peek.release();
        Ok(value)
    },
    |consumer| TIMED_READS[0](consumer, FOREVER),
    |consumer| TIMED_READS[1](consumer, FOREVER),
    |consumer| TIMED_READS[2](consumer, FOREVER),
];

const TIMED_READS: [TimedRead; 3] = [
    Consumer::<u64>::pop_timeout,
    |consumer, timeout| {
        let mut values = [0; 4];
        assert_eq!(consumer.pop_slice_timeout(&mut values, timeout)?, 1);
        Ok(values[0])
    },
    |consumer, timeout| {
        let peek = consumer.peek_timeout(timeout)?;
        let value = *peek;
        peek.release();
        Ok(value)
    },
];

const WRITES: [Write; 6] = [
    |producer, value| producer.push(value).map_err(|error| reason(error, value)),
    |producer, value| {
        assert_eq!(producer.push_slice(&[value])?, 1);
        Ok(())
    },
    |producer, value| {
        let mut claim = producer.claim()?;
        *claim = value;
        claim.commit();
        Ok(())
    },
    |producer, value| TIMED_WRITES[0](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[1](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[2](producer, value, FOREVER),
];

const TIMED_WRITES: [TimedWrite; 3] = [
    |producer, value, timeout| {
        let pushed = producer.push_timeout(value, timeout);
        pushed.map_err(|error| reason(error, value))
    },
    |producer, value, timeout| {
        assert_eq!(producer.push_slice_timeout(&[value], timeout)?, 1);
        Ok(())
    },
    |producer, value, timeout| {
        let mut claim = producer.claim_timeout(timeout)?;
        *claim = value;
        claim.commit();
        Ok(())
    },
];

/// Why a push was refused; the value that was pushed must have come back.
fn reason(error: PushError<u64>, pushed: u64) -> ClaimError {
    assert_eq!(error.into_inner(), pushed);
    match error {
        PushError::Full(_) => ClaimError::Full,
        PushError::Abandoned(_) => ClaimError::Abandoned,
        PushError::Superseded(_) => ClaimError::Superseded,
        PushError::Corrupt(_, corrupt) => ClaimError::Corrupt(corrupt),
    }
}

#[test]
fn every_read_takes_what_is_there() {
    on_both_kinds_of_ring::<u64>("reads-at-once", 1, |mut producer, mut consumer| {
        for (value, read) in (0..).zip(READS) {
            producer.try_push(value).expect("there is room");
            assert_eq!(read(&mut consumer), Ok(value));
        }
        for (value, read) in (0..).zip(TIMED_READS) {
            producer.try_push(value).expect("there is room");
            assert_eq!(read(&mut consumer, Duration::ZERO), Ok(value));
        }
    });
}

#[test]
fn every_read_waits_for_a_record_that_comes() {
    on_both_kinds_of_ring::<u64>("reads-later", 1, |mut producer, mut consumer| {
        for (value, read) in (0..).zip(READS) {
            let wait = move || (read(&mut consumer), consumer);
            let act = || producer.try_push(value).expect("there is room");
            let (result, back) = while_waiting(wait, act);
            assert_eq!(result, Ok(value));
            consumer = back;
        }
    });
}

#[test]
fn every_read_with_a_timeout_gives_up_when_nothing_comes() {
    on_both_kinds_of_ring::<u64>("reads-in-vain", 1, |_producer, mut consumer| {
        for read in TIMED_READS {
            let result = takes_its_time(|timeout| read(&mut consumer, timeout));
            assert_eq!(result, Err(PopError::Empty));
        }
    });
}

#[test]
fn every_read_ends_when_the_producer_leaves() {
    for read in READS {
        on_both_kinds_of_ring::<u64>("reads-alone", 1, |producer, mut consumer| {
            let result = while_waiting(move || read(&mut consumer), || drop(producer));
            assert_eq!(result, Err(PopError::Abandoned));
        });
    }
}

#[test]
fn every_write_uses_the_room_that_is_there() {
    on_both_kinds_of_ring::<u64>("writes-at-once", 1, |mut producer, mut consumer| {
        for (value, write) in (0..).zip(WRITES) {
            assert_eq!(write(&mut producer, value), Ok(()));
            assert_eq!(consumer.try_pop(), Ok(value));
        }
        for (value, write) in (0..).zip(TIMED_WRITES) {
            assert_eq!(write(&mut producer, value, Duration::ZERO), Ok(()));
            assert_eq!(consumer.try_pop(), Ok(value));
        }
    });
}

#[test]
fn every_write_waits_for_room_that_comes() {
    on_both_kinds_of_ring::<u64>("writes-later", 1, |mut producer, mut consumer| {
        producer.try_push(0).expect("there is room");
        for (value, write) in (0..).zip(WRITES) {
            let wait = move || (write(&mut producer, value + 1), producer);
            let act = || assert_eq!(consumer.try_pop(), Ok(value));
            let (result, back) = while_waiting(wait, act);
            assert_eq!(result, Ok(()));
            producer = back;
        }
    });
}

#[test]
fn every_write_with_a_timeout_gives_up_when_no_room_comes() {
    on_both_kinds_of_ring::<u64>("writes-in-vain", 1, |mut producer, mut consumer| {
        producer.try_push(7).expect("there is room");
        for write in TIMED_WRITES {
            let result = takes_its_time(|timeout| write(&mut producer, 8, timeout));
            assert_eq!(result, Err(ClaimError::Full));
        }
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    });
}

#[test]
fn every_write_ends_when_the_consumer_leaves() {
    for write in WRITES {
        on_both_kinds_of_ring::<u64>("writes-alone", 1, |mut producer, consumer| {
            producer.try_push(0).expect("there is room");
            let result = while_waiting(move || write(&mut producer, 1), || drop(consumer));
            assert_eq!(result, Err(ClaimError::Abandoned));
        });
    }
}

#[test]
fn empty_slices_wait_for_nothing() {
    on_both_kinds_of_ring::<u64>("slices-of-nothing", 1, |mut producer, mut consumer| {
        assert_eq!(consumer.pop_slice(&mut []), Ok(0));
        producer.try_push(0).expect("there is room");
        assert_eq!(producer.push_slice(&[]), Ok(0));
    });
}
