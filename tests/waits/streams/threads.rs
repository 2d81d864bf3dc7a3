//! Two threads use the two endpoints of one ring.
//!
//! Both endpoints use one mapping, so that ThreadSanitizer sees every access of
//! both: docs::testing has the command.

use std::thread;
use std::time::Duration;

use quoit::{DoorbellKind, RingOptions};

use super::{Short, receive, send};
use crate::common::calls::Calls;
use crate::common::sample::Words;

crate::common::suite::tests! {
    records_pass_between_threads,
    frames_pass_between_threads,
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
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let sleeps = RingOptions::new(1).doorbell(doorbell).spin(Duration::ZERO);
        pass::<u64>(&sleeps, MESSAGES / 10);
    }
}

fn frames_pass_between_threads() {
    for capacity in [256, 512] {
        pass::<[u8]>(&RingOptions::new(capacity), MESSAGES);
    }
}
