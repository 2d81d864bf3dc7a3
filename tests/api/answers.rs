//! Answers to small questions: of a `Select`, an error, an unlink.

use std::time::{Duration, Instant};

use quoit::{Error, Observer, RingOptions, Role, Select, SelectError, Selected, unlink_if_stale};

use crate::common::names::RingName;
use crate::common::rings::{ends, named};

/// The reports of a `Select` belong to an endpoint, and not to its place in the list. Of the
/// incarnations of three rings two are even, or two are odd.
#[test]
fn another_endpoint_at_the_same_place_has_its_own_reports() {
    let rings = [(); 3].map(|()| named::<u64>("places", &RingOptions::new(64)));
    let mut producers = rings.each_ref().map(|(ring, _)| {
        let (mut producer, consumer) = ends(ring);
        (0..64).for_each(|number| producer.try_push(number).expect("there is room"));
        drop(consumer);
        producer
    });
    let mut select = Select::new();
    for place in [0, 1, 2, 0] {
        let mut next = || select.wait(&mut [&mut producers[place]], Duration::ZERO);
        assert_eq!(next().ok(), Some(Selected::Abandoned(0)), "{place}");
        assert!(matches!(next(), Err(SelectError::TimedOut)), "{place}");
    }
    let interest = format!("{:?}", producers[0].interest());
    assert!(interest.starts_with("Interest"), "{interest}");
}

/// An endpoint that has closed is about to free the role: a process that removes the ring waits
/// a moment for that.
#[test]
fn a_closed_endpoint_that_keeps_its_role_is_waited_for() {
    let name = RingName::new("closed-and-held");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let unlinked = || {
        let begin = Instant::now();
        let unlinked = unlink_if_stale(&name).expect("a ring");
        (unlinked, begin.elapsed() >= Duration::from_millis(100))
    };
    producer.close();
    assert_eq!(unlinked(), (false, true));
    let refusal = quoit::unlink(&name).err();
    assert!(matches!(refusal, Some(Error::InUse { .. })), "{refusal:?}");
    drop(producer);
    let observer = Observer::open(&name).expect("a ring");
    assert!(observer.endpoint(Role::Producer).is_closed, "and no crash");
    assert!(unlinked().0);
}
