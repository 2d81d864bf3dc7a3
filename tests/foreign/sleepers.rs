//! Wakes between C and Rust, on either doorbell.

use quoit::{DoorbellKind, Ring, RingOptions};

use super::client::{Client, End, VARIANTS, Variant, record};
use super::consumers::start;
use super::traffic::Traffic;
use super::{push, until};
use crate::common::deep_sleep::DeepSleeper;
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    c_is_woken_from_each_sleep,
    c_wakes_from_each_sleep,
    the_example_is_woken_by_each_frame_and_by_the_close,
}

/// The number of sleeps of each endpoint.
const SLEEPS: u64 = 20;
const NEVER: u64 = 1 << 62;

/// Acts while a client sleeps, which must wake it.
fn wakes(sleeper: &mut DeepSleeper, act: impl FnOnce()) {
    sleeper.runs_into_sleep();
    act();
    assert_eq!(sleeper.woken(), Some(0));
}

fn c_is_woken_from_each_sleep() {
    let client = Client::compiled();
    for variant in VARIANTS.into_iter().filter(|variant| !variant.frames) {
        for role in ["consume", "produce"] {
            let name = RingName::new("c-sleeps");
            variant.create(&name, 0);
            let ring = Ring::<i64>::open(&name).expect("a ring");
            if role == "produce" {
                let mut full = producer(&ring);
                while full.try_push(0).is_ok() {}
            }
            let mut c = client.attached(&[role, &name, "records", &NEVER.to_string(), "steps"]);
            let mut peers = match role {
                "consume" => (Some(producer(&ring)), None),
                _ => (None, Some(consumer(&ring))),
            };
            let mut sleeper = DeepSleeper::new(c.pid());
            for number in 0..SLEEPS {
                c.feed(b"\n");
                wakes(&mut sleeper, || match &mut peers {
                    (Some(producer), _) => producer.push(record(number)).expect("room"),
                    (_, consumer) => drop(consumer.as_mut().map(|consumer| consumer.pop())),
                });
            }
        }
    }
}

fn the_example_is_woken_by_each_frame_and_by_the_close() {
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let options = RingOptions::new(4096).doorbell(doorbell);
        let (ring, name) = named::<[u8]>("c-woken", &options);
        let mut producer = producer(&ring);
        let consumer = start("consume.c", &name);
        until("it takes the role", || producer.peer_epoch() > 0);
        let mut sleeper = DeepSleeper::new(consumer.pid());
        let mut traffic = Traffic::new();
        for number in 0..SLEEPS {
            wakes(&mut sleeper, || push(&mut producer, &mut traffic, number));
        }
        wakes(&mut sleeper, || drop(producer));
        drop(sleeper);
        let said = format!("{traffic}, producer closed\n");
        consumer.end().is(0, &said, "");
    }
}

/// A Rust endpoint that sleeps whenever it can, and a C endpoint that makes one step during each sleep.
fn steps(client: &Client, variant: Variant, sleeper: &str, stepper: &str) {
    let name = RingName::new("c-wakes");
    variant.create(&name, 0);
    let page = SleepPage::open(&name.file());
    let file = SegmentFile::open(&name.file());
    let rust = End::start(None, sleeper, &name, variant, NEVER);
    let never = NEVER.to_string();
    let mut c = client.attached(&[stepper, &name, variant.shape(), &never, "steps"]);
    let is_producer = stepper == "produce";
    let position = if is_producer { TAIL } else { HEAD };
    let is_parked = || match is_producer {
        true => page.consumer_is_parked(),
        false => page.producer_is_parked(),
    };
    for _ in 0..SLEEPS {
        until("it sleeps", is_parked);
        let before = file.read(position);
        c.feed(b"\n");
        until("the step is made", || file.read(position) != before);
    }
    until("it sleeps again", is_parked);
    let state = page.read();
    let ends = [state.producer, state.consumer];
    let end = ends[usize::from(is_producer)];
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
