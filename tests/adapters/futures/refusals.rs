//! Rings and kernels that async endpoints refuse, and ones that they accept.

use std::fmt::Display;
use std::io;

use futures_executor::block_on;
use futures_util::StreamExt;
use quoit::{AsyncError, DoorbellKind, IntoAsyncError, RingOptions};

use super::Plain;
use super::calls::AsyncCalls;
use crate::common::calls::{Wait, pop, push};
use crate::common::forbid::forbid;
use crate::common::refused::is;
use crate::common::rings::heap;
use crate::common::sample::Words;

crate::common::suite::tests! {
    a_semaphore_ring_is_refused_and_its_endpoints_are_returned,
    the_hundred_and_twenty_eighth_endpoint_is_refused,
    a_kernel_that_cannot_wait_for_many_is_refused,
}

/// Checks the reason and its text; returns the endpoint.
fn returned<E: Plain>(end: E) -> E {
    let refused = end.into_async().err().expect("a semaphore");
    is!(refused.reason() => AsyncError::NotAFutex);
    assert!(refused.to_string().contains("DoorbellKind::Futex"));
    assert_eq!(format!("{refused:?}"), refused.to_string());
    assert_eq!(format!("{refused:#?}"), "NotAFutex");
    refused.into_inner()
}

/// The endpoints have their roles and their state.
fn are_returned<T: AsyncCalls + ?Sized>() {
    let options = RingOptions::new(64).doorbell(DoorbellKind::Semaphore);
    let (producer, consumer) = options.heap::<T>().expect("a ring");
    let (mut producer, mut consumer) = (returned(producer), returned(consumer));
    push::<T>(&mut producer, &T::message(7), Wait::Never).expect("there is room");
    assert_eq!(pop::<T>(&mut consumer, Wait::Forever), Ok(T::message(7)));
    is_of_kind(producer.into_async(), io::ErrorKind::InvalidInput, "");
    let ended = pop::<T>(&mut consumer, Wait::Forever);
    assert_eq!(ended, Err(quoit::PopError::Abandoned), "it was dropped");
}

fn a_semaphore_ring_is_refused_and_its_endpoints_are_returned() {
    are_returned::<Words<2>>();
    are_returned::<[u8]>();
}

/// Checks the kind of an error, and what it says.
fn is_of_kind<A, E>(refused: Result<A, IntoAsyncError<E>>, kind: io::ErrorKind, says: &str)
where
    IntoAsyncError<E>: Display,
{
    let error = refused.err().expect("it is refused");
    let text = error.to_string();
    assert!(text.contains(says), "{text}");
    assert_eq!(io::Error::from(error).kind(), kind);
}

fn the_hundred_and_twenty_eighth_endpoint_is_refused() {
    let end = || heap::<u64>(8).1;
    let mut ends: Vec<_> = (0..127).map(|_| end().asynchronous()).collect();
    let error = end().into_async().expect_err("one too many");
    is!(error.reason() => AsyncError::TooManyEnds);
    is_of_kind(Err::<(), _>(error), io::ErrorKind::QuotaExceeded, "127");
    // All of them sleep, and all are woken.
    for end in &mut ends {
        assert_eq!(block_on(end.next()), None);
    }
    ends.pop();
    drop(end().asynchronous());
}

fn a_kernel_that_cannot_wait_for_many_is_refused() {
    forbid(libc::SYS_futex_waitv);
    let (producer, _consumer) = heap::<u64>(8);
    let error = producer.into_async().expect_err("no system call");
    is!(error.reason() => AsyncError::Unsupported(_));
    is_of_kind(
        Err::<(), _>(error),
        io::ErrorKind::Unsupported,
        "Linux 5.16",
    );
}
