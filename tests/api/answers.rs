//! Answers to small questions: of a `Select`, an error, an unlink.

use std::error::Error as _;
use std::io::Write;
use std::time::{Duration, Instant};

use quoit::{
    AsyncError, DoorbellKind, Error, Observer, RingOptions, Role, Select, SelectError, Selected,
    unlink_if_stale,
};

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

/// Frames that are not yet published, and those that were visited.
#[test]
fn batches_of_frames_know_what_they_hold() {
    let ends = RingOptions::new(256).heap::<[u8]>();
    let (mut producer, mut consumer) = ends.expect("a fitting capacity");
    let mut batch = producer.batch();
    assert!(batch.is_empty());
    batch.try_push(5, b"four").expect("there is room");
    assert_eq!((batch.len(), batch.is_empty()), (1, false));
    assert_eq!(batch.commit(), 1);
    let mut frames = consumer.try_peek_many().expect("a frame");
    assert_eq!(frames.visited(), 0);
    let frame = frames.next_frame().expect("a sound ring");
    let frame = frame.expect("a frame");
    assert_eq!((frame.kind(), frame.len(), frame.is_empty()), (5, 4, false));
    assert_eq!(frames.visited(), 16);
}

/// Also after they were streams of bytes, which publish each write at once.
#[test]
fn streams_of_bytes_return_their_endpoints() {
    let ends = RingOptions::new(256).heap::<[u8]>();
    let (producer, consumer) = ends.expect("a fitting capacity");
    let (mut writer, reader) = (producer.into_writer(), consumer.into_reader());
    writer.write_all(b"four").expect("there is room");
    writer.flush().expect("nothing to do");
    assert_eq!(writer.into_inner().len(), 16);
    assert_eq!(reader.into_inner().len(), 16);
}
