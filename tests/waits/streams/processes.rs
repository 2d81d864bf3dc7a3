//! Two real processes: ten million messages of each shape, and a hundred million with
//! `QUOIT_SOAK=1`; rings that are nearly always full or empty; every wait strategy on every
//! doorbell and with both forms of fences; and messages that are answered.

use std::env;
use std::time::Duration;

use quoit::{DoorbellKind, Fences, RingOptions, WaitStrategy};

use super::{Short, receive, send};
use crate::common::calls::Calls;
use crate::common::exchange::{answers, asks};
use crate::common::fork::{done, ending, fork, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{RIDE_POSITION, SegmentFile};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    records_arrive_whole_once_and_in_order,
    frames_arrive_whole_once_and_in_order,
    messages_pass_through_a_ring_of_one_or_two,
    records_arrive_with_every_wait_strategy,
    frames_arrive_with_every_wait_strategy,
    messages_are_answered,
}

/// The number of messages of a stream.
fn many() -> u64 {
    match env::var("QUOIT_SOAK") {
        Ok(_) => 100_000_000,
        Err(_) => 10_000_000,
    }
}

/// The number of messages of a small ring.
const FEWER: u64 = 20_000;

/// Runs the work of the other process in a child, and `here` in this one.
fn with_a_child(there: impl FnOnce(), here: impl FnOnce()) {
    let Some(child) = fork() else {
        work_as_long_as_the_parent();
        there();
        done();
    };
    here();
    assert_eq!(ending(child), 0, "the child succeeds");
}

/// Receives what a child sends; returns the ring's name.
fn stream<T: Calls + ?Sized>(options: &RingOptions, messages: u64) -> RingName {
    let (ring, name) = named::<T>("stream", options);
    let sends = || {
        let ring = options.open::<T>(&name).expect("the ring");
        send::<T>(&mut producer(&ring), messages);
    };
    with_a_child(sends, || receive::<T>(&mut consumer(&ring), messages));
    name
}

/// The positions wrap after a lap.
fn wrapping(capacity: u64) -> RingOptions {
    RingOptions::new(capacity).first_position(0u64.wrapping_sub(capacity))
}

fn records_arrive_whole_once_and_in_order() {
    stream::<Short>(&wrapping(1024), many());
}

fn frames_arrive_whole_once_and_in_order() {
    stream::<[u8]>(&wrapping(1 << 16), many());
}

fn messages_pass_through_a_ring_of_one_or_two() {
    stream::<Short>(&wrapping(1), FEWER);
    stream::<[u8]>(&wrapping(256), FEWER);
}

/// The capacity is so small that both endpoints have to wait often.
fn arrive<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let [spin, yields, adaptive] = [
        WaitStrategy::Spin,
        WaitStrategy::Yield,
        WaitStrategy::Adaptive,
    ]
    .map(|strategy| options.clone().wait_strategy(strategy));
    let parks = [options.clone(), options.spin(Duration::ZERO)];
    for (never_parks, options) in [(true, spin), (true, yields), (false, adaptive)]
        .into_iter()
        .chain(parks.map(|options| (false, options)))
    {
        for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
            for fences in [Fences::Asymmetric, Fences::Symmetric] {
                let options = options.clone().doorbell(doorbell).fences(fences);
                let name = stream::<T>(&options, 30_000);
                let state = SleepPage::open(&name.file()).read();
                let rescues = state.producer.rescues + state.consumer.rescues;
                assert_eq!(rescues, 0, "{options:?}: a wake was lost");
                let parks = state.producer.parks + state.consumer.parks;
                assert!(!never_parks || parks == 0, "{options:?}: {parks} parks");
            }
        }
    }
}

fn records_arrive_with_every_wait_strategy() {
    arrive::<Short>(16);
}

fn frames_arrive_with_every_wait_strategy() {
    arrive::<[u8]>(1024);
}

/// Sends messages to a child, which answers each.
fn are_answered<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let [(there, to), (back, from)] = ["there", "back"].map(|test| named::<T>(test, &options));
    let child = || {
        let [to, from] = [&to, &from].map(|name| options.open::<T>(name).expect("the ring"));
        answers::<T, T>(consumer(&to), producer(&from));
    };
    with_a_child(child, || asks::<T, T>(producer(&there), consumer(&back)));
    for name in [to, from] {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(ride, 0, "no message was copied inline");
    }
}

fn messages_are_answered() {
    are_answered::<Short>(8);
    are_answered::<[u8]>(1024);
}
