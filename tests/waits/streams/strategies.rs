//! Every wait strategy, on every doorbell and with both forms of fences, between processes.

use std::time::Duration;

use super::{Short, receive, send};
use crate::common::calls::Calls;
use crate::common::child::{Child, say};
use crate::common::names::RingName;
use crate::common::sleep_state::SleepPage;
use quoit::{DoorbellKind, Fences, RingOptions, WaitStrategy};

crate::common::suite::tests! {
    records_arrive_with_every_wait_strategy,
    frames_arrive_with_every_wait_strategy;
    parts: sender_of_records, sender_of_frames
}

const MESSAGES: u64 = 30_000;
/// So few that both endpoints have to wait often.
const SLOTS: u64 = 16;
const BYTES: u64 = 1024;

const BELLS: [&str; 2] = ["futex", "semaphore"];
const FENCES: [&str; 2] = ["asymmetric", "symmetric"];
const STRATEGIES: [&str; 5] = ["spin", "yield", "park", "adaptive", "park at once"];

fn options(capacity: u64, form: &[&str; 3]) -> RingOptions {
    let [bell, fences, strategy] = form;
    let options = RingOptions::new(capacity)
        .doorbell(match *bell {
            "futex" => DoorbellKind::Futex,
            _ => DoorbellKind::Semaphore,
        })
        .fences(match *fences {
            "asymmetric" => Fences::Asymmetric,
            _ => Fences::Symmetric,
        });
    match *strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        "yield" => options.wait_strategy(WaitStrategy::Yield),
        "adaptive" => options.wait_strategy(WaitStrategy::Adaptive),
        "park" => options,
        _ => options.spin(Duration::ZERO),
    }
}

fn forms() -> impl Iterator<Item = [&'static str; 3]> {
    BELLS.into_iter().flat_map(|bell| {
        FENCES.into_iter().flat_map(move |fences| {
            let strategies = STRATEGIES.into_iter();
            strategies.map(move |strategy| [bell, fences, strategy])
        })
    })
}

fn form_of(words: &[String]) -> [&str; 3] {
    [&words[1], &words[2], &words[3]]
}

fn sender_of_records(words: &[String]) {
    sender::<Short>(SLOTS, words);
}

fn sender_of_frames(words: &[String]) {
    sender::<[u8]>(BYTES, words);
}

fn sender<T: Calls + ?Sized>(capacity: u64, words: &[String]) {
    let ring = options(capacity, &form_of(words)).open::<T>(&words[0]);
    let mut producer = ring.expect("the ring").producer().expect("the role");
    say("ready");
    send::<T>(&mut producer, MESSAGES);
}

fn no_rescue(name: &RingName, form: &[&str; 3]) {
    let state = SleepPage::open(&name.file()).read();
    let rescues = state.producer.rescues + state.consumer.rescues;
    assert_eq!(rescues, 0, "{form:?}: a wake was lost");
    if ["spin", "yield"].contains(&form[2]) {
        let parks = state.producer.parks + state.consumer.parks;
        assert_eq!(parks, 0, "{form:?}: an endpoint slept");
    }
}

fn arrive<T: Calls + ?Sized>(sender: &str, capacity: u64) {
    for form in forms() {
        let name = RingName::new(sender);
        let ring = options(capacity, &form).create::<T>(&name);
        let mut consumer = ring.expect("a ring").consumer().expect("the role is free");
        let child = Child::start(sender, &[&[name.as_str()], &form[..]].concat());
        child.expect("ready");
        receive::<T>(&mut consumer, MESSAGES);
        child.succeeds();
        no_rescue(&name, &form);
    }
}

fn records_arrive_with_every_wait_strategy() {
    arrive::<Short>("sender_of_records", SLOTS);
}

fn frames_arrive_with_every_wait_strategy() {
    arrive::<[u8]>("sender_of_frames", BYTES);
}
