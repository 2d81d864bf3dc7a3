//! Peers that close, peers that crash, and restarted peers.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use quoit::Selected::{Abandoned, Attached, Ready};
use quoit::{Interest, Ring, Role, Select, SelectError, Selectable, Selected};

use super::{event, heap, options};
use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::refused::is;
use crate::common::rings::{consumer, named, producer};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    abandoned_is_reported_once_and_causes_no_wake_ups,
    abandoned_comes_before_attached_and_attached_before_ready,
    abandoned_is_not_reported_if_a_new_peer_has_already_attached,
    racing_peers_are_reported_in_order,
    a_producer_gets_reports_about_its_consumers,
    a_superseded_ring_is_reported_abandoned_once,
    an_own_closed_endpoint_is_reported_abandoned_once,
    an_endpoint_at_another_index_is_a_new_endpoint,
    a_busy_ring_does_not_hide_a_death,
}

/// A ring whose endpoints attach and close.
fn created(test: &str) -> (Ring<u64>, RingName) {
    named(test, &options())
}

/// The next report, which is already due; `None` if there is none.
fn next<S: Selectable>(select: &mut Select, ends: &mut [S]) -> Option<Selected> {
    match select.wait(ends, Duration::from_millis(1)) {
        Err(SelectError::TimedOut) => None,
        selected => Some(selected.expect("valid endpoints")),
    }
}

/// Checks that these are the next reports.
fn reports<S: Selectable>(select: &mut Select, ends: &mut [S], expected: &[Option<Selected>]) {
    for expected in expected {
        assert_eq!(next(select, ends), *expected);
    }
}

/// Also by another `Select`, and not again by the same.
fn abandoned_is_reported_once_and_causes_no_wake_ups() {
    let (ring, name) = created("once");
    let mut ends = [consumer(&ring)];
    drop(producer(&ring));
    let mut select = Select::new();
    for _ in 0..2 {
        select = Select::new();
        reports(&mut select, &mut ends, &[Some(Abandoned(0)), None]);
    }
    let page = SleepPage::open(&name.file());
    let before = page.read().consumer.parks;
    let timed_out = select.wait(&mut ends, Duration::from_millis(500));
    is!(timed_out => Err(SelectError::TimedOut));
    let parks = page.read().consumer.parks - before;
    assert!((1..=7).contains(&parks), "{parks} in half a second");
}

fn abandoned_comes_before_attached_and_attached_before_ready() {
    let (ring, _name) = created("order");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    drop(producer(&ring));
    for number in 0..5 {
        reports(&mut select, &mut ends, &[Some(Abandoned(0)), None]);
        // A restarted peer attaches, publishes and closes between two waits.
        producer(&ring).try_push(number).expect("there is room");
        let expected = [Some(Attached(0)), Some(Ready(0)), Some(Ready(0))];
        reports(&mut select, &mut ends, &expected);
        assert_eq!(ends[0].try_pop(), Ok(number));
    }
    // A peer that attaches and stays.
    reports(&mut select, &mut ends, &[Some(Abandoned(0))]);
    let mut successor = producer(&ring);
    reports(&mut select, &mut ends, &[Some(Attached(0)), None]);
    successor.try_push(7).expect("there is room");
    reports(&mut select, &mut ends, &[Some(Ready(0))]);
}

fn abandoned_is_not_reported_if_a_new_peer_has_already_attached() {
    let (ring, _name) = created("overtaken");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    let first = producer(&ring);
    reports(&mut select, &mut ends, &[None]);
    drop(first);
    let mut second = producer(&ring);
    reports(&mut select, &mut ends, &[None]);
    second.try_push(2).expect("there is room");
    reports(&mut select, &mut ends, &[Some(Ready(0))]);
    assert_eq!(ends[0].try_pop(), Ok(2));
    assert_eq!(ends[0].peer_epoch(), 2);
    drop(second);
    reports(&mut select, &mut ends, &[Some(Abandoned(0))]);
}

