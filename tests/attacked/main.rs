//! A hostile peer against the safe API: a second process maps the ring's file and
//! rewrites it all the time, while this one works. Nothing may crash, panic or hang;
//! values may be wrong, and an endpoint may answer `Corrupt`.
//!
//! Rounds are counted, not seconds: 100,000 for each attack, and more if the
//! environment variable `QUOIT_ATTACKS` asks for more.

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
use claims::{batches_survive, claims_of_frames_survive, claims_of_records_survive};
use positions::{no_position_breaks_frames, no_position_breaks_records};
use records::{large_records_are_read_once, small_records_are_read_once};
use streams::{bytes_of_fill_buf_stay, lines_are_text, pieces_of_frames_add_up};
#[cfg(feature = "futures")]
use tasks::{no_position_breaks_a_task, streams_of_frames_survive};
use views::{popped_text_is_text, views_of_frames_survive, visitors_and_skips_survive};
use waits::{selects_survive, waits_end_by_their_deadline, waits_for_nothing_time_out};

#[cfg(not(feature = "futures"))]
common::suite::suite! {
    tests: [
        views_of_frames_survive,
        visitors_and_skips_survive,
        popped_text_is_text,
        pieces_of_frames_add_up,
        lines_are_text,
        bytes_of_fill_buf_stay,
        requests_are_private_copies,
        replies_are_private_copies,
        claims_of_frames_survive,
        batches_survive,
        claims_of_records_survive,
        small_records_are_read_once,
        large_records_are_read_once,
        no_position_breaks_frames,
        no_position_breaks_records,
        selects_survive,
        waits_end_by_their_deadline,
        waits_for_nothing_time_out,
    ],
    parts: [attack],
}

#[cfg(feature = "futures")]
common::suite::suite! {
    tests: [
        views_of_frames_survive,
        visitors_and_skips_survive,
        popped_text_is_text,
        pieces_of_frames_add_up,
        lines_are_text,
        bytes_of_fill_buf_stay,
        requests_are_private_copies,
        replies_are_private_copies,
        claims_of_frames_survive,
        batches_survive,
        claims_of_records_survive,
        small_records_are_read_once,
        large_records_are_read_once,
        no_position_breaks_frames,
        no_position_breaks_records,
        selects_survive,
        waits_end_by_their_deadline,
        waits_for_nothing_time_out,
        streams_of_frames_survive,
        no_position_breaks_a_task,
    ],
    parts: [attack],
}
