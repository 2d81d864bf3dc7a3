//! Programs in other languages, written from `layout.md` alone, share rings with quoit.

mod c;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod compiler;
mod layout;
mod names;
mod program;
mod python;
mod refusals;
mod sleepers;
mod takeovers;
#[path = "../../examples/common/traffic.rs"]
mod traffic;

use std::thread;
use std::time::{Duration, Instant};

use c::*;
use client::{rust_consumes, rust_produces};
use common::PATIENCE;
use layout::the_test_vector_is_what_quoit_writes;
use names::*;
use python::*;
use quoit::FrameProducer;
use refusals::*;
use sleepers::*;
use takeovers::*;
use traffic::{Traffic, frame};

/// Pushes the frame with this number, and counts it.
fn push(producer: &mut FrameProducer, traffic: &mut Traffic, number: u64) {
    let frame = frame(number);
    producer.push(&frame).expect("a consumer");
    traffic.count(&frame);
}

/// Waits until another process has done something.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_micros(100));
    }
}

common::suite::suite! {
    tests: [
        c_takes_every_frame_and_is_woken_by_either_doorbell,
        c_is_woken_by_each_frame_and_by_the_close,
        c_wakes_a_producer_that_waits_for_room,
        c_that_wakes_only_its_own_process_is_detected,
        c_is_killed_and_the_next_holder_continues,
        c_notices_a_producer_that_was_killed,
        c_reports_errors,
        the_test_vector_is_what_quoit_writes,
        c_and_rust_take_over_from_each_other_after_any_death,
        c_is_clean_under_the_sanitizers,
        c_is_woken_from_each_sleep,
        c_wakes_from_each_sleep,
        c_and_rust_create_identical_rings,
        c_unlinks_a_ring_that_no_process_holds,
        c_replaces_a_ring_and_is_replaced,
        c_finishes_the_unlink_of_a_killed_process,
        c_continues_with_a_ring_whose_unlink_failed,
        c_and_rust_race_for_a_name,
        c_clears_the_state_of_the_previous_holder,
        c_holds_no_role_in_a_child,
        every_field_that_a_client_must_check_is_checked,
        a_superseded_ring_is_not_taken,
        a_ring_of_semaphores_is_not_for_python,
        frames_that_break_a_rule_are_refused,
        positions_wrap,
        the_examples_close,
        closed_standard_streams_put_nothing_into_a_ring,
        the_examples_close_after_a_signal,
        an_example_does_not_wait_for_a_producer_that_cannot_attach,
        python_holds_no_role_in_a_child,
        python_cannot_use_a_consumer_in_a_child,
        python_takes_every_frame,
        python_exits_cleanly_if_no_process_reads_its_answer,
        python_observes_and_changes_nothing,
        python_reports_errors,
    ],
    parts: [doomed_producer, rust_consumes, rust_produces],
}
