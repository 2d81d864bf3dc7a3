//! A ring has one producer and one consumer. A role is free as soon as its holder is
//! dropped, and the next holder continues where the previous one stopped: `tests/models`.

use std::fs::File;
use std::sync::mpsc;
use std::thread;

use crate::common::PATIENCE;
use crate::common::descriptors::lock;
use crate::common::names::RingName;
use crate::common::refused::in_use;
use crate::common::rings::{ends, named, producer};
use quoit::{Consumer, PopError, Producer, PushError, Ring, RingOptions, Role};

crate::common::suite::tests! {
    there_is_one_producer_and_one_consumer,
    an_endpoint_waits_for_its_first_peer,
    a_role_outlives_the_thread_that_took_it,
    debug_shows_positions_and_never_payload,
    a_lock_of_another_process_blocks_no_call,
}

fn ring(test: &str) -> (Ring<u64>, RingName) {
    named(test, &RingOptions::new(4))
}

/// A refused taker does not disturb the holder, and a role outlives the value of its ring.
fn there_is_one_producer_and_one_consumer() {
    let (ring, name) = ring("one-of-each");
    let (mut producer, mut consumer) = ends(&ring);
    for value in 0..20 {
        producer.try_push(value).expect("there is room");
        in_use(ring.producer(), Role::Producer);
        in_use(Producer::<u64>::open_or_create(&name, 4), Role::Producer);
        in_use(ring.consumer(), Role::Consumer);
        in_use(Consumer::<u64>::open_or_create(&name, 4), Role::Consumer);
        assert_eq!(consumer.try_pop(), Ok(value));
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
    }
    drop(ring);
    producer.try_push(7).expect("there is room");
    in_use(Producer::<u64>::open(&name), Role::Producer);
    in_use(Consumer::<u64>::open(&name), Role::Consumer);
}

fn an_endpoint_waits_for_its_first_peer() {
    let (empty, _name) = ring("first-producer");
    let mut consumer = empty.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    assert!(!consumer.is_abandoned());
    let (full, _name) = ring("first-consumer");
    let mut producer = producer(&full);
    assert_eq!(producer.try_push_slice(&[1, 2, 3, 4]), Ok(4));
    assert_eq!(producer.try_push(5), Err(PushError::Full(5)));
    assert!(!producer.is_abandoned());
}

fn a_role_outlives_the_thread_that_took_it() {
    let (ring, _name) = ring("moved");
    let taken = thread::scope(|scope| scope.spawn(|| ends(&ring)).join());
    let (mut producer, mut consumer) = taken.expect("no thread panics");
    in_use(ring.producer(), Role::Producer);
    in_use(ring.consumer(), Role::Consumer);
    producer.try_push(7).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(7));
}

fn debug_shows_positions_and_never_payload() {
    let (ring, _name) = ring("shown");
    let (mut producer, consumer) = ends(&ring);
    producer.try_push(987_654_321).expect("there is room");
    for shown in [format!("{producer:?}"), format!("{consumer:?}")] {
        for part in ["position", "len: 1", "capacity: 4"] {
            assert!(shown.contains(part), "{shown} has no {part}");
        }
        assert!(!shown.contains("987654321"), "{shown} shows the payload");
    }
    let full = PushError::Full(987_654_321_u64);
    assert!(!format!("{full:?} {full}").contains("987654321"));
}

/// A lock that is never freed delays a drop, a taker and an unlinker, and blocks none of them.
fn a_lock_of_another_process_blocks_no_call() {
    const NAME_BYTE: i64 = 0;
    let name = RingName::new("locked");
    let options = RingOptions::new(4).unlink_on_drop(true);
    let ring = options.create::<u64>(&name).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    let file = File::open(name.file()).expect("the segment's file");
    // As any process with read permission may.
    lock(&file, NAME_BYTE, libc::F_RDLCK);
    let (tell, told) = mpsc::channel();
    let waits = thread::spawn(move || {
        drop(producer);
        tell.send("dropped").expect("it ends");
        drop(ring.producer().expect("the role is free"));
        tell.send("taken").expect("it ends");
        assert!(ring.unlink().is_err(), "the name is locked");
        tell.send("not unlinked").expect("it ends");
    });
    for word in ["dropped", "taken", "not unlinked"] {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(word));
    }
    waits.join().expect("no panic");
    assert!(name.file().exists(), "a locked name stays");
    drop(file);
    let ring = options.open::<u64>(&name).expect("the ring");
    drop(ring.producer().expect("the role is free"));
    assert!(
        !name.file().exists(),
        "a drop removes it when the lock is freed"
    );
}
