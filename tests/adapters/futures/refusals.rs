//! Rings and kernels that no task and no event loop can wait for. The endpoints are returned.

use std::error::Error as _;
use std::io;
use std::process;

use futures_executor::block_on;
use quoit::{AsyncError, DoorbellKind, IntoAsyncError, PopError, RingOptions};

use super::{Plain, heap_out, is_pending};
use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::forbid::forbid;
use crate::common::fork::in_a_child;
use crate::common::refused::is;
use crate::common::rings::heap;
use crate::common::threads::{tasks, while_waiting};

crate::common::suite::tests! {
    a_semaphore_ring_is_refused_and_its_endpoints_are_returned,
    one_thread_sleeps_for_127_endpoints_and_no_more,
    without_a_system_call_the_endpoint_is_returned,
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

/// Each refusal says what to do, and returns the endpoint.
fn without_a_system_call_the_endpoint_is_returned() {
    for (calls, text) in [
        (&[libc::SYS_futex_waitv][..], "Linux 5.16"),
        (&[libc::SYS_clone3, libc::SYS_clone], "ulimit -u"),
    ] {
        in_a_child(|| {
            calls.iter().copied().for_each(forbid);
            let (producer, mut consumer) = heap::<u64>(8);
            let refused = producer.into_async().expect_err("no system call");
            is!(refused.reason() => AsyncError::Unsupported(_) | AsyncError::NoThread(_));
            assert!(refused.to_string().contains(text), "{refused}");
            let mut producer = refused.into_inner();
            assert_eq!((producer.try_push(7), consumer.try_pop()), (Ok(()), Ok(7)));
        });
    }
}
