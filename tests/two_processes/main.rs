//! Two real processes: every message arrives whole, once, and in order.
//!
//! Ten million messages of each shape, and a hundred million with `QUOIT_SOAK=1`. Each has
//! a sequence number and a checksum over its content. Both sides choose single, batch and
//! zero-copy calls at random, so that messages are copied inline, wrap, and arrive in
//! batches. Then there are rings that are nearly always full or empty, and a ping-pong.

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod records;

use std::env;

use common::child::Child;
use common::names::RingName;
use common::segment_file::{RIDE_POSITION, SegmentFile};
use quoit::{RingOptions, Shape};

use frames::{frame_echo, frame_producer};
use records::{record_echo, record_producer};

common::suite::suite! {
    tests: [
        records_arrive_whole_once_and_in_order,
        frames_arrive_whole_once_and_in_order,
        records_pass_through_a_single_slot,
        frames_pass_through_a_ring_of_two,
        records_are_echoed,
        frames_are_echoed,
    ],
    parts: [record_producer, frame_producer, record_echo, frame_echo],
}

/// The number of messages of a stream.
fn many() -> u64 {
    match env::var("QUOIT_SOAK") {
        Ok(_) => 100_000_000,
        Err(_) => 10_000_000,
    }
}

/// The number of messages of a ping-pong.
const FEWER: u64 = 20_000;

/// Starts `producer` on a ring of this capacity and runs `consume`.
fn stream<T: Shape + ?Sized>(
    producer: &str,
    capacity: u64,
    messages: u64,
    consume: fn(&RingName, u64),
) {
    let name = RingName::new(producer);
    // The positions wrap after a lap.
    let options = RingOptions::new(capacity).first_position(0u64.wrapping_sub(capacity));
    options.create::<T>(&name).expect("a ring");
    let child = Child::start(producer, &[name.as_str(), &messages.to_string()]);
    child.expect("ready");
    consume(&name, messages);
    child.succeeds();
}

fn records_arrive_whole_once_and_in_order() {
    stream::<records::Message>("record_producer", 1024, many(), records::consume);
}

fn frames_arrive_whole_once_and_in_order() {
    stream::<[u8]>("frame_producer", 1 << 16, many(), frames::consume);
}

fn records_pass_through_a_single_slot() {
    stream::<records::Message>("record_producer", 1, FEWER, records::consume);
}

fn frames_pass_through_a_ring_of_two() {
    stream::<[u8]>("frame_producer", 256, FEWER, frames::consume);
}

/// Starts `echo` on two rings of this capacity and lets `play` send and
/// receive.
fn ping_pong<T: Shape + ?Sized>(echo: &str, capacity: u64, play: fn(&RingName, &RingName)) {
    let (there, back) = (RingName::new("there"), RingName::new("back"));
    let options = RingOptions::new(capacity);
    options.create::<T>(&there).expect("a ring");
    options.create::<T>(&back).expect("a ring");
    let child = Child::start(echo, &[there.as_str(), back.as_str()]);
    child.expect("ready");
    play(&there, &back);
    child.succeeds();
    for name in [&there, &back] {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(
            ride, 0,
            "no message was copied inline, although both endpoints had caught up"
        );
    }
}

fn records_are_echoed() {
    ping_pong::<records::Message>("record_echo", 8, records::play);
}

fn frames_are_echoed() {
    ping_pong::<[u8]>("frame_echo", 1024, frames::play);
}
