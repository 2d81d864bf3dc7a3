//! Two real processes: ten million messages of each shape, and a hundred million with
//! `QUOIT_SOAK=1`; rings that are nearly always full or empty; every wait strategy on every
//! doorbell and with both forms of fences; and a ping-pong.

use std::env;
use std::time::Duration;

use quoit::{DoorbellKind, Fences, PopError, RingOptions, WaitStrategy};

use super::{Short, receive, send};
use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, pop, push};
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
    messages_are_echoed,
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

/// Runs the work of the other process in a child, and `here` in this one.
fn beside(there: impl FnOnce(), here: impl FnOnce()) {
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
    beside(sends, || receive::<T>(&mut consumer(&ring), messages));
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

/// Sends one message at a time to a child, and waits for its echo.
fn ping_pong<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let [(there, to), (back, from)] = ["there", "back"].map(|test| named::<T>(test, &options));
    let echo = || {
        let [to, from] = [&to, &from].map(|name| options.open::<T>(name).expect("the ring"));
        let (mut consumer, mut producer) = (consumer(&to), producer(&from));
        while let Ok(message) = pop::<T>(&mut consumer, Wait::Forever) {
            push::<T>(&mut producer, &message, Wait::Forever).expect("it is attached");
        }
    };
    beside(echo, || {
        let (mut producer, mut consumer) = (producer(&there), consumer(&back));
        let patient = Wait::Until(PATIENCE.into());
        for number in 0..FEWER {
            let message = T::varied(number);
            push::<T>(&mut producer, &message, patient).expect("the echo is attached");
            assert_eq!(pop::<T>(&mut consumer, patient), Ok(message));
        }
        drop(producer);
        // No message arrives twice.
        let last = pop::<T>(&mut consumer, patient);
        assert_eq!(last, Err(PopError::Abandoned));
    });
    for name in [to, from] {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(ride, 0, "no message was copied inline");
    }
}

fn messages_are_echoed() {
    ping_pong::<Short>(8);
    ping_pong::<[u8]>(1024);
}
