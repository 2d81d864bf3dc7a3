//! Waiting for records, and for room for them.

use std::time::{Duration, Instant};

use quoit::{ClaimError, Consumer, PopError, Producer, PushError};

use super::{
    Read, TimedRead, TimedWrite, Waits, Write, lasts_until_the_timeout, on_both_kinds_of_ring,
};
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    empty_slices_do_not_wait,
    calls_for_more_than_the_capacity_are_refused,
    an_exact_call_waits_until_there_is_enough,
    an_exact_call_that_times_out_keeps_its_records,
    a_deadline_is_a_duration_an_instant_or_none,
}

impl Waits for u64 {
    type Message = u64;
    const CAPACITY: u64 = 1;
    const READS: &'static [Read<Self::Consumer, u64>] = &[
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
    ];
    const TIMED_READS: &'static [TimedRead<Self::Consumer, u64>] = &[
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
    const WRITES: &'static [Write<Self::Producer, u64>] = &[
        |producer, &value| producer.push(value).map_err(|error| reason(error, value)),
        |producer, &value| {
            assert_eq!(producer.push_slice(&[value])?, 1);
            Ok(())
        },
        |producer, &value| {
            let mut claim = producer.claim()?;
            claim.write(value);
            claim.commit();
            Ok(())
        },
        |producer, &value| producer.push_all(&[value]),
        |producer, &value| match producer.extend([value]) {
            Ok(count) => {
                assert_eq!(count, 1);
                Ok(())
            }
            Err(error) => Err(reason(error, value)),
        },
        |producer, &value| {
            let mut claim = producer.claim_many(1)?;
            claim.write(0, value);
            claim.commit();
            Ok(())
        },
    ];
    const TIMED_WRITES: &'static [TimedWrite<Self::Producer, u64>] = &[
        |producer, &value, timeout| {
            let pushed = producer.push_timeout(value, timeout);
            pushed.map_err(|error| reason(error, value))
        },
        |producer, &value, timeout| {
            assert_eq!(producer.push_slice_timeout(&[value], timeout)?, 1);
            Ok(())
        },
        |producer, &value, timeout| {
            let mut claim = producer.claim_timeout(timeout)?;
            claim.write(value);
            claim.commit();
            Ok(())
        },
        |producer, &value, timeout| producer.push_all_timeout(&[value], timeout),
        |producer, &value, timeout| {
            let mut claim = producer.claim_many_timeout(1, timeout)?;
            claim.copy_from_slice(&[value]);
            claim.commit();
            Ok(())
        },
    ];

    fn message(number: u8) -> u64 {
        number.into()
    }

    fn try_push(producer: &mut Producer<u64>, &value: &u64) -> Result<(), ClaimError> {
        producer
            .try_push(value)
            .map_err(|error| reason(error, value))
    }

    fn try_pop(consumer: &mut Consumer<u64>) -> Result<u64, PopError> {
        consumer.try_pop()
    }
}

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

fn empty_slices_do_not_wait() {
    on_both_kinds_of_ring::<u64>(1, |mut producer, mut consumer| {
        assert_eq!(consumer.pop_slice(&mut []), Ok(0));
        assert_eq!(consumer.pop_exact(&mut []), Ok(()));
        producer.try_push(0).expect("there is room");
        assert_eq!(producer.push_slice(&[]), Ok(0));
        assert_eq!(producer.push_all(&[]), Ok(()));
        assert_eq!(producer.extend([]), Ok(0));
        assert!(producer.claim_many(0).expect("nothing").is_empty());
    });
}

fn calls_for_more_than_the_capacity_are_refused() {
    on_both_kinds_of_ring::<u64>(4, |mut producer, mut consumer| {
        let claimed = producer.claim_many(5).map(drop);
        assert_eq!(claimed, Err(ClaimError::TooLong { max: 4 }));
        let peeked = consumer.peek_many(5).map(drop);
        assert_eq!(peeked, Err(PopError::TooMany { max: 4 }));
    });
}

fn an_exact_call_waits_until_there_is_enough() {
    on_both_kinds_of_ring::<u64>(4, |mut producer, mut consumer| {
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

fn an_exact_call_that_times_out_keeps_its_records() {
    on_both_kinds_of_ring::<u64>(4, |mut producer, mut consumer| {
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

fn a_deadline_is_a_duration_an_instant_or_none() {
    on_both_kinds_of_ring::<u64>(1, |mut producer, mut consumer| {
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
