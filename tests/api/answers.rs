//! Answers to small questions: of a frame, an observer, a `Select`, an error.

use std::error::Error;
use std::thread;
use std::time::Duration;

use quoit::{AsyncError, DoorbellKind, Observer, RingOptions, Select, SelectError, Selected};

use crate::common::rings::{ends, named};

/// A frame and its view, of each length.
#[test]
fn a_frame_says_what_it_is_in_every_way() {
    let (mut producer, mut consumer) = RingOptions::new(64).heap::<[u8]>().expect("a ring");
    for (kind, payload) in [(0, &b""[..]), (7, b"7"), (8, b"twenty-four bytes, 3 of 8")] {
        let payload = &payload[..payload.len().min(24)];
        producer
            .try_push_kind(kind, payload)
            .expect("there is room");
        let frame = consumer.try_peek().expect("a frame");
        let view = frame.view();
        let expected = (kind, payload.len(), payload.is_empty());
        assert_eq!((frame.kind(), frame.len(), frame.is_empty()), expected);
        assert_eq!((view.kind(), view.len(), view.is_empty()), expected);
        assert_eq!(frame.as_ptr(), view.as_ptr());
        // SAFETY: the producer, in this thread, writes nothing while the reference exists.
        assert_eq!(unsafe { frame.as_bytes() }, payload);
        // SAFETY: as above.
        assert_eq!(unsafe { view.as_bytes() }, payload);
        let mut copied = [0; 24];
        let len = frame.copy_to(&mut copied);
        assert_eq!(&copied[..len], payload);
        frame.release();
    }
}

#[test]
fn positions_are_empty_until_a_message_is_there() {
    let (ring, name) = named::<u64>("positions", &RingOptions::new(64));
    let observer = Observer::open(&name).expect("a ring");
    assert!(observer.positions().is_empty());
    ring.producer()
        .expect("the role is free")
        .push(7)
        .expect("there is room");
    assert_eq!(observer.positions().len(), 1);
    assert!(!observer.positions().is_empty());
}

/// Each endpoint that attaches wakes its peer, in any case.
#[test]
fn rates_count_the_wakes_of_both_endpoints() {
    let (ring, name) = named::<u64>("rates", &RingOptions::new(64));
    let observer = Observer::open(&name).expect("a ring");
    let before = observer.sample();
    assert_eq!(before.rates_since(&before).wakes, 0.0);
    let wakes_since = |before| observer.sample().rates_since(before).wakes;
    let before = observer.sample();
    drop(ring.producer().expect("the role is free"));
    thread::sleep(Duration::from_millis(1));
    assert!(wakes_since(&before) > 0.0, "of the producer");
    let before = observer.sample();
    drop(ring.consumer().expect("the role is free"));
    thread::sleep(Duration::from_millis(1));
    assert!(wakes_since(&before) > 0.0, "of the consumer");
}

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

#[test]
fn an_endpoint_that_no_loop_can_wait_for_frees_the_role_with_its_error() {
    let options = RingOptions::new(64).doorbell(DoorbellKind::Semaphore);
    let (ring, _name) = named::<u64>("no-loop", &options);
    for _ in 0..2 {
        let consumer = ring.consumer().expect("the role is free");
        let refusal = consumer.into_pollable().expect_err("a semaphore");
        assert!(matches!(refusal.reason(), AsyncError::NotAFutex));
        assert!(refusal.source().is_none());
        assert!(matches!(AsyncError::from(refusal), AsyncError::NotAFutex));
    }
}

#[test]
fn an_observer_shows_its_ring() {
    let (_ring, name) = named::<u64>("shown", &RingOptions::new(64));
    let shown = format!("{:?}", Observer::open(&name).expect("a ring"));
    for part in [name.as_str(), "capacity: 64", "tail: 0"] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
}
