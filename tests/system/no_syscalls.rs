//! While neither endpoint sleeps, neither makes a system call nor runs a fence, with a
//! plain wait or in a `Select`. The library starts no thread for them.
//!
//! A tracer counts the system calls of two processes that stream a million records, in
//! windows of ten thousand. A window counts if neither endpoint slept or was woken
//! (according to their counters) or yielded its processor, which it does before it sleeps.
//! In such a window there must be no system call. An endpoint that only spins never sleeps
//! or yields. A wait of a tenth of a second checks the peer, so a window of that length
//! does not count; a `Select` makes this check also while it finds work, and is configured
//! not to. At the end of such a window the endpoint's sleep word is AWAKE, so its peer
//! omits the fence.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::common::child::{Child, hear, say};
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::sleep_state::{SleepPage, SleepState};
use crate::common::tracer::{Window, end_window, trace};
use quoit::{Consumer, Producer, RingOptions, Select, Selected, WaitStrategy};

crate::common::suite::tests! {
    spinning_endpoints_make_no_system_call,
    endpoints_that_may_park_make_no_system_call_while_neither_sleeps,
    endpoints_in_a_select_make_no_system_call_while_neither_sleeps,
    a_system_call_in_the_loop_is_counted,
    only_async_and_pollable_endpoints_start_a_thread;
    parts: producer, consumer, lone
}

const WINDOWS: u64 = 100;
const WINDOW: u64 = 10_000;
/// The time of a wait before it checks its peer.
const LOOK: f64 = 0.1;

fn options(strategy: &str) -> RingOptions {
    let options = RingOptions::new(1024);
    match strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        "select" => options
            .spin(Duration::from_millis(2))
            .peer_check(Duration::MAX),
        // Long enough that a traced peer does not sleep.
        _ => options.spin(Duration::from_millis(2)),
    }
}

/// Pushes with a plain wait, or when a `Select` over two rings reports room.
fn pushes(mut producer: Producer<u64>, strategy: &str) -> Box<dyn FnMut(u64)> {
    if strategy != "select" {
        return Box::new(move |number| producer.push(number).expect("the consumer is attached"));
    }
    let (silent, mut other) = options(strategy).heap::<u64>().expect("a ring");
    let mut select = Select::new();
    Box::new(move |number| {
        let _ = &silent; // it lives
        let ends = &mut [other.interest(), producer.interest()];
        assert_eq!(select.wait(ends, None).expect("work"), Selected::Ready(1));
        producer.try_push(number).expect("there is room");
    })
}

/// The same as [`pushes`], for pops.
fn pops(mut consumer: Consumer<u64>, strategy: &str) -> Box<dyn FnMut() -> u64> {
    if strategy != "select" {
        return Box::new(move || consumer.pop().expect("the producer is attached"));
    }
    let (silent, mut other) = options(strategy).heap::<u64>().expect("a ring");
    let mut select = Select::new();
    Box::new(move || {
        let _ = &silent; // it lives
        let ends = &mut [other.interest(), consumer.interest()];
        assert_eq!(select.wait(ends, None).expect("work"), Selected::Ready(1));
        consumer.try_pop().expect("a message")
    })
}

fn producer(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let producer = ring.producer().expect("the role is free");
    let mut push = pushes(producer, &words[1]);
    say("ready");
    hear();
    for window in 0..=WINDOWS {
        for number in 0..WINDOW {
            push(window * WINDOW + number);
        }
        if words[2] == "meddling" {
            // SAFETY: the call has no pointers.
            unsafe { libc::syscall(libc::SYS_getuid) };
        }
        end_window();
    }
    hear();
}

fn consumer(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let consumer = ring.consumer().expect("the role is free");
    let mut pop = pops(consumer, &words[1]);
    say("ready");
    hear();
    for window in 0..=WINDOWS {
        for number in 0..WINDOW {
            assert_eq!(pop(), window * WINDOW + number);
        }
        end_window();
    }
    hear();
}

/// The state of both endpoints between two windows.
#[derive(Clone, Copy)]
struct Seen {
    counts: SleepState,
    /// Producer and consumer.
    are_working: [bool; 2],
}

