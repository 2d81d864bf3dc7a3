//! Waiting for records, and for room for them.

use std::time::{Duration, Instant};

use quoit::{ClaimError, PopError, PushError};

use super::{lasts_until_the_timeout, on_both_kinds_of_ring};
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    empty_slices_do_not_wait,
    calls_for_more_than_the_capacity_are_refused,
    an_exact_call_waits_until_there_is_enough,
    an_exact_call_that_times_out_keeps_its_records,
    a_deadline_is_a_duration_an_instant_or_none,
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
