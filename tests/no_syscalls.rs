//! While both ends are awake, neither makes a system call.
//!
//! A tracer watches two processes that stream a million records and counts
//! what they call in windows of ten thousand. A window is quiet if neither end
//! slept (the parks counters) or gave up its processor, which it does before it
//! sleeps: then both were awake, and there must be no call of any kind. An end
//! that spins only never does either. A wait of a tenth of a second looks
//! whether the peer lives, so a window as long as that is not held against it.

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
        "spin" => options.wait(WaitStrategy::Spin),
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

/// Calls in the windows that were quiet, and how many were.
fn quiet_calls(windows: &[Window<SleepState>]) -> (usize, BTreeMap<u64, u64>) {
    let parks = |state: SleepState| (state.producer.parks, state.consumer.parks);
    let is_quiet = |window: &&Window<SleepState>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        parks(window.before) == parks(window.after) && !yields && window.seconds < LOOK
    };
    let quiet: Vec<_> = windows.iter().filter(is_quiet).collect();
    let mut calls = BTreeMap::new();
    for (&number, &count) in quiet.iter().flat_map(|window| &window.calls) {
        *calls.entry(number).or_insert(0) += count;
    }
    (quiet.len(), calls)
}

fn spinning_ends_make_no_system_call() {
    for windows in stream("spin", "quiet") {
        assert_eq!(windows.len(), WINDOWS as usize);
        let short = windows.iter().filter(|window| window.seconds < LOOK);
        let calls: Vec<_> = short.map(|window| &window.calls).collect();
        print!("[{} windows, none with a call] ", calls.len());
        assert!(calls.len() > WINDOWS as usize / 2, "most windows are short");
        assert!(calls.iter().all(|calls| calls.is_empty()), "{calls:?}");
    }
}

fn ends_that_may_park_make_no_system_call_while_both_are_awake() {
    for windows in stream("park", "quiet") {
        let (quiet, calls) = quiet_calls(&windows);
        print!("[{quiet} quiet windows of {}, {calls:?}] ", windows.len());
        assert!(quiet > WINDOWS as usize / 2, "most windows are quiet");
        assert!(
            calls.is_empty(),
            "system calls while both are awake: {calls:?}"
        );
    }
}

fn a_system_call_in_the_loop_is_counted() {
    let [producer, consumer] = stream("park", "meddling");
    let (quiet, calls) = quiet_calls(&producer);
    let meddling = BTreeMap::from([(libc::SYS_getuid as u64, quiet as u64)]);
    assert!(
        quiet > 0 && calls == meddling,
        "{calls:?} in {quiet} windows"
    );
    assert!(
        quiet_calls(&consumer).1.is_empty(),
        "the other end makes none"
    );
}
