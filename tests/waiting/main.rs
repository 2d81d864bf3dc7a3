//! Every method that waits: it takes what is there at once, waits for what
//! comes, gives up when its time is over, and ends when the peer leaves.
//!
//! On rings in a real segment and on the heap. Whether the waiting endpoint already
//! waits when the other one acts is left open: both orders must do.

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod records;

use std::time::{Duration, Instant};

use common::names::RingName;
use quoit::{RingOptions, Shape};

/// A wait that is to end in vain.
const SHORT: Duration = Duration::from_millis(20);

/// Does `check` with a fresh ring in a segment, then with one on the heap.
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

/// Asserts that a wait lasts at least as long as it was told.
fn takes_its_time<R>(wait: impl FnOnce(Duration) -> R) -> R {
    let start = Instant::now();
    let result = wait(SHORT);
    assert!(start.elapsed() >= SHORT, "the wait was over too early");
    result
}
