//! Rings and kernels that async endpoints refuse, and ones that they accept.

use std::io;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use quoit::{AsyncError, Consumer, DoorbellKind, PopError, Popped, Producer, RingOptions};

use super::reactor::{bell, poll_with};
use super::{assert_no_rescues, poll_once};
use crate::common::PATIENCE;
use crate::common::child::{Child, say};
use crate::common::forbid::forbid;
use crate::common::rings::named;

crate::common::suite::tests! {
    a_semaphore_ring_is_refused,
    a_refused_endpoint_of_frames_is_returned,
    the_hundred_and_twenty_eighth_endpoint_is_refused,
    a_kernel_that_cannot_wait_for_many_is_refused,
    a_kernel_without_barriers_suffices;
    parts: process_without_waitv, process_without_barriers
}

fn a_semaphore_ring_is_refused() {
    let options = RingOptions::new(8).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<u64>().expect("a ring");
    let error = consumer.into_async().expect_err("a semaphore");
    assert!(matches!(error.reason(), AsyncError::NotAFutex));
    assert!(error.to_string().contains("DoorbellKind::Futex"));
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), "NotAFutex");
    // The error returns the endpoint, with its role and its state.
    let mut consumer = error.into_inner();
    let refused = producer.into_async().expect_err("a semaphore");
    let mut producer = refused.into_inner();
    producer.try_push(7).expect("there is room");
    assert_eq!(consumer.pop(), Ok(7));
    let error = io::Error::from(producer.into_async().expect_err("a semaphore"));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    // In the first case the producer was dropped.
    assert_eq!(consumer.pop(), Err(PopError::Abandoned));
}

fn a_refused_endpoint_of_frames_is_returned() {
    let options = RingOptions::new(64).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<[u8]>().expect("a ring");
    let refused = producer.into_async().expect_err("a semaphore");
    assert!(matches!(refused.reason(), AsyncError::NotAFutex));
    let mut producer = refused.into_inner();
    let refused = consumer.into_async().expect_err("a semaphore");
    assert!(matches!(refused.reason(), AsyncError::NotAFutex));
    let mut consumer = refused.into_inner();
    producer.try_push(b"seven").expect("there is room");
    let popped = Popped { len: 5, kind: 0 };
    assert_eq!(consumer.pop(&mut [0; 24]), Ok(popped));
}

fn the_hundred_and_twenty_eighth_endpoint_is_refused() {
    #[expect(clippy::result_large_err, reason = "the error returns the endpoint")]
    let end = || {
        let (_, consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
        consumer.into_async()
    };
    let mut ends = Vec::new();
    for _ in 0..127 {
        ends.push(end().expect("one of 127"));
    }
    let error = end().expect_err("one too many");
    assert!(matches!(error.reason(), AsyncError::TooManyEnds));
    assert!(error.to_string().contains("127"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::QuotaExceeded);
    // All of them sleep, and all are woken.
    for end in &mut ends {
        let gone = futures_executor::block_on(end.next());
        assert_eq!(gone, None);
    }
    ends.pop();
    drop(end().expect("there is room again"));
}

/// Is refused, and checks the error.
fn process_without_waitv(_: &[String]) {
    forbid(libc::SYS_futex_waitv);
    let (producer, _consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
    let error = producer.into_async().expect_err("no system call");
    assert!(matches!(error.reason(), AsyncError::Unsupported(_)));
    say(&error);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
}

fn a_kernel_that_cannot_wait_for_many_is_refused() {
    let child = Child::start("process_without_waitv", &[]);
    let error = child.says();
    assert!(error.contains("Linux 5.16"), "{error}");
    child.succeeds();
}

/// Reads messages, with pauses.
fn process_without_barriers(arguments: &[String]) {
    forbid(libc::SYS_membarrier);
    let consumer = Consumer::<u64>::open(&arguments[0]).expect("the role is free");
    let mut consumer = consumer.into_async().expect("an async endpoint");
    // No barrier protects the first sleep, so its timeout is short.
    let (waker, wakes) = bell();
    assert!(poll_with(&waker, consumer.pop()).is_pending());
    assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
    say("ready");
    for number in 0..5000 {
        if number % 1000 == 0 {
            assert!(poll_once(pin!(consumer.pop())).is_pending());
            say("more");
        }
        let next = futures_executor::block_on(consumer.next());
        assert_eq!(next, Some(Ok(number)));
    }
}

fn a_kernel_without_barriers_suffices() {
    let (ring, name) = named::<u64>("no-barriers", &RingOptions::new(8));
    let mut producer: Producer<u64> = ring.producer().expect("the role is free");
    let child = Child::start("process_without_barriers", &[name.as_str()]);
    child.expect("ready");
    for number in 0..5000 {
        if number % 1000 == 0 {
            child.expect("more");
            thread::sleep(Duration::from_millis(5));
        }
        producer.push(number).expect("a reader");
    }
    child.succeeds();
    assert_no_rescues(&name);
}
