//! A hostile peer against the safe API: a second process maps the ring's file and rewrites
//! it continuously, while this one uses the ring. No call may crash, panic or hang. Values
//! may be wrong, and an endpoint may return `Corrupt`.
//!
//! Each attack has 100,000 rounds, or as many as the environment variable `QUOIT_ATTACKS`
//! says. No duration decides.

mod arena;
mod attacker;
mod calls;
mod claims;
#[path = "../common/mod.rs"]
mod common;
mod positions;
mod records;
mod streams;
#[cfg(feature = "futures")]
mod tasks;
mod views;
mod waits;

use attacker::attack;
use calls::{replies_are_private_copies, requests_are_private_copies};
use claims::{
    batches_do_not_crash_under_attack, claims_of_frames_do_not_crash_under_attack,
    claims_of_records_do_not_crash_under_attack,
};
use positions::{attacked_positions_do_not_crash_frames, attacked_positions_do_not_crash_records};
use records::{large_records_are_read_once, small_records_are_read_once};
use streams::{bytes_of_fill_buf_do_not_change, lines_are_text, pieces_of_frames_add_up};
#[cfg(feature = "futures")]
use tasks::{attacked_positions_do_not_crash_a_task, streams_of_frames_do_not_crash_under_attack};
use views::{
    popped_text_is_text, views_of_frames_do_not_crash_under_attack,
    visitors_and_skips_do_not_crash_under_attack,
};
use waits::{
    selects_do_not_crash_under_attack, waits_end_by_their_deadline,
    waits_for_a_silent_peer_time_out,
};

#[cfg(not(feature = "futures"))]
common::suite::suite! {
    tests: [
        views_of_frames_do_not_crash_under_attack,
        visitors_and_skips_do_not_crash_under_attack,
        popped_text_is_text,
        pieces_of_frames_add_up,
        lines_are_text,
        bytes_of_fill_buf_do_not_change,
        requests_are_private_copies,
        replies_are_private_copies,
        claims_of_frames_do_not_crash_under_attack,
        batches_do_not_crash_under_attack,
        claims_of_records_do_not_crash_under_attack,
        small_records_are_read_once,
        large_records_are_read_once,
        attacked_positions_do_not_crash_frames,
        attacked_positions_do_not_crash_records,
        selects_do_not_crash_under_attack,
        waits_end_by_their_deadline,
        waits_for_a_silent_peer_time_out,
    ],
    parts: [attack],
}

#[cfg(feature = "futures")]
common::suite::suite! {
    tests: [
        views_of_frames_do_not_crash_under_attack,
        visitors_and_skips_do_not_crash_under_attack,
        popped_text_is_text,
        pieces_of_frames_add_up,
        lines_are_text,
        bytes_of_fill_buf_do_not_change,
        requests_are_private_copies,
        replies_are_private_copies,
        claims_of_frames_do_not_crash_under_attack,
        batches_do_not_crash_under_attack,
        claims_of_records_do_not_crash_under_attack,
        small_records_are_read_once,
        large_records_are_read_once,
        attacked_positions_do_not_crash_frames,
        attacked_positions_do_not_crash_records,
        selects_do_not_crash_under_attack,
        waits_end_by_their_deadline,
        waits_for_a_silent_peer_time_out,
        streams_of_frames_do_not_crash_under_attack,
        attacked_positions_do_not_crash_a_task,
    ],
    parts: [attack],
}
