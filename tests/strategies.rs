//! Every wait strategy, on every doorbell and with both forms of fences: messages of both
//! shapes arrive in another process whole, once and in order.

mod common;

use std::time::Duration;

use common::child::{Child, say};
use common::names::RingName;
use common::sleep_state::SleepPage;
use quoit::{ClaimError, DoorbellKind, Fences, PopError, PushError, RingOptions, WaitStrategy};

common::suite::suite! {
    tests: [
        records_arrive_with_every_wait_strategy,
        frames_arrive_with_every_wait_strategy,
        waits_end_in_time_with_every_wait_strategy,
    ],
    parts: [records, frames],
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

/// The record with this number: two words that depend on each other.
fn record(number: u64) -> [u64; 2] {
    [number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15)]
}

/// The frame with this number: up to 199 bytes that are computed from it.
fn frame(number: u64) -> Vec<u8> {
    let bytes = (0..number * 7 % 200).map(|place| (number + place) as u8);
    bytes.collect()
}

fn records(words: &[String]) {
    let ring = options(SLOTS, &form_of(words)).open::<[u64; 2]>(&words[0]);
    let mut producer = ring.expect("the ring").producer().expect("the role");
    say("ready");
    for number in 0..MESSAGES {
        producer
            .push(record(number))
            .expect("the consumer is attached");
    }
}

fn frames(words: &[String]) {
    let ring = options(BYTES, &form_of(words)).open::<[u8]>(&words[0]);
    let mut producer = ring.expect("the ring").producer().expect("the role");
    say("ready");
    for number in 0..MESSAGES {
        producer
            .push(&frame(number))
            .expect("the consumer is attached");
    }
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

fn start(part: &str, name: &RingName, form: &[&str; 3]) -> Child {
    let child = Child::start(part, &[&[name.as_str()], &form[..]].concat());
    child.expect("ready");
    child
}

fn records_arrive_with_every_wait_strategy() {
    for form in forms() {
        let name = RingName::new("records");
        let ring = options(SLOTS, &form)
            .create::<[u64; 2]>(&name)
            .expect("a ring");
        let mut consumer = ring.consumer().expect("the role is free");
        let child = start("records", &name, &form);
        for number in 0..MESSAGES {
            assert_eq!(consumer.pop(), Ok(record(number)), "{form:?}");
        }
        assert_eq!(consumer.pop(), Err(PopError::Abandoned), "{form:?}");
        child.succeeds();
        no_rescue(&name, &form);
    }
}

fn frames_arrive_with_every_wait_strategy() {
    for form in forms() {
        let name = RingName::new("frames");
        let ring = options(BYTES, &form).create::<[u8]>(&name).expect("a ring");
        let mut consumer = ring.consumer().expect("the role is free");
        let child = start("frames", &name, &form);
        for number in 0..MESSAGES {
            let found = consumer.peek().expect("the producer is attached");
            assert!(found.to_vec() == frame(number), "{form:?}: frame {number}");
            found.release();
        }
        let end = consumer.peek().expect_err("the producer has left");
        assert_eq!(end, PopError::Abandoned, "{form:?}");
        child.succeeds();
        no_rescue(&name, &form);
    }
}

fn waits_end_in_time_with_every_wait_strategy() {
    let timeout = Duration::from_millis(3);
    for form in forms() {
        let pair = options(2, &form).heap::<u64>().expect("a ring");
        let (mut producer, mut consumer) = pair;
        assert_eq!(consumer.pop_timeout(timeout), Err(PopError::TimedOut));
        let peeked = consumer.peek_timeout(timeout).map(drop);
        assert_eq!(peeked, Err(PopError::TimedOut), "{form:?}");
        let popped = consumer.pop_slice_timeout(&mut [0; 4], timeout);
        assert_eq!(popped, Err(PopError::TimedOut), "{form:?}");
        let pushed = producer.push_slice_timeout(&[1, 2, 3], timeout);
        assert_eq!(pushed, Ok(2), "{form:?}");
        let pushed = producer.push_timeout(3, timeout);
        assert_eq!(pushed, Err(PushError::TimedOut(3)), "{form:?}");
        let claimed = producer.claim_timeout(timeout).map(drop);
        assert_eq!(claimed, Err(ClaimError::TimedOut), "{form:?}");
        let pushed = producer.push_slice_timeout(&[3], timeout);
        assert_eq!(pushed, Err(ClaimError::TimedOut), "{form:?}");
        let mut values = [0; 4];
        assert_eq!(consumer.pop_slice_timeout(&mut values, timeout), Ok(2));
        assert_eq!(values, [1, 2, 0, 0], "{form:?}");
    }
}
