//! A ring of records is a queue: random operations against a `VecDeque`.
//!
//! Sixty-five thousand sequences of operations, with records of every size class and
//! alignment, capacities from one slot on, and positions just before a wrap. Some rings are
//! on the heap and some in a real segment, where both roles are also released and taken
//! again.

#[path = "../common/mod.rs"]
mod common;
mod operation;
mod world;

use std::cell::Cell;

use common::sample::Words;
use proptest::test_runner::{Config, TestRunner};
use quoit::Record;

use operation::{setting, steps};
use world::World;

/// The number of sequences for each of the ten types of records.
const SEQUENCES: u32 = 6_500;

/// How messages were transferred in one test; only segments show it.
#[derive(Default)]
pub(crate) struct Journeys {
    has_inline_copy: Cell<u64>,
    walks: Cell<u64>,
}

/// Runs the sequences for one type of record.
fn behaves_like_a_queue<T: Record + PartialEq + core::fmt::Debug>() -> Journeys {
    let journeys = Journeys::default();
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(setting(), steps()), |(setting, steps)| {
        let mut world = World::<T>::new(&setting, &journeys);
        for step in &steps {
            world.take(step);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    journeys
}

/// The same for a type that may be copied inline: both kinds of transfer must have occurred.
fn behaves_like_a_queue_with_and_without_inline_copies<T: Record + PartialEq + core::fmt::Debug>() {
    let journeys = behaves_like_a_queue::<T>();
    assert!(
        journeys.has_inline_copy.get() > 100,
        "too few records had an inline copy"
    );
    assert!(
        journeys.walks.get() > 100,
        "too few records had no inline copy"
    );
}

/// As above, for a type that is too large or too strictly aligned.
fn behaves_like_a_queue_without_inline_copies<T: Record + PartialEq + core::fmt::Debug>() {
    let journeys = behaves_like_a_queue::<T>();
    assert_eq!(journeys.has_inline_copy.get(), 0);
    assert!(journeys.walks.get() > 100, "too few records were pushed");
}

#[test]
fn single_bytes_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<u8>();
}

#[test]
fn three_bytes_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<[u8; 3]>();
}

#[test]
fn two_byte_words_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<u16>();
}

#[test]
fn words_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<u64>();
}

#[test]
fn pairs_of_words_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<[u64; 2]>();
}

#[test]
fn records_of_40_bytes_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<Words<5>>();
}

#[test]
fn records_of_48_bytes_are_a_queue() {
    behaves_like_a_queue_with_and_without_inline_copies::<Words<6>>();
}

#[test]
fn records_of_56_bytes_are_a_queue_without_inline_copies() {
    behaves_like_a_queue_without_inline_copies::<Words<7>>();
}

#[test]
fn records_aligned_to_16_bytes_are_a_queue_without_inline_copies() {
    behaves_like_a_queue_without_inline_copies::<u128>();
}

#[test]
fn records_of_100_bytes_are_a_queue_without_inline_copies() {
    behaves_like_a_queue_without_inline_copies::<[u8; 100]>();
}