/// Streams between two traced processes; returns the windows of both.
fn stream(strategy: &str, manner: &str) -> [Vec<Window<Seen>>; 2] {
    let name = RingName::new("no-syscalls");
    options(strategy).create::<u64>(&name).expect("a ring");
    let arguments = [name.as_str(), strategy, manner];
    let mut ends = ["producer", "consumer"].map(|part| {
        let child = Child::start(part, &arguments);
        child.expect("ready");
        let page = SleepPage::open(&name.file());
        let tracer = trace(child.pid(), move || Seen {
            counts: page.read(),
            are_working: page.are_working(),
        });
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

/// System calls in some windows of one endpoint.
#[derive(Default)]
struct Calls {
    windows: u64,
    made: BTreeMap<u64, u64>,
}

impl Calls {
    /// Of the producer, 0, or the consumer, 1.
    fn add(&mut self, window: &Window<Seen>, end: usize) {
        self.windows += 1;
        assert!(
            window.after.are_working[end],
            "its peer still runs the fence"
        );
        for (&number, &count) in &window.calls {
            *self.made.entry(number).or_insert(0) += count;
        }
    }
}

/// Streams until each endpoint has enough windows without a sleep for a million messages,
/// also on a busy machine; returns the system calls in them.
fn calls_without_sleep(strategy: &str, manner: &str) -> [Calls; 2] {
    let is_quiet = |window: &Window<Seen>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        // An endpoint that only spins never sleeps and never yields.
        let awake = strategy == "spin" || window.before.counts == window.after.counts && !yields;
        awake && window.seconds < LOOK
    };
    let mut calls = <[Calls; 2]>::default();
    for _ in 0..100 {
        let ends = stream(strategy, manner);
        for (end, (calls, windows)) in calls.iter_mut().zip(&ends).enumerate() {
            let quiet = windows.iter().filter(|window| is_quiet(window));
            quiet.for_each(|window| calls.add(window, end));
        }
        if calls.iter().all(|calls| calls.windows >= WINDOWS) {
            let [producer, consumer] = calls.each_ref().map(|calls| calls.windows);
            print!("[{producer} and {consumer} windows] ");
            return calls;
        }
    }
    panic!("one endpoint always sleeps");
}

fn spinning_endpoints_make_no_system_call() {
    for calls in calls_without_sleep("spin", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn endpoints_that_may_park_make_no_system_call_while_neither_sleeps() {
    for calls in calls_without_sleep("park", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn endpoints_in_a_select_make_no_system_call_while_neither_sleeps() {
    for calls in calls_without_sleep("select", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn a_system_call_in_the_loop_is_counted() {
    let [producer, consumer] = calls_without_sleep("park", "meddling");
    let meddling = BTreeMap::from([(libc::SYS_getuid as u64, producer.windows)]);
    assert_eq!(producer.made, meddling, "one in each window");
    assert!(consumer.made.is_empty(), "the other endpoint makes none");
}

/// In a child with one thread: uses a ring in several ways, and reports the number of
/// threads after each.
fn lone(words: &[String]) {
    let options = RingOptions::new(8).spin(Duration::ZERO);
    let ring = options.create::<u64>(&words[0]).expect("a ring");
    let (mut producer, mut consumer) = ends(&ring);
    let short = Duration::from_millis(1);
    producer.push(1).expect("there is room");
    assert_eq!(consumer.pop(), Ok(1));
    consumer.pop_timeout(short).expect_err("it slept");
    say(threads().join(", "));
    let mut select = Select::new();
    let ends = &mut [consumer.interest()];
    select.wait(ends, short).expect_err("it slept");
    say(threads().join(", "));
    let pollable = consumer.into_pollable().expect("a pollable end");
    assert_eq!(threads().len(), 1);
    // The thread sets its name itself, a moment later.
    while threads() != ["quoit-reactor"] {
        sleep(Duration::from_millis(1));
    }
    say("quoit-reactor");
    drop(pollable);
    while !threads().is_empty() {
        sleep(Duration::from_millis(1));
    }
    say("one again");
}

/// The names of this process's threads except the first.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads");
    let names = tasks.flatten().filter_map(|task| {
        let is_first = task.file_name().to_str() == Some(&std::process::id().to_string());
        let name = fs::read_to_string(task.path().join("comm")).ok();
        name.filter(|_| !is_first)
    });
    names.map(|name| name.trim_end().to_owned()).collect()
}

fn only_async_and_pollable_endpoints_start_a_thread() {
    let name = RingName::new("threads");
    let child = Child::start("lone", &[name.as_str()]);
    child.expect(""); // plain endpoints
    child.expect(""); // a select
    child.expect("quoit-reactor");
    child.expect("one again");
    child.succeeds();
}
