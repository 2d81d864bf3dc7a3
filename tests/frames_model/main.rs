//! A ring of frames is a queue: random operations against a `VecDeque`.
//!
//! Thirty-six thousand sequences of operations, with frames of every length, kinds,
//! batches, parts, buffers that are too short, several capacities, and positions just
//! before a wrap. Some rings are on the heap and some in a real segment, where both roles
//! are also released and taken again. The model computes from `layout.md` how much room
//! each frame takes, with padding, and so when a ring is full.

#[path = "../common/mod.rs"]
mod common;
mod operation;
mod queue;
mod world;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::sample::bytes;
use proptest::test_runner::{Config, TestRunner};
use quoit::{Popped, RingOptions};

use operation::{setting, steps};
use world::World;

/// The number of sequences for each of the four capacities.
const SEQUENCES: u32 = 9_000;

/// How messages were transferred in one test; only segments show it.
#[derive(Default)]
pub(crate) struct Journeys {
    has_inline_copy: Cell<u64>,
    walks: Cell<u64>,
    paddings: Cell<u64>,
}

fn behaves_like_a_queue(capacity: u64) {
    let journeys = Journeys::default();
    let mut runner = TestRunner::new(Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(setting(capacity), steps()), |(setting, steps)| {
        let mut world = World::new(&setting, &journeys);
        for step in &steps {
            world.take(step);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(
        journeys.has_inline_copy.get() > 100,
        "too few frames had an inline copy"
    );
    assert!(
        journeys.walks.get() > 100,
        "too few frames had no inline copy"
    );
    assert!(
        journeys.paddings.get() > 100,
        "too few laps ended with padding"
    );
}

#[test]
fn a_ring_of_64_bytes_is_a_queue() {
    behaves_like_a_queue(64);
}

#[test]
fn a_ring_of_128_bytes_is_a_queue() {
    behaves_like_a_queue(128);
}

#[test]
fn a_ring_of_512_bytes_is_a_queue() {
    behaves_like_a_queue(512);
}

#[test]
fn a_ring_of_4096_bytes_is_a_queue() {
    behaves_like_a_queue(4096);
}

/// Every length at every place in the lap: with and without padding, with an inline copy
/// (every second time) and without.
#[test]
fn every_length_passes_from_every_place() {
    const CAPACITY: u64 = 256;
    for place in (0..CAPACITY).step_by(8) {
        let options = RingOptions::new(CAPACITY).first_position(place);
        for caught_up in [false, true] {
            let mut len = 0;
            loop {
                let (mut producer, mut consumer) = options.heap::<[u8]>().expect("there is memory");
                if len > producer.max_frame_len() {
                    break;
                }
                if caught_up {
                    for _ in 0..64 {
                        assert!(consumer.try_pop(&mut []).is_err());
                    }
                }
                let mut buffer = vec![0; producer.max_frame_len()];
                for round in 0..3 {
                    let payload = bytes(round, len);
                    producer
                        .try_push(&payload)
                        .expect("an empty ring takes any frame");
                    let popped = consumer.try_pop(&mut buffer);
                    assert_eq!(popped, Ok(Popped { len, kind: 0 }));
                    assert_eq!(buffer[..len], payload);
                }
                len += 1;
            }
        }
    }
}

#[test]
fn frames_stay_if_their_visitor_panics() {
    let (mut producer, mut consumer) = RingOptions::new(256)
        .heap::<[u8]>()
        .expect("there is memory");
    let words = ["one", "two", "three"];
    assert_eq!(producer.try_push_slice(0, &words), Ok(words.len()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        consumer.drain_with(|frame| {
            assert_ne!(frame.to_vec(), b"two", "planned");
            ControlFlow::Continue(())
        })
    }));
    assert!(panicked.is_err());
    let mut seen = Vec::new();
    let popped = consumer.drain_with(|frame| {
        seen.push(frame.to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!(popped, Ok(words.len()));
    assert_eq!(seen, words.map(|word| word.as_bytes()));
}
