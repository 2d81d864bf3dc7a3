//! Two real processes: ten million messages of each shape, and a hundred million with
//! `QUOIT_SOAK=1`; rings that are nearly always full or empty; every wait strategy on every
//! doorbell and with both forms of fences; and messages that are answered.

use std::env;
use std::time::Duration;

use quoit::WaitStrategy::{Adaptive, Park, Spin, Yield};
use quoit::{DoorbellKind, Fences, RingOptions};

use super::{Short, receive, send};
use crate::common::calls::Calls;
use crate::common::exchange::{answers, asks};
use crate::common::fork::{forked, succeeds, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{RIDE_POSITION, SegmentFile};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    records_arrive_whole_once_and_in_order,
    frames_arrive_whole_once_and_in_order,
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

/// Receives what a child sends; returns the ring's name.
fn stream<T: Calls + ?Sized>(options: &RingOptions, messages: u64) -> RingName {
    let (ring, name) = named::<T>("stream", options);
    let sender = forked(|| {
        work_as_long_as_the_parent();
        let ring = options.open::<T>(&name).expect("the ring");
        send::<T>(&mut producer(&ring), messages);
    });
    receive::<T>(&mut consumer(&ring), messages);
    succeeds(sender);
    name
}

/// The positions wrap after a lap.
fn wrapping(capacity: u64) -> RingOptions {
    RingOptions::new(capacity).first_position(0u64.wrapping_sub(capacity))
}

fn records_arrive_whole_once_and_in_order() {
    stream::<Short>(&wrapping(1024), many());
    stream::<Short>(&wrapping(1), FEWER);
}

fn frames_arrive_whole_once_and_in_order() {
    stream::<[u8]>(&wrapping(1 << 16), many());
    stream::<[u8]>(&wrapping(256), FEWER); // one or two of them
}

/// The capacity is so small that both endpoints have to wait often.
fn arrive<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let with = |strategy| (strategy, options.clone().wait_strategy(strategy));
    let mut strategies = [Spin, Yield, Park, Adaptive].map(with).to_vec();
    strategies.push((Park, options.clone().spin(Duration::ZERO)));
    for (strategy, options) in strategies {
        for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
            for fences in [Fences::Asymmetric, Fences::Symmetric] {
                let options = options.clone().doorbell(doorbell).fences(fences);
                let name = stream::<T>(&options, 30_000);
                let state = SleepPage::open(&name.file()).read();
                let rescues = state.producer.rescues + state.consumer.rescues;
                assert_eq!(rescues, 0, "{options:?}: a wake was lost");
                let parks = state.producer.parks + state.consumer.parks;
                let may_park = matches!(strategy, Park | Adaptive);
                assert!(may_park || parks == 0, "{options:?}: {parks} parks");
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
    let child = forked(|| {
        work_as_long_as_the_parent();
        let [to, from] = [&to, &from].map(|name| options.open::<T>(name).expect("the ring"));
        answers::<T, T>(consumer(&to), producer(&from));
    });
    asks::<T, T>(producer(&there), consumer(&back));
    succeeds(child);
    for name in [to, from] {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(ride, 0, "no message was copied inline");
    }
}

fn messages_are_answered() {
    are_answered::<Short>(8);
    are_answered::<[u8]>(1024);
}
