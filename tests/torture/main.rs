//! Stress test: both endpoints of a ring are killed with SIGKILL at random, thousands of
//! times, while they push and pop as fast as they can, and are restarted immediately.
//!
//! A message's number is computed from its position and its bytes from its number, and a
//! ledger outlives both endpoints. So the test detects at once if a restarted peer
//! continues too early or too late, if a message is lost, torn or out of order, or if a
//! released message is delivered again. After each kill both endpoints must continue. Only
//! the kill of a waker may lose a wake-up.
//!
//! All forms together have two thousand kills, or as many as `QUOIT_TORTURE` says.
//! `QUOIT_TORTURE_SEED` repeats the choices of a run, but not its timing.

mod arena;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod ledger;
mod load;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use quoit::DoorbellKind;

use arena::{Form, torture};
use common::sample::mix;
use load::{Message, consume, produce};

common::suite::suite! {
    tests: [
        endpoints_of_records_that_sleep_on_futexes,
        endpoints_of_records_that_sleep_on_semaphores,
        endpoints_of_records_that_spin,
        endpoints_of_frames_that_sleep_on_futexes,
        endpoints_of_frames_that_sleep_on_semaphores,
        endpoints_of_frames_that_spin,
    ],
    parts: [record_producer, record_consumer, frame_producer, frame_consumer],
}

const FORMS: u64 = 6;

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn kills() -> u64 {
    number_from("QUOIT_TORTURE").unwrap_or(2000).div_ceil(FORMS)
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let random = || mix(now.map_or(0, |now| now.as_nanos() as u64));
    number_from("QUOIT_TORTURE_SEED").unwrap_or_else(random)
}

fn form(shape: [&'static str; 2], doorbell: DoorbellKind, strategy: &'static str) -> Form {
    let [producer, consumer] = shape;
    Form {
        producer,
        consumer,
        doorbell,
        strategy,
    }
}

fn records(doorbell: DoorbellKind, strategy: &'static str) {
    let shape = ["record_producer", "record_consumer"];
    torture::<Message>(form(shape, doorbell, strategy), kills(), seed());
}

fn frames(doorbell: DoorbellKind, strategy: &'static str) {
    let shape = ["frame_producer", "frame_consumer"];
    torture::<[u8]>(form(shape, doorbell, strategy), kills(), seed());
}

/// Defines the parts and the tests.
macro_rules! forms {
    ($(part $part:ident: $role:ident::<$shape:ty>;)*
     $(test $test:ident: $run:ident($($how:expr),*);)*) => {
        $(fn $part(arguments: &[String]) {
            $role::<$shape>(arguments);
        })*
        $(fn $test() {
            $run($($how),*);
        })*
    };
}

forms! {
    part record_producer: produce::<Message>;
    part record_consumer: consume::<Message>;
    part frame_producer: produce::<[u8]>;
    part frame_consumer: consume::<[u8]>;
    test endpoints_of_records_that_sleep_on_futexes: records(DoorbellKind::Futex, "parked");
    test endpoints_of_records_that_sleep_on_semaphores: records(DoorbellKind::Semaphore, "parked");
    test endpoints_of_records_that_spin: records(DoorbellKind::Futex, "spinning");
    test endpoints_of_frames_that_sleep_on_futexes: frames(DoorbellKind::Futex, "parked");
    test endpoints_of_frames_that_sleep_on_semaphores: frames(DoorbellKind::Semaphore, "parked");
    test endpoints_of_frames_that_spin: frames(DoorbellKind::Futex, "spinning");
}
