//! While neither endpoint sleeps, neither makes a system call nor runs a fence, with a plain wait or
//! in a `Select`.
//!
//! Two processes sleep once and stream a million records, and spin while they wait. After the first
//! records a filter kills a process at its next system call. In the end the sleep word of each endpoint is
//! AWAKE, so that its peer omits the fence.

use std::hint::spin_loop;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::common::child::state;
use crate::common::clock::until;
use crate::common::forbid::die_at_the_next_call;
use crate::common::fork::kill;
use crate::common::names::RingName;
use crate::common::positions::End;
use crate::common::rings::named;
use crate::common::segment_file::{HEAD, SegmentFile};
use crate::common::sleep_state::SleepPage;
use crate::common::worker::{Worker, hear, tell};
use quoit::{RingOptions, Role, Select, Selected, WaitStrategy};

crate::common::suite::tests! {
    neither_endpoint_makes_a_system_call_while_neither_sleeps,
}

const CAPACITY: u64 = 1024;
const FIRST: u64 = 10_000;
const RECORDS: u64 = 1_000_000;

fn options(strategy: &str) -> RingOptions {
    let options = RingOptions::new(CAPACITY).peer_check(Duration::MAX);
    match strategy {
        "spin" => options.wait_strategy(WaitStrategy::Spin),
        _ => options.spin(Duration::MAX),
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

/// Sleeps for a moment at the full or empty ring: a `Select` waits as its first endpoint does.
fn sleep(end: &mut End) {
    while matches!(end, End::Producer(_)) && end.position() < CAPACITY {
        end.moves(Duration::ZERO).expect("there is room");
    }
    let ring = RingOptions::new(4).spin(Duration::ZERO).heap::<u64>();
    let (_silent, mut first) = ring.expect("a ring");
    let ends = &mut [first.interest(), end.interest()];
    let selected = Select::new().wait(ends, Duration::from_millis(1));
    selected.expect_err("nothing happens");
}

/// In a child, until it is killed.
fn stream(socket: &UnixStream, name: &RingName, role: Role, strategy: &str) {
    let ring = options(strategy).open::<u64>(name).expect("the ring");
    let mut end = End::of(&ring, role);
    if strategy != "spin" {
        sleep(&mut end);
    }
    tell(socket, 0);
    hear(socket);
    let (begin, mut moves) = (end.position(), mover(end, strategy));
    (begin..FIRST).for_each(|_| moves());
    die_at_the_next_call();
    (FIRST..RECORDS).for_each(|_| moves());
    loop {
        spin_loop();
    }
}

fn neither_endpoint_makes_a_system_call_while_neither_sleeps() {
    for strategy in ["spin", "park", "select"] {
        let (_ring, name) = named::<u64>("no-syscalls", &options(strategy));
        let ends = [Role::Consumer, Role::Producer].map(|role| {
            let end = Worker::start(|socket| stream(&socket, &name, role, strategy));
            hear(&end.socket);
            end
        });
        ends.iter().for_each(|end| tell(&end.socket, 0));
        let file = SegmentFile::open(&name.file());
        let has_died = || ends.iter().any(|end| state(end.pid as u32) == 'Z');
        until("it ends", || file.read(HEAD) == RECORDS || has_died());
        let page = SleepPage::open(&name.file());
        assert!(
            has_died() || page.are_working() == [true; 2],
            "{strategy}: a fence"
        );
        ends.into_iter().for_each(|end| kill(end.pid));
    }
}
