//! Programs in other languages that have read `layout.md` and nothing else, at
//! the other end of a ring whose producer is quoit's own.

mod c;
#[path = "../common/mod.rs"]
mod common;
mod program;
mod python;
mod traffic;

use c::*;
use python::*;

common::suite::suite! {
    tests: [
        c_takes_every_frame_and_is_woken_by_either_doorbell,
        c_is_woken_by_each_frame_and_by_the_goodbye,
        c_wakes_a_producer_that_waits_for_room,
        c_is_killed_and_its_successor_goes_on,
        c_notices_a_producer_that_was_killed,
        c_says_what_is_wrong,
        python_takes_every_frame,
        python_observes_and_changes_nothing,
        python_says_what_is_wrong,
    ],
    parts: [doomed_producer],
}
