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
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::clock::until;
use crate::common::names::RingName;
use crate::common::positions::{End, ROLES};
use crate::common::rings::{ends, named};
use crate::common::sleep_state::{SleepPage, SleepState};
use crate::common::tracer::{Window, end_window, trace};
use crate::common::worker::{Worker, hear, tell};
use quoit::{RingOptions, Role, Select, Selected, WaitStrategy};

crate::common::suite::tests! {
    neither_endpoint_makes_a_system_call_while_neither_sleeps,
    a_system_call_in_the_loop_is_counted,
    only_async_and_pollable_endpoints_start_a_thread,
}

const WINDOWS: u64 = 100;
const WINDOW: u64 = 10_000;
/// The time of a wait before it checks its peer.
const LOOK: f64 = 0.1;

fn options(strategy: &str) -> RingOptions {
    // Long enough that a traced peer does not sleep.
    let options = RingOptions::new(1024).spin(Duration::from_millis(2));
    match strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        "select" => options.peer_check(Duration::MAX),
        _ => options,
    }
}

/// Moves one record with a plain wait, or when a `Select` over two rings reports work.
fn mover(mut end: End, strategy: &str) -> impl FnMut() + use<> {
    let (silent, mut other) = options(strategy).heap::<u64>().expect("a ring");
    let mut select = (strategy == "select").then(Select::new);
    move || {
        let _ = &silent; // it lives
        if let Some(select) = &mut select {
            let ends = &mut [other.interest(), end.interest()];
            assert_eq!(select.wait(ends, None).expect("work"), Selected::Ready(1));
        }
        let position = end.position();
        match (&mut end, &select) {
            (End::Producer(end), None) => end.push(position).expect("a consumer"),
            (End::Producer(end), Some(_)) => end.try_push(position).expect("there is room"),
            (End::Consumer(end), None) => assert_eq!(end.pop(), Ok(position)),
            (End::Consumer(end), Some(_)) => assert_eq!(end.try_pop(), Ok(position)),
        }
    }
}

/// In a child: moves records in windows.
fn endpoint(socket: &UnixStream, name: &RingName, role: Role, strategy: &str, meddles: bool) {
    let ring = options(strategy).open::<u64>(name).expect("the ring");
    let mut moves = mover(End::of(&ring, role), strategy);
    tell(socket, 0);
    hear(socket);
    for _ in 0..=WINDOWS {
        (0..WINDOW).for_each(|_| moves());
        if meddles && role == Role::Producer {
            // SAFETY: the call has no pointers.
            unsafe { libc::syscall(libc::SYS_getuid) };
        }
        end_window();
    }
    hear(socket);
}

/// Between two windows: the counters, and which of producer and consumer are AWAKE.
type Seen = (SleepState, [bool; 2]);

/// Streams between two traced processes; returns the windows of both.
fn stream(strategy: &str, meddles: bool) -> [Vec<Window<Seen>>; 2] {
    let name = RingName::new("no-syscalls");
    options(strategy).create::<u64>(&name).expect("a ring");
    let ends =
        ROLES.map(|role| Worker::start(|socket| endpoint(&socket, &name, role, strategy, meddles)));
    let tracers = ends.each_ref().map(|end| {
        hear(&end.socket);
        let page = SleepPage::open(&name.file());
        trace(end.pid as u32, move || (page.read(), page.are_working()))
    });
    for word in [0, 1] {
        ends.iter().for_each(|end| tell(&end.socket, word));
    }
    // They are reaped by their tracers.
    tracers.map(|tracer| tracer.join().expect("the tracer returns"))
}

/// The number of windows of one endpoint, and the system calls in them.
type Calls = (u64, BTreeMap<u64, u64>);

/// Streams until each endpoint has enough windows without a sleep for a million messages,
/// also on a busy machine; returns the system calls in them.
fn calls_without_sleep(strategy: &str, meddles: bool) -> [Calls; 2] {
    let is_quiet = |window: &Window<Seen>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        // An endpoint that only spins never sleeps and never yields.
        let awake = strategy == "spin" || window.before.0 == window.after.0 && !yields;
        awake && window.seconds < LOOK
    };
    let mut calls = <[Calls; 2]>::default();
    for _ in 0..100 {
        let ends = stream(strategy, meddles);
        for (end, ((windows, made), all)) in calls.iter_mut().zip(&ends).enumerate() {
            for window in all.iter().filter(|window| is_quiet(window)) {
                *windows += 1;
                assert!(window.after.1[end], "its peer still runs the fence");
                for (&number, &count) in &window.calls {
                    *made.entry(number).or_insert(0) += count;
                }
            }
        }
        let [(producer, _), (consumer, _)] = calls;
        if producer.min(consumer) >= WINDOWS {
            print!("[{strategy}: {producer} and {consumer} windows] ");
            return calls;
        }
    }
    panic!("one endpoint always sleeps");
}

fn neither_endpoint_makes_a_system_call_while_neither_sleeps() {
    for strategy in ["spin", "park", "select"] {
        for (_, made) in calls_without_sleep(strategy, false) {
            assert!(made.is_empty(), "{strategy}: {made:?}");
        }
    }
}

fn a_system_call_in_the_loop_is_counted() {
    let [(windows, made), (_, made_by_consumer)] = calls_without_sleep("park", true);
    let meddling = BTreeMap::from([(libc::SYS_getuid as u64, windows)]);
    assert_eq!(made, meddling, "one in each window");
    assert!(made_by_consumer.is_empty(), "the other endpoint makes none");
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
    let options = RingOptions::new(8).spin(Duration::ZERO);
    let (ring, _name) = named::<u64>("threads", &options);
    let (mut producer, mut consumer) = ends(&ring);
    let short = Duration::from_millis(1);
    producer.push(1).expect("there is room");
    assert_eq!(consumer.pop(), Ok(1));
    consumer.pop_timeout(short).expect_err("it slept");
    assert_eq!(threads(), [""; 0], "plain endpoints");
    let waited = Select::new().wait(&mut [consumer.interest()], short);
    waited.expect_err("it slept");
    assert_eq!(threads(), [""; 0], "a select");
    let pollable = consumer.into_pollable().expect("a pollable end");
    assert_eq!(threads().len(), 1);
    // The thread sets its name itself, a moment later.
    until("it has its name", || threads() == ["quoit-reactor"]);
    drop(pollable);
    until("it has ended", || threads().is_empty());
}
