//! While both endpoints are awake, neither makes a system call, nor a fence, waiting by itself
//! or in a `Select`; and the library starts no thread for them.
//!
//! A tracer watches two processes that stream a million records and counts
//! what they call in windows of ten thousand. A window is quiet if neither endpoint
//! slept or was woken (their counters say so) or gave up its processor, which it
//! does before it sleeps: then both were awake, and there must be no call of any
//! kind. An endpoint that spins only never does any of that. A wait of a tenth of a
//! second looks whether the peer lives, so a window as long as that is not held
//! against it; a `Select` does so as often even while it finds something, and is told
//! not to. At the end of such a window the endpoint's sleep word says that it is awake, which
//! is what spares its peer the fence.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use common::child::{Child, hear, say};
use common::names::RingName;
use common::sleep_state::{SleepPage, SleepState};
use common::tracer::{Window, end_window, trace};
use quoit::{Consumer, Producer, RingOptions, Select, Selected, WaitStrategy};

common::suite::suite! {
    tests: [
        spinning_ends_make_no_system_call,
        ends_that_may_park_make_no_system_call_while_both_are_awake,
        ends_in_a_select_make_no_system_call_while_both_are_awake,
        a_system_call_in_the_loop_is_counted,
        only_an_end_for_others_to_wait_for_starts_a_thread,
    ],
    parts: [producer, consumer, lone],
}

const WINDOWS: u64 = 100;
const WINDOW: u64 = 10_000;
/// As long as a wait lasts before it looks at its peer.
const LOOK: f64 = 0.1;

fn options(strategy: &str) -> RingOptions {
    let options = RingOptions::new(1024);
    match strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        "select" => options
            .spin(Duration::from_millis(2))
            .peer_check(Duration::MAX),
        // Long enough that a peer that is traced is found awake.
        _ => options.spin(Duration::from_millis(2)),
    }
}

/// Pushes by itself, or when a `Select` over another ring as well says that there is room.
fn pushes(mut producer: Producer<u64>, strategy: &str) -> Box<dyn FnMut(u64)> {
    if strategy != "select" {
        return Box::new(move |number| producer.push(number).expect("the consumer lives"));
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

/// As [`pushes`].
fn pops(mut consumer: Consumer<u64>, strategy: &str) -> Box<dyn FnMut() -> u64> {
    if strategy != "select" {
        return Box::new(move || consumer.pop().expect("the producer lives"));
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
            // SAFETY: the call takes no memory.
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

/// What is seen of both endpoints between two windows.
#[derive(Clone, Copy)]
struct Seen {
    counts: SleepState,
    /// Producer and consumer.
    are_awake: [bool; 2],
}

/// Streams between two traced processes; the windows of both.
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
            are_awake: page.are_awake(),
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

/// System calls in some windows of one end.
#[derive(Default)]
struct Calls {
    windows: u64,
    made: BTreeMap<u64, u64>,
}

impl Calls {
    /// Of the producer, 0, or the consumer, 1.
    fn add(&mut self, window: &Window<Seen>, end: usize) {
        self.windows += 1;
        assert!(window.after.are_awake[end], "its peer still fences");
        for (&number, &count) in &window.calls {
            *self.made.entry(number).or_insert(0) += count;
        }
    }
}

/// Streams until there were enough windows of each endpoint for a million messages
/// in which both were awake, however busy the machine; the calls in those.
fn calls_while_awake(strategy: &str, manner: &str) -> [Calls; 2] {
    let is_quiet = |window: &Window<Seen>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        // An endpoint that spins only never sleeps and never yields.
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

fn ends_in_a_select_make_no_system_call_while_both_are_awake() {
    for calls in calls_while_awake("select", "quiet") {
        assert!(calls.made.is_empty(), "{:?}", calls.made);
    }
}

fn a_system_call_in_the_loop_is_counted() {
    let [producer, consumer] = calls_while_awake("park", "meddling");
    let meddling = BTreeMap::from([(libc::SYS_getuid as u64, producer.windows)]);
    assert_eq!(producer.made, meddling, "one in each window");
    assert!(consumer.made.is_empty(), "the other end makes none");
}

/// In a child that had one thread: uses a ring in each way, and says how many threads there
/// are then.
fn lone(words: &[String]) {
    let options = RingOptions::new(8).spin(Duration::ZERO);
    let ring = options.create::<u64>(&words[0]).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = ring.consumer().expect("the role is free");
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
    // The thread itself takes the name, a moment later.
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

/// The names of this process's threads but the first.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("the threads");
    let names = tasks.flatten().filter_map(|task| {
        let is_first = task.file_name().to_str() == Some(&std::process::id().to_string());
        let name = fs::read_to_string(task.path().join("comm")).ok();
        name.filter(|_| !is_first)
    });
    names.map(|name| name.trim_end().to_owned()).collect()
}

fn only_an_end_for_others_to_wait_for_starts_a_thread() {
    let name = RingName::new("threads");
    let child = Child::start("lone", &[name.as_str()]);
    child.expect(""); // plain ends
    child.expect(""); // a select
    child.expect("quoit-reactor");
    child.expect("one again");
    child.succeeds();
}
