//! Which departures are reported, of which endpoint. `tests/waits/sleep` has those of a peer that
//! closes, crashes or restarts.

use std::time::{Duration, Instant};

use quoit::Selected::{Abandoned, Ready};
use quoit::{Interest, Ring, Role, Select, SelectError, Selectable, Selected};

use super::{event, heap, options};
use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::start;
use crate::common::refused::is;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
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

fn an_own_closed_endpoint_is_reported_abandoned_once() {
    let (ring, name) = created("closed");
    let mut ends = [producer(&ring)];
    let _peer = consumer(&ring);
    ends[0].close();
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), Some(Abandoned(0)));
    let page = SleepPage::open(&name.file());
    // Also if the head is corrupt, which an endpoint that has closed does not report.
    for head in [0, 77] {
        SegmentFile::open(&name.file()).write(HEAD, head);
        let before = page.read().producer.parks;
        let timed_out = select.wait(&mut ends, Duration::from_millis(150));
        is!(timed_out => Err(SelectError::TimedOut));
        assert!(page.read().producer.parks > before, "it sleeps");
    }
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
    // Another `Select` has reported nothing.
    let reported = next(&mut Select::new(), &mut [left]);
    assert_eq!(reported, Some(Abandoned(0)));
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
