//! Two threads use the two endpoints of one ring.
//!
//! Both endpoints use one mapping, so that ThreadSanitizer sees every access of
//! both: docs::testing has the command.

use std::thread;
use std::time::Duration;

use quoit::{DoorbellKind, PopError, Ring, RingOptions, WaitStrategy};

use super::{Short, receive, send};
use crate::common::calls::Calls;
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::sample::{Words, record};
use crate::common::segment_file::SegmentFile;

crate::common::suite::tests! {
    records_pass_between_threads,
    frames_pass_between_threads,
    endpoints_that_sleep_pass_messages,
    a_consumer_that_has_caught_up_gets_inline_copies,
}

const MESSAGES: u64 = 60_000;

fn pass<T: Calls + ?Sized>(options: &RingOptions, messages: u64) {
    let (mut producer, mut consumer) = options.heap::<T>().expect("there is memory");
    let writer = thread::spawn(move || send::<T>(&mut producer, messages));
    let reader = thread::spawn(move || {
        receive::<T>(&mut consumer, messages);
        consumer
    });
    writer.join().expect("the writer does not panic");
    // The memory is freed here: the sanitizer understands joins, but not the fence in the
    // drop of an `Arc`.
    drop(reader.join().expect("the reader does not panic"));
}

fn records_pass_between_threads() {
    for capacity in [1, 8, 16] {
        let options = RingOptions::new(capacity);
        pass::<u64>(&options, MESSAGES);
        pass::<Short>(&options, MESSAGES);
        pass::<Words<9>>(&options, MESSAGES);
    }
}

fn frames_pass_between_threads() {
    for capacity in [256, 512] {
        pass::<[u8]>(&RingOptions::new(capacity), MESSAGES);
    }
}

fn endpoints_that_sleep_pass_messages() {
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let options = RingOptions::new(1).doorbell(doorbell).spin(Duration::ZERO);
        pass::<u64>(&options, MESSAGES / 10);
    }
}

/// In a segment, where the test can see inline copies.
fn a_consumer_that_has_caught_up_gets_inline_copies() {
    let name = RingName::new("inline");
    // The hint of an endpoint that never parks is always set.
    let options = RingOptions::new(8).wait_strategy(WaitStrategy::Yield);
    let ring: Ring<Words<6>> = options.create(&name).expect("a ring");
    let (mut producer, mut consumer) = ends(&ring);
    let (mut reply, mut replies) = RingOptions::new(8).heap::<u64>().expect("there is memory");
    let file = SegmentFile::open(&name.file());
    let reader = thread::spawn(move || {
        for number in 0..MESSAGES / 30 {
            for _ in 0..16 {
                assert_eq!(consumer.try_pop(), Err(PopError::Empty));
            }
            reply.push(number).expect("there is room");
            assert_eq!(consumer.pop(), Ok(record(number)));
        }
        reply
    });
    for number in 0..MESSAGES / 30 {
        assert_eq!(replies.pop(), Ok(number));
        producer.push(record(number)).expect("there is room");
        // The word that one publish reads decides about the next.
        let inline = number < 1 || file.has_inline_copy();
        assert!(inline, "record {number} has no inline copy");
    }
    drop(reader.join().expect("the reader does not panic"));
}
