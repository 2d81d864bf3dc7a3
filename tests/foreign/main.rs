//! Programs in other languages that have read `layout.md` and nothing else, at
//! the other end of a ring whose producer is quoit's own.

mod c;
#[path = "../common/mod.rs"]
mod common;
mod program;
mod python;
#[path = "../../examples/common/traffic.rs"]
mod traffic;

use c::*;
use python::*;
use quoit::FrameProducer;
use traffic::{Traffic, frame};

/// Pushes the frame with this number, and counts it.
fn push(producer: &mut FrameProducer, traffic: &mut Traffic, number: u64) {
    let frame = frame(number);
    producer.push(&frame).expect("a consumer");
    traffic.count(&frame);
}

common::suite::suite! {
    tests: [
        c_takes_every_frame_and_is_woken_by_either_doorbell,
        c_is_woken_by_each_frame_and_by_the_goodbye,
        c_wakes_a_producer_that_waits_for_room,
        c_that_wakes_its_own_process_only_is_noticed,
        c_is_killed_and_its_successor_goes_on,
        c_notices_a_producer_that_was_killed,
        c_says_what_is_wrong,
        python_takes_every_frame,
        python_observes_and_changes_nothing,
        python_says_what_is_wrong,
    ],
    parts: [doomed_producer],
}
