//! Wakes between C and Rust, on either doorbell.

use std::io::Write;

use quoit::Ring;

use super::client::{Client, End, VARIANTS, Variant};
use super::until;
use crate::common::deep_sleep::DeepSleeper;
use crate::common::names::RingName;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    c_is_woken_from_each_sleep,
    c_wakes_from_each_sleep,
}

/// The number of sleeps of each endpoint.
const SLEEPS: u64 = 20;
const NEVER: u64 = 1 << 62;

fn c_is_woken_from_each_sleep() {
    let client = Client::compiled();
    let records = VARIANTS.into_iter().filter(|variant| !variant.frames);
    for variant in records {
        let name = RingName::new("c-sleeps");
        variant.create(&name, 0);
        let ring = Ring::<i64>::open(&name).expect("a ring");
        let never = NEVER.to_string();
        let arguments = ["consume", name.as_str(), "records", &never, "steps"];
        let (mut consumer, mut steps) = client.start_with_input(&arguments);
        consumer.says(&["attached"]);
        let mut producer = ring.producer().expect("the role is free");
        let mut sleeper = DeepSleeper::new(consumer.pid());
        for position in 0..SLEEPS {
            steps.write_all(b"\n").expect("it reads");
            sleeper.runs_into_sleep();
            producer
                .push(super::client::record(position))
                .expect("room");
            assert_eq!(sleeper.woken(), Some(0), "{variant:?}: record {position}");
        }
        drop((sleeper, producer, consumer));
    }
    for variant in VARIANTS.into_iter().filter(|variant| !variant.frames) {
        let name = RingName::new("c-waits-for-room");
        variant.create(&name, 0);
        let ring = Ring::<i64>::open(&name).expect("a ring");
        let mut full = ring.producer().expect("the role is free");
        while full.try_push(0).is_ok() {}
        drop(full);
        let never = NEVER.to_string();
        let arguments = ["produce", name.as_str(), "records", &never, "steps"];
        let (mut producer, mut steps) = client.start_with_input(&arguments);
        producer.says(&["attached"]);
        let mut consumer = ring.consumer().expect("the role is free");
        let mut sleeper = DeepSleeper::new(producer.pid());
        for number in 0..SLEEPS {
            steps.write_all(b"\n").expect("it reads");
            sleeper.runs_into_sleep();
            consumer.pop().expect("a record");
            assert_eq!(sleeper.woken(), Some(0), "{variant:?}: room {number}");
        }
    }
}

/// A Rust endpoint that sleeps whenever it can, and a C endpoint that makes one step during each sleep.
fn steps(client: &Client, variant: Variant, sleeper: &str, stepper: &str) {
    let name = RingName::new("c-wakes");
    variant.create(&name, 0);
    let page = SleepPage::open(&name.file());
    let file = SegmentFile::open(&name.file());
    let rust = End::start(None, sleeper, name.as_str(), variant, NEVER);
    let never = NEVER.to_string();
    let arguments = [stepper, name.as_str(), variant.shape(), &never, "steps"];
    let (mut c, mut input) = client.start_with_input(&arguments);
    c.says(&["attached"]);
    let (position, is_parked): (u64, &dyn Fn() -> bool) = match stepper {
        "produce" => (TAIL, &|| page.consumer_is_parked()),
        _ => (HEAD, &|| page.producer_is_parked()),
    };
    for _ in 0..SLEEPS {
        until("it sleeps", is_parked);
        let before = file.read(position);
        input.write_all(b"\n").expect("it reads");
        until("the step is made", || file.read(position) != before);
    }
    until("it sleeps again", is_parked);
    let state = page.read();
    let end = if stepper == "produce" {
        state.consumer
    } else {
        state.producer
    };
    assert!(end.parks >= SLEEPS, "{variant:?}: {end:?}");
    assert_eq!(end.rescues, 0, "{variant:?}: each wake arrives");
    rust.kill();
}

fn c_wakes_from_each_sleep() {
    let client = Client::compiled();
    for variant in VARIANTS {
        steps(client, variant, "consume", "produce");
        steps(client, variant, "produce", "consume");
    }
}