/// A peer attaches, publishes and closes in a loop, at any point of a wait.
fn racing_peers_are_reported_in_order() {
    const PEERS: u64 = 20_000;
    let (ring, _name) = created("race");
    let mut ends = [consumer(&ring)];
    let mut select = Select::new();
    let (mut count, mut departures, mut is_abandoned) = (0, 0, false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..PEERS {
                let pushed = producer(&ring).push_timeout(number, PATIENCE);
                pushed.expect("the consumer is attached");
            }
        });
        while count < PEERS || !is_abandoned {
            match event(&mut select, &mut ends) {
                Ready(_) => {
                    assert!(!is_abandoned, "it is reported ready before `Attached`");
                    for number in ends[0].try_iter() {
                        assert_eq!(number, count, "none is lost");
                        count += 1;
                    }
                }
                report => {
                    assert_eq!(
                        is_abandoned,
                        report == Attached(0),
                        "{report:?} is out of order"
                    );
                    is_abandoned = !is_abandoned;
                    departures += u64::from(is_abandoned);
                }
            }
        }
    });
    print!("[{departures} of {PEERS} peers reported as Abandoned] ");
}

fn a_producer_gets_reports_about_its_consumers() {
    let (ring, _name) = created("consumers");
    let mut ends = [producer(&ring)];
    ends[0].try_push_slice(&[0; 64]).expect("there is room");
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), None, "none has attached yet");
    drop(consumer(&ring));
    reports(&mut select, &mut ends, &[Some(Abandoned(0)), None]);
    let mut successor = consumer(&ring);
    reports(&mut select, &mut ends, &[Some(Attached(0)), None]);
    successor.try_pop().expect("a number");
    reports(&mut select, &mut ends, &[Some(Ready(0))]);
}

fn a_superseded_ring_is_reported_abandoned_once() {
    let (ring, name) = created("unlinked");
    let (_alive, other) = heap::<u64>();
    let mut ends = [other, consumer(&ring)];
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), None, "one may attach");
    fs::remove_file(name.file()).expect("it has a name");
    assert_eq!(event(&mut select, &mut ends), Abandoned(1));
    // Longer than the interval of checks.
    let timed_out = select.wait(&mut ends, Duration::from_millis(250));
    is!(timed_out => Err(SelectError::TimedOut));
}

fn an_own_closed_endpoint_is_reported_abandoned_once() {
    let (ring, name) = created("closed");
    let mut ends = [producer(&ring)];
    let _peer = consumer(&ring);
    ends[0].close();
    let mut select = Select::new();
    reports(&mut select, &mut ends, &[Some(Abandoned(0))]);
    let page = SleepPage::open(&name.file());
    let before = page.read().producer.parks;
    let timed_out = select.wait(&mut ends, Duration::from_millis(150));
    is!(timed_out => Err(SelectError::TimedOut));
    assert!(page.read().producer.parks > before, "it sleeps");
}

fn an_endpoint_at_another_index_is_a_new_endpoint() {
    let [(left_ring, _left), (right_ring, _right)] = ["left", "right"].map(created);
    let (mut left, mut right) = (consumer(&left_ring), consumer(&right_ring));
    let alive = producer(&left_ring);
    drop(producer(&right_ring));
    let mut select = Select::new();
    let mut wait = |one: Interest<'_>, other: Interest<'_>| next(&mut select, &mut [one, other]);
    assert_eq!(wait(left.interest(), right.interest()), Some(Abandoned(1)));
    assert_eq!(wait(left.interest(), right.interest()), None);
    // At this index it is a different endpoint.
    assert_eq!(wait(right.interest(), left.interest()), Some(Abandoned(0)));
    assert_eq!(wait(right.interest(), left.interest()), None);
    drop(alive);
    // Although one was reported here.
    assert_eq!(wait(right.interest(), left.interest()), Some(Abandoned(1)));
}

/// A wait that always finds work must still check the peers.
fn a_busy_ring_does_not_hide_a_death() {
    let (ring, name) = created("hidden");
    let (mut busy, other) = heap::<u64>();
    busy.try_push(0).expect("there is room");
    let mut child = start(Role::Producer, &name, "1");
    child.kill();
    let mut ends = [other, consumer(&ring)];
    let mut select = Select::new();
    let start = Instant::now();
    let abandoned = loop {
        assert!(start.elapsed() < PATIENCE, "the death is not reported");
        match event(&mut select, &mut ends) {
            Ready(0) => {}
            Ready(_) => assert_eq!(ends[1].try_pop(), Ok(0), "the message comes first"),
            other => break other,
        }
    };
    assert_eq!(abandoned, Abandoned(1));
    assert!(ends[1].is_abandoned() && ends[1].is_empty());
}
