//! Every method that waits: it returns immediately if it can, waits otherwise, times out at
//! its deadline, and ends when the peer closes.
//!
//! On rings in a real segment and on the heap. The other endpoint may act before or after
//! the wait begins: both orders must work.

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod records;

use std::time::{Duration, Instant};

use common::names::RingName;
use quoit::{RingOptions, Shape};

/// The timeout of a wait without success.
const SHORT: Duration = Duration::from_millis(20);

/// Runs `check` with a new ring in a segment, then with one on the heap.
fn on_both_kinds_of_ring<T: Shape + ?Sized>(
    test: &str,
    capacity: u64,
    check: impl Fn(T::Producer, T::Consumer),
) {
    let options = RingOptions::new(capacity);
    let name = RingName::new(test);
    let ring = options.create::<T>(&name).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    let consumer = ring.consumer().expect("the role is free");
    check(producer, consumer);
    let (producer, consumer) = options.heap::<T>().expect("there is memory");
    check(producer, consumer);
}

/// Asserts that a wait lasts at least until its timeout.
fn lasts_until_the_timeout<R>(wait: impl FnOnce(Duration) -> R) -> R {
    let start = Instant::now();
    let result = wait(SHORT);
    assert!(start.elapsed() >= SHORT, "the wait ended too early");
    result
}
