//! Peers that close, peers that crash, and restarted peers.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use quoit::{Consumer, Interest, Producer, Ring, Role, Select, SelectError, Selectable, Selected};

use super::{heap_pairs, options, sleep};
use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::refused::is;
use crate::common::rings::named;
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    a_close_ends_the_wait,
    a_killed_peer_ends_the_wait,
    the_messages_of_a_closed_peer_come_first,
    gone_is_reported_once_and_causes_no_wake_ups,
    gone_comes_before_back_and_back_before_ready,
    gone_is_not_reported_if_a_new_peer_has_already_attached,
    racing_peers_are_reported_in_order,
    a_producer_gets_reports_about_its_consumers,
    a_superseded_ring_is_reported_gone_once,
    an_own_closed_endpoint_is_reported_gone_once,
    an_endpoint_at_another_index_is_a_new_endpoint,
    another_select_reports_gone_again,
    a_busy_ring_does_not_hide_a_death,
}

/// A ring whose endpoints attach and close.
fn created(test: &str) -> (RingName, Ring<u64>) {
    let (ring, name) = named::<u64>(test, &options());
    (name, ring)
}

fn producer(ring: &Ring<u64>) -> Producer<u64> {
    ring.producer().expect("the role is free")
}

fn consumer(ring: &Ring<u64>) -> Consumer<u64> {
    ring.consumer().expect("the role is free")
}

/// The next report, which is already due; `None` if there is none.
fn next<S: Selectable>(select: &mut Select, ends: &mut [S]) -> Option<Selected> {
    match select.wait(ends, Duration::from_millis(1)) {
        Err(SelectError::TimedOut) => None,
        selected => Some(selected.expect("valid endpoints")),
    }
}

fn a_close_ends_the_wait() {
    let (mut producers, mut consumers) = heap_pairs(3);
    let leaver = producers.remove(1);
    let selected = std::thread::scope(|scope| {
        let wait = scope.spawn(|| Select::new().wait(&mut consumers, None));
        sleep(Duration::from_millis(5));
        drop(leaver);
        wait.join().expect("the wait returns")
    });
    assert_eq!(selected.expect("a report"), Selected::Gone(1));
}

fn a_killed_peer_ends_the_wait() {
    let (ring, name) = named::<u64>("killed", &options());
    let mut consumer = ring.consumer().expect("the role is free");
    let (_producer, mut other) = options().heap::<u64>().expect("a ring");
    let mut child = start(Role::Producer, &name, "0");
    child.kill();
    let mut both = [other.interest(), consumer.interest()];
    let selected = Select::new().wait(&mut both, PATIENCE);
    assert_eq!(selected.expect("a death"), Selected::Gone(1));
    assert!(consumer.is_abandoned());
}

fn the_messages_of_a_closed_peer_come_first() {
    let (mut producer, mut consumer) = options().heap::<u64>().expect("a ring");
    producer.try_push(1).expect("there is room");
    drop(producer);
    let mut select = Select::new();
    let mut wait = |consumer: &mut Consumer<u64>| {
        let selected = select.wait(&mut [consumer.interest()], None);
        selected.expect("an event")
    };
    assert_eq!(wait(&mut consumer), Selected::Ready(0));
    assert_eq!(consumer.try_pop(), Ok(1));
    assert_eq!(wait(&mut consumer), Selected::Gone(0));
}

fn gone_is_reported_once_and_causes_no_wake_ups() {
    let (name, ring) = created("once");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    drop(producer(&ring));
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
    let page = SleepPage::open(&name.file());
    let before = page.read().consumer.parks;
    let timed_out = select.wait(&mut ends, Duration::from_millis(500));
    is!(timed_out => Err(SelectError::TimedOut));
    let parks = page.read().consumer.parks - before;
    assert!((1..=7).contains(&parks), "{parks} in half a second");
}

fn gone_comes_before_back_and_back_before_ready() {
    let (_name, ring) = created("order");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    drop(producer(&ring));
    for number in 0..5 {
        assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
        assert_eq!(next(&mut select, &mut ends), None, "and not again");
        // A restarted peer attaches, publishes and closes between two waits.
        producer(&ring).try_push(number).expect("there is room");
        assert_eq!(next(&mut select, &mut ends), Some(Selected::Back(0)));
        assert_eq!(next(&mut select, &mut ends), Some(Selected::Ready(0)));
        assert_eq!(next(&mut select, &mut ends), Some(Selected::Ready(0)));
        assert_eq!(ends[0].try_pop(), Ok(number));
    }
    // A peer that attaches and stays.
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
    let mut successor = producer(&ring);
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Back(0)));
    assert_eq!(next(&mut select, &mut ends), None);
    successor.try_push(7).expect("there is room");
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Ready(0)));
}

fn gone_is_not_reported_if_a_new_peer_has_already_attached() {
    let (_name, ring) = created("overtaken");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    let first = producer(&ring);
    assert_eq!(next(&mut select, &mut ends), None);
    drop(first);
    let mut second = producer(&ring);
    assert_eq!(next(&mut select, &mut ends), None);
    second.try_push(2).expect("there is room");
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Ready(0)));
    assert_eq!(ends[0].try_pop(), Ok(2));
    assert_eq!(ends[0].peer_epoch(), 2);
    drop(second);
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
}

