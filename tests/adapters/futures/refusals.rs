//! Rings and kernels that no task and no event loop can wait for. The endpoints are returned.

use std::error::Error as _;
use std::io;
use std::process;

use futures_executor::block_on;
use quoit::{AsyncError, DoorbellKind, IntoAsyncError, PopError, RingOptions};

use super::{Plain, heap_out, is_pending};
use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::forbid::forbid;
use crate::common::refused::is;
use crate::common::rings::heap;
use crate::common::threads::{tasks, while_waiting};

crate::common::suite::tests! {
    a_semaphore_ring_is_refused_and_its_endpoints_are_returned,
    one_thread_sleeps_for_127_endpoints_and_no_more,
    a_kernel_that_cannot_wait_for_many_is_refused,
}

/// Checks what the error says; returns the endpoint.
fn returned<A, E>(refused: Result<A, IntoAsyncError<E>>) -> E {
    let refused = refused.err().expect("a semaphore");
    is!(refused.reason() => AsyncError::NotAFutex);
    assert_eq!(refused.to_string(), AsyncError::NotAFutex.to_string());
    assert_eq!(format!("{refused:?}"), refused.to_string());
    assert_eq!(format!("{refused:#?}"), "NotAFutex");
    assert!(refused.source().is_none());
    refused.into_inner()
}

/// They have their roles and their state. Dropped with their errors, they close.
macro_rules! are_returned {
    ($shape:ty $(, $len:literal)?) => {
        let options = RingOptions::new(64).doorbell(DoorbellKind::Semaphore);
        let (producer, consumer) = options.heap::<$shape>().expect("a ring");
        let producer = returned(producer.into_async());
        let consumer = returned(consumer.into_async());
        let mut producer = returned(producer.into_pollable($($len)?));
        let mut consumer = returned(consumer.into_pollable());
        let message = <$shape>::message(7);
        push::<$shape>(&mut producer, &message, Wait::Never).expect("there is room");
        assert_eq!(pop::<$shape>(&mut consumer, Wait::Forever), Ok(message));
        drop(producer.into_async());
        let ended = pop::<$shape>(&mut consumer, Wait::Forever);
        assert_eq!(ended, Err(PopError::Abandoned));
    };
}

fn a_semaphore_ring_is_refused_and_its_endpoints_are_returned() {
    are_returned!(u64);
    are_returned!([u8], 8);
}

/// Each of them sleeps, and is woken.
fn one_thread_sleeps_for_127_endpoints_and_no_more() {
    let pairs = (0..127).map(|_| heap_out::<u64>(8));
    let (producers, mut consumers): (Vec<_>, Vec<_>) = pairs.unzip();
    for consumer in &mut consumers {
        assert!(is_pending(consumer.pop()));
    }
    let refused = heap::<u64>(8).1.into_async().expect_err("one too many");
    assert!(refused.to_string().contains("127"), "{refused}");
    assert_eq!(
        io::Error::from(refused).kind(),
        io::ErrorKind::QuotaExceeded
    );
    assert_eq!(
        tasks(process::id()).len(),
        2,
        "this one, and one for all endpoints"
    );
    let popped = consumers
        .into_iter()
        .map(|mut consumer| async move { consumer.pop().await });
    let popped = futures_util::future::join_all(popped);
    let ended = while_waiting(move || block_on(popped), || drop(producers));
    assert_eq!(ended, vec![Err(PopError::Abandoned); 127]);
    drop(heap::<u64>(8).1.asynchronous());
}

fn a_kernel_that_cannot_wait_for_many_is_refused() {
    forbid(libc::SYS_futex_waitv);
    let (producer, _consumer) = heap::<u64>(8);
    let refused = producer.into_async().expect_err("no system call");
    assert!(refused.to_string().contains("Linux 5.16"), "{refused}");
    is!(AsyncError::from(refused) => AsyncError::Unsupported(_));
}
