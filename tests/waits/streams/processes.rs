//! Two real processes: ten million messages of each shape, and a hundred million with
//! `QUOIT_SOAK=1`; rings that are nearly always full or empty; and a ping-pong.

use std::env;

use quoit::{PopError, RingOptions};

use super::{Short, receive, send};
use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, pop, push};
use crate::common::child::{Child, say};
use crate::common::names::RingName;
use crate::common::segment_file::{RIDE_POSITION, SegmentFile};

crate::common::suite::tests! {
    records_arrive_whole_once_and_in_order,
    frames_arrive_whole_once_and_in_order,
    records_pass_through_a_single_slot,
    frames_pass_through_a_ring_of_two,
    records_are_echoed,
    frames_are_echoed;
    parts: sender_of_records, sender_of_frames, echo_of_records, echo_of_frames
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

/// Starts `sender` on a ring of this capacity, and receives.
fn stream<T: Calls + ?Sized>(sender: &str, capacity: u64, messages: u64) {
    let name = RingName::new(sender);
    // The positions wrap after a lap.
    let options = RingOptions::new(capacity).first_position(0u64.wrapping_sub(capacity));
    let ring = options.create::<T>(&name).expect("a ring");
    let mut consumer = ring.consumer().expect("the role is free");
    let child = Child::start(sender, &[name.as_str(), &messages.to_string()]);
    child.expect("ready");
    receive::<T>(&mut consumer, messages);
    child.succeeds();
}

fn sender_of_records(words: &[String]) {
    sender::<Short>(words);
}

fn sender_of_frames(words: &[String]) {
    sender::<[u8]>(words);
}

fn sender<T: Calls + ?Sized>(words: &[String]) {
    let ring = RingOptions::default().open::<T>(&words[0]);
    let mut producer = ring
        .expect("the ring")
        .producer()
        .expect("the role is free");
    say("ready");
    send::<T>(&mut producer, words[1].parse().expect("a number"));
}

fn records_arrive_whole_once_and_in_order() {
    stream::<Short>("sender_of_records", 1024, many());
}

fn frames_arrive_whole_once_and_in_order() {
    stream::<[u8]>("sender_of_frames", 1 << 16, many());
}

fn records_pass_through_a_single_slot() {
    stream::<Short>("sender_of_records", 1, FEWER);
}

fn frames_pass_through_a_ring_of_two() {
    stream::<[u8]>("sender_of_frames", 256, FEWER);
}

/// Sends one message at a time to `echo`, and waits for its echo.
fn ping_pong<T: Calls + ?Sized>(echo: &str, capacity: u64) {
    let names = [RingName::new("there"), RingName::new("back")];
    let rings = [&names[0], &names[1]].map(|name| {
        let ring = RingOptions::new(capacity).create::<T>(name);
        ring.expect("a ring")
    });
    let mut producer = rings[0].producer().expect("the role is free");
    let mut consumer = rings[1].consumer().expect("the role is free");
    let child = Child::start(echo, &[names[0].as_str(), names[1].as_str()]);
    child.expect("ready");
    for number in 0..FEWER {
        push::<T>(&mut producer, &T::varied(number), Wait::Forever).expect("the echo is attached");
        let answer = pop::<T>(&mut consumer, Wait::Until(PATIENCE.into()));
        assert_eq!(answer, Ok(T::varied(number)));
    }
    drop(producer);
    // No message arrives twice.
    let last = pop::<T>(&mut consumer, Wait::Until(PATIENCE.into()));
    assert_eq!(last, Err(PopError::Abandoned));
    child.succeeds();
    for name in &names {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(
            ride, 0,
            "no message was copied inline, although both had caught up"
        );
    }
}

fn echo_of_records(words: &[String]) {
    echo::<Short>(words);
}

fn echo_of_frames(words: &[String]) {
    echo::<[u8]>(words);
}

fn echo<T: Calls + ?Sized>(words: &[String]) {
    let [there, back] = [&words[0], &words[1]].map(|name| {
        let ring = RingOptions::default().open::<T>(name);
        ring.expect("the ring")
    });
    let mut consumer = there.consumer().expect("the role is free");
    let mut producer = back.producer().expect("the role is free");
    say("ready");
    while let Ok(message) = pop::<T>(&mut consumer, Wait::Forever) {
        push::<T>(&mut producer, &message, Wait::Forever).expect("the consumer is attached");
    }
}

fn records_are_echoed() {
    ping_pong::<Short>("echo_of_records", 8);
}

fn frames_are_echoed() {
    ping_pong::<[u8]>("echo_of_frames", 1024);
}