/// A peer attaches, publishes and closes in a loop, at any point of a wait.
fn racing_peers_are_reported_in_order() {
    const PEERS: u64 = 20_000;
    let (_name, ring) = created("race");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    let (mut count, mut departures, mut is_gone) = (0, 0, false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..PEERS {
                let pushed = producer(&ring).push_timeout(number, PATIENCE);
                pushed.expect("the consumer is attached");
            }
        });
        while count < PEERS || !is_gone {
            let selected = select.wait(&mut ends, PATIENCE);
            match selected.expect("an event") {
                Selected::Ready(_) => {
                    assert!(!is_gone, "it is reported ready before `Back`");
                    for number in ends[0].try_iter() {
                        assert_eq!(number, count, "none is lost");
                        count += 1;
                    }
                }
                Selected::Gone(_) => {
                    assert!(!is_gone, "it is reported `Gone` twice");
                    is_gone = true;
                    departures += 1;
                }
                Selected::Back(_) => {
                    assert!(is_gone, "it is reported `Back` without `Gone`");
                    is_gone = false;
                }
            }
        }
    });
    print!("[{departures} of {PEERS} peers reported as Gone] ");
}

fn a_producer_gets_reports_about_its_consumers() {
    let (_name, ring) = created("consumers");
    let mut ends = [producer(&ring)];
    ends[0].try_push_slice(&[0; 64]).expect("there is room");
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), None, "none has attached yet");
    drop(consumer(&ring));
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
    assert_eq!(next(&mut select, &mut ends), None);
    let mut successor = consumer(&ring);
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Back(0)));
    assert_eq!(next(&mut select, &mut ends), None);
    successor.try_pop().expect("a number");
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Ready(0)));
}

fn a_superseded_ring_is_reported_gone_once() {
    let (name, ring) = created("unlinked");
    let (_alive, mut other) = options().heap::<u64>().expect("a ring");
    let mut lonely = consumer(&ring);
    let mut select = Select::new();
    let mut ends = [&mut other, &mut lonely];
    assert_eq!(next(&mut select, &mut ends), None, "one may attach");
    fs::remove_file(name.file()).expect("it has a name");
    let selected = select.wait(&mut ends, PATIENCE);
    assert_eq!(selected.expect("a departure"), Selected::Gone(1));
    // Longer than the interval of checks.
    let timed_out = select.wait(&mut ends, Duration::from_millis(250));
    is!(timed_out => Err(SelectError::TimedOut));
}

fn an_own_closed_endpoint_is_reported_gone_once() {
    let (name, ring) = created("closed");
    let mut ends = [producer(&ring)];
    let _peer = consumer(&ring);
    ends[0].close();
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
    let page = SleepPage::open(&name.file());
    let before = page.read().producer.parks;
    let timed_out = select.wait(&mut ends, Duration::from_millis(150));
    is!(timed_out => Err(SelectError::TimedOut));
    assert!(page.read().producer.parks > before, "it sleeps");
}

fn an_endpoint_at_another_index_is_a_new_endpoint() {
    let (_names, rings): (Vec<_>, Vec<_>) = ["left", "right"].map(created).into_iter().unzip();
    let [mut left, mut right] = [0, 1].map(|index| consumer(&rings[index]));
    let alive = producer(&rings[0]);
    drop(producer(&rings[1]));
    let mut select = Select::new();
    let mut wait = |one: Interest<'_>, other: Interest<'_>| next(&mut select, &mut [one, other]);
    let gone = wait(left.interest(), right.interest());
    assert_eq!(gone, Some(Selected::Gone(1)));
    assert_eq!(wait(left.interest(), right.interest()), None);
    let gone = wait(right.interest(), left.interest());
    assert_eq!(
        gone,
        Some(Selected::Gone(0)),
        "at this index it is a different endpoint"
    );
    assert_eq!(wait(right.interest(), left.interest()), None);
    drop(alive);
    let gone = wait(right.interest(), left.interest());
    assert_eq!(
        gone,
        Some(Selected::Gone(1)),
        "although one was reported here"
    );
}

fn another_select_reports_gone_again() {
    let (_name, ring) = created("again");
    let mut ends = [consumer(&ring)];
    drop(producer(&ring));
    for _ in 0..2 {
        let mut select = Select::new();
        assert_eq!(next(&mut select, &mut ends), Some(Selected::Gone(0)));
        assert_eq!(next(&mut select, &mut ends), None);
    }
}

/// A wait that always finds work must still check the peers.
fn a_busy_ring_does_not_hide_a_death() {
    let (name, ring) = created("hidden");
    let (mut busy, other) = options().heap::<u64>().expect("a ring");
    busy.try_push(0).expect("there is room");
    let mut child = start(Role::Producer, &name, "1");
    child.kill();
    let mut ends = [other, consumer(&ring)];
    let mut select = Select::new();
    let start = Instant::now();
    let gone = loop {
        assert!(start.elapsed() < PATIENCE, "the death is not reported");
        match select.wait(&mut ends, None).expect("an event") {
            Selected::Ready(0) => {}
            Selected::Ready(_) => assert_eq!(ends[1].try_pop(), Ok(0), "the message comes first"),
            other => break other,
        }
    };
    assert_eq!(gone, Selected::Gone(1));
    assert!(ends[1].is_empty(), "its last message was read");
}
