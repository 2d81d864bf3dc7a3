//! Answers to small questions: of a `Select`, an error, an unlink, a guard.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use quoit::{
    BatchFrame, ClaimMany, Error, FrameClaim, Observer, RingOptions, Role, Select, SelectError,
    Selected, unlink_if_stale,
};

use crate::common::names::RingName;
use crate::common::rings::{ends, heap, named};

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

/// Requires that the call panics with a message that begins so.
fn panics(call: impl FnOnce(), message: &str) {
    let panicked = catch_unwind(AssertUnwindSafe(call)).expect_err(message);
    let said = panicked.downcast_ref::<String>().expect("a text");
    assert!(said.starts_with(message), "{said}, and not {message}");
}

/// It panics, and neither publishes nor releases anything.
#[test]
fn a_guard_refuses_more_than_it_has() {
    let (mut producer, mut consumer) = heap::<u64>(8);
    let mut slots = |call: &mut dyn FnMut(ClaimMany<'_, u64>), message: &str| {
        panics(|| call(producer.try_claim_many(2).expect("room")), message);
    };
    slots(
        &mut |mut claim| claim.write(2, 0),
        "slot 2 written, 2 claimed",
    );
    for wrong in [&[0][..], &[0; 3]] {
        let message = format!("{} records copied, 2 slots claimed", wrong.len());
        slots(&mut |mut claim| claim.copy_from_slice(wrong), &message);
    }
    slots(
        &mut |claim| claim.commit_first(3),
        "3 slots committed, 2 claimed",
    );
    producer.try_push(7).expect("room");
    let found = AssertUnwindSafe(|| consumer.try_peek_many().expect("one").release_first(2));
    panics(found, "2 records released, 1 found");
    assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [7]);

    let (mut producer, mut consumer) = heap::<[u8]>(256);
    let mut refused = |in_claim: &dyn Fn(&mut FrameClaim<'_>),
                       in_batch: &dyn Fn(&mut BatchFrame<'_>),
                       message: &str| {
        let mut claim = producer.try_claim(5).expect("room");
        panics(|| in_claim(&mut claim), message);
        drop(claim);
        let mut batch = producer.batch();
        let mut frame = batch.try_claim(0, 5).expect("room");
        panics(|| in_batch(&mut frame), message);
    };
    for (offset, len) in [(1, 5), (6, 0), (usize::MAX, 1)] {
        let (bytes, message) = (
            &[0; 9][..len],
            format!("{len} bytes written at {offset}, 5 claimed"),
        );
        refused(
            &|claim| claim.write_at(offset, bytes),
            &|frame| frame.write_at(offset, bytes),
            &message,
        );
    }
    for len in [4, 6] {
        let (bytes, message) = (&[0; 9][..len], format!("{len} bytes copied, 5 claimed"));
        refused(
            &|claim| claim.copy_from_slice(bytes),
            &|frame| frame.copy_from_slice(bytes),
            &message,
        );
    }
    let claim = producer.try_claim(5).expect("room");
    panics(|| claim.commit_first(6), "6 bytes committed, 5 claimed");
    // Read from the inline copy, and from the ring.
    for payload in ["seven", "a frame that is longer than an inline copy can be"] {
        producer.try_push(payload.as_bytes()).expect("room");
        let len = payload.len();
        let frame = consumer.try_peek().expect("one");
        let mut buffer = [0; 64];
        let short = &mut buffer[..len - 1];
        let message = format!("range end index {len} out of range");
        panics(|| _ = frame.copy_to(short), &message);
        for offset in [1, len + 1, usize::MAX] {
            let message = format!("{len} bytes read at {offset}, of {len}");
            panics(|| frame.read_at(offset, &mut buffer[..len]), &message);
        }
        drop(frame);
        let mut frames = consumer.try_peek_many().expect("one");
        assert!(frames.next_frame().expect("sound").is_some());
        panics(|| frames.release_first(2), "2 frames released, 1 visited");
        assert_eq!(consumer.try_pop(&mut buffer).expect("one").len, len);
        assert_eq!(&buffer[..len], payload.as_bytes());
    }
    assert!(consumer.is_empty());
}
