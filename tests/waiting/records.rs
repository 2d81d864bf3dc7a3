//! Waiting for records, and for room for them.

use std::time::{Duration, Instant};

use quoit::{ClaimError, Consumer, PopError, Producer, PushError};

use super::{lasts_until_the_timeout, on_both_kinds_of_ring};
use crate::common::threads::while_waiting;

type Read = fn(&mut Consumer<u64>) -> Result<u64, PopError>;
type TimedRead = fn(&mut Consumer<u64>, Duration) -> Result<u64, PopError>;
type Write = fn(&mut Producer<u64>, u64) -> Result<(), ClaimError>;
type TimedWrite = fn(&mut Producer<u64>, u64, Duration) -> Result<(), ClaimError>;

const FOREVER: Duration = Duration::MAX;

const READS: [Read; 11] = [
    Consumer::<u64>::pop,
    |consumer| {
        let mut values = [0; 4];
        assert_eq!(consumer.pop_slice(&mut values)?, 1);
        Ok(values[0])
    },
    |consumer| {
        let peek = consumer.peek()?;
        let value = peek.read();
        peek.release();
        Ok(value)
    },
    |consumer| {
        let mut values = [0; 1];
        consumer.pop_exact(&mut values)?;
        Ok(values[0])
    },
    |consumer| {
        let peek = consumer.peek_many(1)?;
        let value = peek.read(0).expect("at least one");
        peek.release();
        Ok(value)
    },
    |consumer| consumer.iter().next().ok_or(PopError::Abandoned),
    |consumer| TIMED_READS[0](consumer, FOREVER),
    |consumer| TIMED_READS[1](consumer, FOREVER),
    |consumer| TIMED_READS[2](consumer, FOREVER),
    |consumer| TIMED_READS[3](consumer, FOREVER),
    |consumer| TIMED_READS[4](consumer, FOREVER),
];

const TIMED_READS: [TimedRead; 5] = [
    |consumer, timeout| consumer.pop_timeout(timeout),
    |consumer, timeout| {
        let mut values = [0; 4];
        assert_eq!(consumer.pop_slice_timeout(&mut values, timeout)?, 1);
        Ok(values[0])
    },
    |consumer, timeout| {
        let peek = consumer.peek_timeout(timeout)?;
        let value = peek.read();
        peek.release();
        Ok(value)
    },
    |consumer, timeout| {
        let mut values = [0; 1];
        consumer.pop_exact_timeout(&mut values, timeout)?;
        Ok(values[0])
    },
    |consumer, timeout| {
        let peek = consumer.peek_many_timeout(1, timeout)?;
        let value = peek.read(0).expect("at least one");
        peek.release();
        Ok(value)
    },
];

