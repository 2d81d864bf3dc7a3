//! While neither endpoint sleeps, neither makes a system call nor runs a fence, with a
//! plain wait or in a `Select`.
//!
//! A tracer counts the system calls of two processes that stream a million records, in
//! windows of ten thousand, which end with a call that it must see. A window counts if neither endpoint slept or was woken
//! (according to their counters) or yielded its processor, which it does before it sleeps.
//! In such a window there must be no system call. An endpoint that only spins never sleeps
//! or yields. A wait of a tenth of a second checks the peer, so a window of that length
//! does not count; a `Select` makes this check also while it finds work, and is configured
//! not to. At the end of such a window the endpoint's sleep word is AWAKE, so its peer
//! omits the fence.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::names::RingName;
use crate::common::positions::{End, ROLES};
use crate::common::sleep_state::{SleepPage, SleepState};
use crate::common::tracer::{Window, end_window, trace};
use crate::common::worker::{Worker, hear, tell};
use quoit::{RingOptions, Role, Select, Selected, WaitStrategy};

crate::common::suite::tests! {
    neither_endpoint_makes_a_system_call_while_neither_sleeps,
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
fn endpoint(socket: &UnixStream, name: &RingName, role: Role, strategy: &str) {
    let ring = options(strategy).open::<u64>(name).expect("the ring");
    let mut moves = mover(End::of(&ring, role), strategy);
    tell(socket, 0);
    hear(socket);
    for _ in 0..=WINDOWS {
        (0..WINDOW).for_each(|_| moves());
        end_window();
    }
    hear(socket);
}

/// Between two windows: the counters, and which of producer and consumer are AWAKE.
type Seen = (SleepState, [bool; 2]);

/// Streams between two traced processes; returns the windows of both.
fn stream(strategy: &str) -> [Vec<Window<Seen>>; 2] {
    let name = RingName::new("no-syscalls");
    options(strategy).create::<u64>(&name).expect("a ring");
    let ends = ROLES.map(|role| Worker::start(|socket| endpoint(&socket, &name, role, strategy)));
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
fn calls_without_sleep(strategy: &str) -> [Calls; 2] {
    let is_quiet = |window: &Window<Seen>| {
        let yields = window.calls.contains_key(&(libc::SYS_sched_yield as u64));
        // An endpoint that only spins never sleeps and never yields.
        let awake = strategy == "spin" || window.before.0 == window.after.0 && !yields;
        awake && window.seconds < LOOK
    };
    let mut calls = <[Calls; 2]>::default();
    for _ in 0..100 {
        let ends = stream(strategy);
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
        for (_, made) in calls_without_sleep(strategy) {
            assert!(made.is_empty(), "{strategy}: {made:?}");
        }
    }
}
