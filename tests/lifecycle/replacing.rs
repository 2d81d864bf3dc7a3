//! Replacing and unlinking: explicitly, by the last endpoint that closes, or by `rm`. No
//! process loses a ring in use, and no newer ring is removed.

use std::any::Any;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::common::names::RingName;
use crate::common::refused::{in_use, is, superseded};
use crate::common::rings::{consumer, ends, named, producer};
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use quoit::{
    Consumer, Error, FrameProducer, PopError, Producer, Ring, RingOptions, Role, StalePolicy,
};

crate::common::suite::tests! {
    a_ring_that_no_process_holds_is_replaced,
    a_ring_in_use_is_neither_replaced_nor_unlinked,
    an_unlinked_ring_grants_no_role_and_keeps_the_new_one_of_its_name,
    attached_endpoints_continue_after_an_rm,
    an_rm_is_noticed_when_the_next_role_is_taken,
    the_name_of_a_superseded_ring_is_free,
    the_last_endpoint_removes_the_name,
    two_endpoints_that_close_at_once_remove_the_name,
    an_endpoint_can_remove_the_name_when_its_peer_has_closed,
    an_endpoint_without_the_option_removes_nothing,
    the_last_endpoint_keeps_a_new_ring_of_the_name,
}

fn options() -> RingOptions {
    RingOptions::new(4)
}

/// The ring under this name, with an unread record.
fn with_a_record(name: &RingName) -> Ring<u64> {
    let ring = options().create::<u64>(name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
    ring
}

fn is_unlinked(name: &RingName) -> bool {
    matches!(Ring::<u64>::open(name), Err(Error::NotFound { .. }))
}

/// By a ring of any shape and capacity. Where there is nothing, it is created.
fn a_ring_that_no_process_holds_is_replaced() {
    let replacing = RingOptions::new(256).stale(StalePolicy::Replace);
    let name = RingName::new("replace");
    for replace in [RingOptions::create, RingOptions::open_or_create] {
        replace(&replacing, &name).expect("a ring");
        quoit::unlink(&name).expect("no process holds the ring");
        let old = with_a_record(&name);
        let new: Ring<[u8]> = replace(&replacing, &name).expect("a new ring");
        assert_eq!(new.capacity(), 256);
        assert_eq!(consumer(&new).try_pop(&mut []), Err(PopError::Empty));
        superseded(&name, old.producer());
        superseded(&name, old.consumer());
        superseded(&name, old.unlink());
        drop(FrameProducer::open(&name).expect("the name refers to the new ring"));
    }
}

fn a_ring_in_use_is_neither_replaced_nor_unlinked() {
    let name = RingName::new("in-use");
    let ring = with_a_record(&name);
    let refused = |role| {
        in_use(
            options().stale(StalePolicy::Replace).create::<u64>(&name),
            role,
        );
        in_use(ring.unlink(), role);
        in_use(quoit::unlink(&name), role);
    };
    let producer = producer(&ring);
    refused(Role::Producer);
    drop(producer);
    let mut consumer = consumer(&ring);
    refused(Role::Consumer);
    assert_eq!(consumer.try_pop(), Ok(7), "the ring is unchanged");
    drop(consumer);
    ring.unlink().expect("no process holds the ring any more");
    assert!(is_unlinked(&name));
}

fn an_unlinked_ring_grants_no_role_and_keeps_the_new_one_of_its_name() {
    let name = RingName::new("unlinked");
    let ring = with_a_record(&name);
    let other = Ring::<u64>::open(&name).expect("it opens");
    ring.unlink().expect("no process holds the ring");
    let are_refused = || {
        for old in [&ring, &other] {
            superseded(&name, old.producer());
            superseded(&name, old.consumer());
            superseded(&name, old.unlink());
        }
    };
    are_refused();
    is!(quoit::unlink(&name) => Err(Error::NotFound { .. }));
    let new = with_a_record(&name);
    are_refused();
    assert_eq!(consumer(&new).try_pop(), Ok(7));
}

fn attached_endpoints_continue_after_an_rm() {
    let (ring, name) = named::<u64>("rm-attached", &options());
    let (mut producer, mut consumer) = ends(&ring);
    fs::remove_file(name.file()).expect("the file exists");
    // A new ring of the name is another one, and does not disturb them.
    let mut stranger = Producer::<u64>::create(&name, 4).expect("the name is free");
    stranger.try_push(1000).expect("there is room");
    // Longer than two liveness checks.
    let popped = consumer.pop_timeout(Duration::from_millis(250));
    assert_eq!(popped, Err(PopError::TimedOut));
    for value in 0..100 {
        producer.push(value).expect("there is room");
        assert_eq!(consumer.pop(), Ok(value));
    }
    drop(producer);
    assert_eq!(consumer.pop(), Err(PopError::Superseded));
}

fn an_rm_is_noticed_when_the_next_role_is_taken() {
    let name = RingName::new("rm");
    let ring = with_a_record(&name);
    let producer = ring.producer().expect("the role is free");
    fs::remove_file(name.file()).expect("the file exists");
    superseded(&name, ring.consumer());
    drop(producer);
    superseded(&name, ring.producer());
    superseded(&name, ring.unlink());
    // A process that opens the name gets a new ring.
    let mut consumer = Consumer::<u64>::open_or_create(&name, 4).expect("it creates");
    assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    superseded(&name, ring.producer());
}

/// As after a death between the mark and the unlink.
fn the_name_of_a_superseded_ring_is_free() {
    let name = RingName::new("outlived");
    let dead = || {
        drop(with_a_record(&name));
        SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
    };
    dead();
    assert!(is_unlinked(&name));
    dead();
    options().create::<u64>(&name).expect("the name is free");
    quoit::unlink(&name).expect("no process holds the ring");
    dead();
    let mut consumer = Consumer::<u64>::open_or_create(&name, 4).expect("a new ring");
    assert_eq!(consumer.try_pop(), Err(PopError::Empty));
}

/// In either order, or alone.
fn the_last_endpoint_removes_the_name() {
    for (rotated, count) in [(0, 2), (1, 2), (0, 1), (1, 1)] {
        let (ring, name) = named::<u64>("last-out", &options().unlink_on_drop(true));
        let mut takes: [fn(&Ring<u64>) -> Box<dyn Any>; 2] = [
            |ring| Box::new(producer(ring)),
            |ring| Box::new(consumer(ring)),
        ];
        takes.rotate_left(rotated);
        let ends: Vec<_> = takes[..count].iter().map(|take| take(&ring)).collect();
        for end in ends {
            assert!(!is_unlinked(&name), "an endpoint is still attached");
            drop(end);
        }
        assert!(is_unlinked(&name));
        superseded(&name, ring.producer());
    }
}

/// Either of them may hold its lock a moment longer.
fn two_endpoints_that_close_at_once_remove_the_name() {
    for _ in 0..500 {
        let (ring, name) = named::<u64>("at-once", &options().unlink_on_drop(true));
        let (producer, consumer) = ends(&ring);
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                drop(producer);
            });
            barrier.wait();
            drop(consumer);
        });
        assert!(is_unlinked(&name));
    }
}