const WRITES: [Write; 11] = [
    |producer, value| producer.push(value).map_err(|error| reason(error, value)),
    |producer, value| {
        assert_eq!(producer.push_slice(&[value])?, 1);
        Ok(())
    },
    |producer, value| {
        let mut claim = producer.claim()?;
        claim.write(value);
        claim.commit();
        Ok(())
    },
    |producer, value| producer.push_all(&[value]),
    |producer, value| match producer.extend([value]) {
        Ok(count) => {
            assert_eq!(count, 1);
            Ok(())
        }
        Err(error) => Err(reason(error, value)),
    },
    |producer, value| {
        let mut claim = producer.claim_many(1)?;
        claim.write(0, value);
        claim.commit();
        Ok(())
    },
    |producer, value| TIMED_WRITES[0](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[1](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[2](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[3](producer, value, FOREVER),
    |producer, value| TIMED_WRITES[4](producer, value, FOREVER),
];

const TIMED_WRITES: [TimedWrite; 5] = [
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
        claim.write(value);
        claim.commit();
        Ok(())
    },
    |producer, value, timeout| producer.push_all_timeout(&[value], timeout),
    |producer, value, timeout| {
        let mut claim = producer.claim_many_timeout(1, timeout)?;
        claim.copy_from_slice(&[value]);
        claim.commit();
        Ok(())
    },
];

/// The error of a push; the pushed value must have been returned.
fn reason(error: PushError<u64>, pushed: u64) -> ClaimError {
    assert_eq!(error.into_inner(), pushed);
    match error {
        PushError::Full(_) => ClaimError::Full,
        PushError::TimedOut(_) => ClaimError::TimedOut,
        PushError::Abandoned(_) => ClaimError::Abandoned,
        PushError::Superseded(_) => ClaimError::Superseded,
        PushError::Corrupt(_) => ClaimError::Corrupt,
        PushError::ReactorDied(_) => ClaimError::ReactorDied,
    }
}

#[test]
fn every_read_takes_a_message_that_has_arrived() {
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
fn every_read_waits_for_a_record() {
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
fn every_read_with_a_timeout_times_out_on_an_empty_ring() {
    on_both_kinds_of_ring::<u64>("reads-in-vain", 1, |_producer, mut consumer| {
        for read in TIMED_READS {
            let result = lasts_until_the_timeout(|timeout| read(&mut consumer, timeout));
            assert_eq!(result, Err(PopError::TimedOut));
        }
    });
}

#[test]
fn every_read_ends_when_the_producer_closes() {
    for read in READS {
        on_both_kinds_of_ring::<u64>("reads-alone", 1, |producer, mut consumer| {
            let result = while_waiting(move || read(&mut consumer), || drop(producer));
            assert_eq!(result, Err(PopError::Abandoned));
        });
    }
}

#[test]
fn every_write_uses_existing_room() {
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
fn every_write_waits_for_room() {
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
fn every_write_with_a_timeout_times_out_on_a_full_ring() {
    on_both_kinds_of_ring::<u64>("writes-in-vain", 1, |mut producer, mut consumer| {
        producer.try_push(7).expect("there is room");
        for write in TIMED_WRITES {
            let result = lasts_until_the_timeout(|timeout| write(&mut producer, 8, timeout));
            assert_eq!(result, Err(ClaimError::TimedOut));
        }
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    });
}

#[test]
fn every_write_ends_when_the_consumer_closes() {
    for write in WRITES {
        on_both_kinds_of_ring::<u64>("writes-alone", 1, |mut producer, consumer| {
            producer.try_push(0).expect("there is room");
            let result = while_waiting(move || write(&mut producer, 1), || drop(consumer));
            assert_eq!(result, Err(ClaimError::Abandoned));
        });
    }
}

#[test]
fn empty_slices_do_not_wait() {
    on_both_kinds_of_ring::<u64>("slices-of-nothing", 1, |mut producer, mut consumer| {
        assert_eq!(consumer.pop_slice(&mut []), Ok(0));
        assert_eq!(consumer.pop_exact(&mut []), Ok(()));
        producer.try_push(0).expect("there is room");
        assert_eq!(producer.push_slice(&[]), Ok(0));
        assert_eq!(producer.push_all(&[]), Ok(()));
        assert_eq!(producer.extend([]), Ok(0));
        assert!(producer.claim_many(0).expect("nothing").is_empty());
    });
}

#[test]
fn calls_for_more_than_the_capacity_are_refused() {
    on_both_kinds_of_ring::<u64>("more-than-all", 4, |mut producer, mut consumer| {
        let claimed = producer.claim_many(5).map(drop);
        assert_eq!(claimed, Err(ClaimError::TooLong { max: 4 }));
        let peeked = consumer.peek_many(5).map(drop);
        assert_eq!(peeked, Err(PopError::TooMany { max: 4 }));
    });
}

#[test]
fn an_exact_call_waits_until_there_is_enough() {
    on_both_kinds_of_ring::<u64>("exact", 4, |mut producer, mut consumer| {
        assert_eq!(producer.try_push_slice(&[0, 1]), Ok(2));
        let wait = move || {
            let mut claim = producer.claim_many(3).expect("room comes");
            claim.copy_from_slice(&[2, 3, 4]);
            claim.commit();
            producer
        };
        let act = || assert_eq!(consumer.try_pop(), Ok(0));
        let mut producer = while_waiting(wait, act);
        assert_eq!(consumer.skip(3), Ok(3));
        let wait = move || {
            let peek = consumer.peek_many(3).expect("they come");
            assert!(peek.iter().eq(4..7));
            peek.release();
            consumer
        };
        let act = || assert_eq!(producer.try_push_slice(&[5, 6]), Ok(2));
        let mut consumer = while_waiting(wait, act);
        let wait = move || {
            let mut values = [0; 20];
            consumer.pop_exact(&mut values).map(|()| values)
        };
        let values: [u64; 20] = std::array::from_fn(|at| at as u64);
        let act = || {
            producer
                .push_all(&values)
                .expect("the consumer is attached")
        };
        assert_eq!(while_waiting(wait, act), Ok(values));
    });
}

#[test]
fn an_exact_call_that_times_out_keeps_its_records() {
    on_both_kinds_of_ring::<u64>("exact-in-vain", 4, |mut producer, mut consumer| {
        let pushed =
            lasts_until_the_timeout(|timeout| producer.push_all_timeout(&[0, 1, 2, 3, 4], timeout));
        assert_eq!(
            (pushed, producer.position()),
            (Err(ClaimError::TimedOut), 4)
        );
        let claimed =
            lasts_until_the_timeout(|timeout| producer.claim_many_timeout(1, timeout).map(drop));
        assert_eq!(claimed, Err(ClaimError::TimedOut));
        let mut values = [9; 5];
        let popped =
            lasts_until_the_timeout(|timeout| consumer.pop_exact_timeout(&mut values, timeout));
        assert_eq!((popped, consumer.position()), (Err(PopError::TimedOut), 4));
        assert_eq!(values, [0, 1, 2, 3, 9]);
        producer.try_push(4).expect("there is room");
        let peeked =
            lasts_until_the_timeout(|timeout| consumer.peek_many_timeout(2, timeout).map(drop));
        assert_eq!(peeked, Err(PopError::TimedOut));
        drop(producer);
        let peeked = consumer.peek_many(2).map(drop);
        assert_eq!(peeked, Err(PopError::Abandoned));
        assert_eq!(
            consumer.try_pop(),
            Ok(4),
            "the remaining records can still be read"
        );
    });
}

#[test]
fn a_deadline_is_a_duration_an_instant_or_none() {
    on_both_kinds_of_ring::<u64>("deadlines", 1, |mut producer, mut consumer| {
        let popped =
            lasts_until_the_timeout(|timeout| consumer.pop_timeout(Instant::now() + timeout));
        assert_eq!(popped, Err(PopError::TimedOut));
        let popped = lasts_until_the_timeout(|timeout| consumer.pop_timeout(Some(timeout)));
        assert_eq!(popped, Err(PopError::TimedOut));
        // An instant in the past does not prevent an immediate pop.
        producer.try_push(7).expect("there is room");
        let pushed = producer.push_timeout(8, Instant::now());
        assert_eq!(pushed, Err(PushError::TimedOut(8)));
        assert_eq!(consumer.pop_timeout(Instant::now()), Ok(7));
        let wait = move || consumer.pop_timeout(None::<Duration>);
        let act = || producer.try_push(9).expect("there is room");
        assert_eq!(while_waiting(wait, act), Ok(9));
    });
}
