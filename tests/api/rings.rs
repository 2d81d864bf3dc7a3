//! Rings that are removed.

use std::time::{Duration, Instant};

use quoit::{Error, Observer, RingOptions, Role, unlink_if_stale};

use crate::common::names::RingName;

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
