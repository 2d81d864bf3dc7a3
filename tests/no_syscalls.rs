//! While both ends are awake, neither makes a system call.
//!
//! A tracer watches two processes that stream a million records and counts
//! what they call in windows of ten thousand. A window is quiet if neither end
//! slept or was woken (their counters say so) or gave up its processor, which it
//! does before it sleeps: then both were awake, and there must be no call of any
//! kind. An end that spins only never does any of that. A wait of a tenth of a
//! second looks whether the peer lives, so a window as long as that is not held
//! against it.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::child::{Child, hear, say};
use common::names::RingName;
use common::sleep_state::{SleepPage, SleepState};
use common::tracer::{Window, end_window, trace};
use quoit::{RingOptions, WaitStrategy};

common::suite::suite! {
    tests: [
        spinning_ends_make_no_system_call,
        ends_that_may_park_make_no_system_call_while_both_are_awake,
        a_system_call_in_the_loop_is_counted,
    ],
    parts: [producer, consumer],
}

const WINDOWS: u64 = 100;
const WINDOW: u64 = 10_000;
/// As long as a wait lasts before it looks at its peer.
const LOOK: f64 = 0.1;

fn options(strategy: &str) -> RingOptions {
    let options = RingOptions::new(1024);
    match strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        // Long enough that a peer that is traced is found awake.
        _ => options.spin(Duration::from_millis(2)),
    }
}

fn producer(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let mut producer = ring.producer().expect("the role is free");
    say("ready");
    hear();
    for window in 0..=WINDOWS {
        for number in 0..WINDOW {
            let pushed = producer.push(window * WINDOW + number);
            pushed.expect("the consumer lives");
        }
        if words[2] == "meddling" {
            // SAFETY: the call takes no memory.
            unsafe { libc::syscall(libc::SYS_getuid) };
        }
        end_window();
    }
    hear();
}

fn consumer(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let mut consumer = ring.consumer().expect("the role is free");
    say("ready");
    hear();
    for window in 0..=WINDOWS {
        for number in 0..WINDOW {
            let found = consumer.pop().expect("the producer lives");
            assert_eq!(found, window * WINDOW + number);
        }
        end_window();
    }
    hear();
}

/// Streams between two traced processes; the windows of both.
fn stream(strategy: &str, manner: &str) -> [Vec<Window<SleepState>>; 2] {
    let name = RingName::new("no-syscalls");
    options(strategy).create::<u64>(&name).expect("a ring");
    let arguments = [name.as_str(), strategy, manner];
    let mut ends = ["producer", "consumer"].map(|part| {
        let child = Child::start(part, &arguments);
        child.expect("ready");
        let page = SleepPage::open(&name.file());
        let tracer = trace(child.pid(), move || page.read());
        (child, tracer)
    });
    for (child, _) in &mut ends {
        child.tell("go");
        child.tell("end");
    }
    ends.map(|(child, tracer)| {
        let windows = tracer.join().expect("the tracer returns");
        drop(child); // reaped by its tracer
        windows
    })
}

/// System calls in some windows of one end.
#[derive(Default)]
struct Calls {
    windows: u64,
    made: BTreeMap<u64, u64>,
}

impl Calls {
    fn add(&mut self, window: &Window<SleepState>) {
        self.windows += 1;
        for (&number, &count) in &window.calls {
            *self.made.entry(number).or_insert(0) += count;
        }
    }
}

/// Streams until there were enough windows of each end for a million messages
/// in which both were awake, however busy the machine; the calls in those.
fn calls_while_awake(strategy: &str, manner: &str) -> [Calls; 2] {
    let is_quiet = |window: &Window<SleepState>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        // An end that spins only never sleeps and never yields.
        let awake = strategy == "spin" || window.before == window.after && !yields;
        awake && window.seconds < LOOK
    };
    let mut calls = <[Calls; 2]>::default();
    for _ in 0..100 {
        let ends = stream(strategy, manner);
        for (calls, windows) in calls.iter_mut().zip(&ends) {
            let quiet = windows.iter().filter(|window| is_quiet(window));
            quiet.for_each(|window| calls.add(window));
        }
        if calls.iter().all(|calls| calls.windows >= WINDOWS) {
            let [producer, consumer] = calls.each_ref().map(|calls| calls.windows);
            print!("[{producer} and {consumer} windows] ");
            return calls;
        }
    }
    panic!("the ends are never awake together");
}

fn spinning_ends_make_no_system_call() {
    for calls in calls_while_awake("spin", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn ends_that_may_park_make_no_system_call_while_both_are_awake() {
    for calls in calls_while_awake("park", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn a_system_call_in_the_loop_is_counted() {
    let [producer, consumer] = calls_while_awake("park", "meddling");
    let meddling = BTreeMap::from([(libc::SYS_getuid as u64, producer.windows)]);
    assert_eq!(producer.made, meddling, "one in each window");
    assert!(consumer.made.is_empty(), "the other end makes none");
}
