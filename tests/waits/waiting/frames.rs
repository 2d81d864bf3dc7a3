//! Waiting for frames, and for room for them.

use std::time::Duration;

use quoit::{ClaimError, PopError};

use super::{lasts_until_the_timeout, on_both_kinds_of_ring, patient};
use crate::common::calls::{Calls, Wait, fill, pop, ways};
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    a_read_into_a_buffer_that_is_too_short_ends_immediately,
    a_frame_that_can_never_fit_is_refused_immediately,
    an_empty_batch_does_not_wait,
    a_batch_does_not_wait_for_room_that_it_occupies_itself,
    all_frames_of_a_slice_larger_than_the_ring_are_pushed,
    frames_that_were_pushed_before_a_timeout_remain_published,
}

fn message(number: u64) -> (u32, Vec<u8>) {
    <[u8]>::message(number)
}

fn payload(number: u64) -> Vec<u8> {
    message(number).1
}

fn a_read_into_a_buffer_that_is_too_short_ends_immediately() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        producer.try_push(&payload(1)).expect("there is room");
        let too_short = Err(PopError::TooShort { needed: 24 });
        assert_eq!(consumer.pop(&mut [0; 23]), too_short);
        assert_eq!(consumer.pop_timeout(&mut [], Duration::MAX), too_short);
        assert_eq!(pop::<[u8]>(&mut consumer, Wait::Never), Ok(message(1)));
    });
}

fn a_frame_that_can_never_fit_is_refused_immediately() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, _consumer| {
        for write in ways(<[u8]>::WRITES, &patient()) {
            let written = (write.call)(&mut producer, &[(0, vec![0; 25])], write.wait, 0);
            assert_eq!(
                written,
                Err(ClaimError::TooLong { max: 24 }),
                "{}",
                write.name()
            );
        }
    });
}

fn an_empty_batch_does_not_wait() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, _consumer| {
        assert_eq!(fill::<[u8]>(&mut producer), 2);
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
            assert_eq!(
                pop::<[u8]>(&mut consumer, Wait::Never),
                Ok((7, payload(number)))
            );
        }
    });
}

fn all_frames_of_a_slice_larger_than_the_ring_are_pushed() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..20).map(payload).collect();
        let wait = move || {
            let mut popped = Vec::new();
            for _ in 0..20 {
                popped.push(pop::<[u8]>(&mut consumer, Wait::Forever));
            }
            popped
        };
        let act = || {
            let pushed = producer.push_all(7, &payloads);
            pushed.expect("the consumer is attached");
        };
        let popped = while_waiting(wait, act);
        assert!(
            popped
                .into_iter()
                .eq((0..20).map(|number| Ok((7, payload(number)))))
        );
    });
}

fn frames_that_were_pushed_before_a_timeout_remain_published() {
    on_both_kinds_of_ring::<[u8]>(64, |mut producer, mut consumer| {
        let payloads: Vec<_> = (0..3).map(payload).collect();
        let pushed =
            lasts_until_the_timeout(|timeout| producer.push_all_timeout(0, &payloads, timeout));
        assert_eq!(pushed, Err(ClaimError::TimedOut));
        for number in 0..2 {
            assert_eq!(pop::<[u8]>(&mut consumer, Wait::Never), Ok(message(number)));
        }
        assert_eq!(consumer.try_pop(&mut []), Err(PopError::Empty));
    });
}