/// The close wakes it, and the lock is free a little later.
fn an_endpoint_can_remove_the_name_when_its_peer_has_closed() {
    for _ in 0..500 {
        let (ring, name) = named::<u64>("closed", &options().spin(Duration::ZERO));
        let (producer, mut consumer) = ends(&ring);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(consumer.pop(), Err(PopError::Abandoned));
                drop(consumer);
                assert!(quoit::unlink_if_read(&name).expect("a ring"));
            });
            drop(producer);
        });
        assert!(is_unlinked(&name));
    }
}

fn an_endpoint_without_the_option_removes_nothing() {
    let (ring, name) = named::<u64>("other-end", &options().unlink_on_drop(true));
    let producer = ring.producer().expect("the role is free");
    let consumer = Consumer::<u64>::open(&name).expect("the role is free");
    drop(producer);
    drop(consumer);
    assert!(!is_unlinked(&name));
    // The next endpoint with the option does.
    drop(ring.producer().expect("the role is free"));
    assert!(is_unlinked(&name));
}

fn the_last_endpoint_keeps_a_new_ring_of_the_name() {
    let (ring, name) = named::<u64>("last-out-successor", &options().unlink_on_drop(true));
    let producer = ring.producer().expect("the role is free");
    fs::remove_file(name.file()).expect("the file exists");
    let new = with_a_record(&name);
    drop(producer);
    let mut consumer = new.consumer().expect("the new ring exists");
    assert_eq!(consumer.try_pop(), Ok(7));
}
