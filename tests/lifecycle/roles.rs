//! A ring has one producer and one consumer. A role is free as soon as its holder is
//! dropped, and the next holder continues where the previous one stopped.

use std::fs::File;
use std::sync::mpsc;
use std::thread;

use crate::common::PATIENCE;
use crate::common::descriptors::lock;
use crate::common::names::RingName;
use crate::common::refused::in_use;
use crate::common::rings::{ends, named};
use quoit::{ClaimError, Consumer, PopError, Producer, PushError, Ring, RingOptions, Role};

crate::common::suite::tests! {
    there_is_one_producer_and_one_consumer,
    a_refused_taker_does_not_disturb_the_holder,
    a_role_is_free_once_its_holder_is_dropped,
    a_role_outlives_its_ring_value,
    the_next_producer_continues_at_the_stored_position,
    the_next_consumer_continues_at_the_stored_position,
    a_record_that_was_not_released_is_delivered_again,
    a_frame_that_was_not_released_is_delivered_again,
    a_consumer_drains_the_ring_before_it_is_abandoned,
    abandoned_ends_when_a_new_producer_attaches,
    a_producer_fills_the_ring_before_it_is_abandoned,
    an_endpoint_may_move_to_another_thread,
    debug_shows_positions_and_never_payload,
    a_lock_of_another_process_blocks_no_call,
}

fn ring(test: &str) -> (Ring<u64>, RingName) {
    named(test, &RingOptions::new(4))
}

fn there_is_one_producer_and_one_consumer() {
    let (ring, name) = ring("one-of-each");
    let _producer = ring.producer().expect("the role is free");
    in_use(ring.producer(), Role::Producer);
    in_use(Producer::<u64>::open(&name), Role::Producer);
    in_use(Producer::<u64>::open_or_create(&name, 4), Role::Producer);
    let _consumer = ring.consumer().expect("the other role is free");
    in_use(ring.consumer(), Role::Consumer);
    in_use(Consumer::<u64>::open(&name), Role::Consumer);
    in_use(Consumer::<u64>::open_or_create(&name, 4), Role::Consumer);
}

fn a_refused_taker_does_not_disturb_the_holder() {
    let (ring, _name) = ring("undisturbed");
    let (mut producer, mut consumer) = ends(&ring);
    for value in 0..20 {
        producer.try_push(value).expect("there is room");
        in_use(ring.producer(), Role::Producer);
        in_use(ring.consumer(), Role::Consumer);
        assert_eq!(consumer.try_pop(), Ok(value));
        assert!(!producer.is_abandoned() && !consumer.is_abandoned());
    }
}

fn a_role_is_free_once_its_holder_is_dropped() {
    let (ring, _name) = ring("free-again");
    for _ in 0..100 {
        drop(ring.producer().expect("the role is free"));
        drop(ring.consumer().expect("the role is free"));
    }
}

fn a_role_outlives_its_ring_value() {
    let (ring, name) = ring("outlives");
    let mut producer = ring.producer().expect("the role is free");
    drop(ring);
    producer.try_push(7).expect("there is room");
    in_use(Producer::<u64>::open(&name), Role::Producer);
}

fn the_next_producer_continues_at_the_stored_position() {
    let (ring, _name) = ring("next-producer");
    let mut consumer = ring.consumer().expect("the role is free");
    for value in 0..20 {
        let mut producer = ring.producer().expect("the role is free");
        assert_eq!(producer.position(), value);
        producer.try_push(value).expect("there is room");
        // An uncommitted claim leaves nothing for the next holder.
        producer.try_claim().expect("there is room").write(1000);
        drop(producer);
        assert_eq!(consumer.try_pop(), Ok(value));
    }
}

fn the_next_consumer_continues_at_the_stored_position() {
    let (ring, _name) = ring("next-consumer");
    let mut producer = ring.producer().expect("the role is free");
    for value in 0..20 {
        producer.try_push(value).expect("there is room");
        let mut consumer = ring.consumer().expect("the role is free");
        assert_eq!(consumer.position(), value);
        assert_eq!(consumer.try_pop(), Ok(value));
    }
}

fn a_record_that_was_not_released_is_delivered_again() {
    let (ring, _name) = ring("again");
    let mut producer = ring.producer().expect("the role is free");
    assert_eq!(producer.try_push_slice(&[1, 2, 3, 4]), Ok(4));

    let mut first = ring.consumer().expect("the role is free");
    assert_eq!(first.try_pop(), Ok(1));
    assert_eq!(first.try_peek().map(|peek| peek.read()), Ok(2));
    assert_eq!(first.try_peek_many().map(|peek| peek.len()), Ok(3));
    drop(first);

    let mut second = ring.consumer().expect("the role is free");
    assert_eq!(second.try_iter().collect::<Vec<_>>(), [2, 3, 4]);
}

fn a_frame_that_was_not_released_is_delivered_again() {
    let (ring, _name) = named::<[u8]>("frame-again", &RingOptions::new(64));
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(b"one").expect("there is room");
    for _ in 0..2 {
        let mut consumer = ring.consumer().expect("the role is free");
        let frame = consumer.try_peek().expect("there is a frame");
        assert_eq!(frame.to_vec(), b"one");
    }
}

fn a_consumer_drains_the_ring_before_it_is_abandoned() {
    let (ring, _name) = ring("drained");
    let mut consumer = ring.consumer().expect("the role is free");
    // A consumer waits for its first producer.
    assert_eq!(consumer.try_pop(), Err(PopError::Empty));
    assert!(!consumer.is_abandoned());

    let mut producer = ring.producer().expect("the role is free");
    assert_eq!(producer.try_push_slice(&[1, 2, 3]), Ok(3));
    drop(producer);
    assert!(consumer.is_abandoned(), "although there is a message");
    for value in 1..=3 {
        assert_eq!(consumer.pop_timeout(PATIENCE), Ok(value));
    }
    for _ in 0..3 {
        assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
        let popped = consumer.pop_timeout(PATIENCE);
        assert_eq!(popped, Err(PopError::Abandoned));
        assert_eq!(
            consumer.try_peek_many().map(|peek| peek.len()),
            Err(PopError::Abandoned)
        );
        assert_eq!(consumer.try_iter().next(), None);
    }
}

fn abandoned_ends_when_a_new_producer_attaches() {
    let (ring, _name) = ring("new-producer");
    let mut consumer = ring.consumer().expect("the role is free");
    for value in 0..5 {
        let mut producer = ring.producer().expect("the role is free");
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        assert!(!consumer.is_abandoned());
        producer.try_push(value).expect("there is room");
        drop(producer);
        assert_eq!(consumer.try_pop(), Ok(value));
        assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
    }
}

fn a_producer_fills_the_ring_before_it_is_abandoned() {
    let (ring, _name) = ring("filled");
    let mut producer = ring.producer().expect("the role is free");
    // A producer waits for its first consumer.
    assert_eq!(producer.try_push_slice(&[1, 2, 3, 4]), Ok(4));
    assert_eq!(producer.try_push(5), Err(PushError::Full(5)));
    assert!(!producer.is_abandoned());

    let mut consumer = ring.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(1));
    drop(consumer);
    assert!(producer.is_abandoned(), "although there is room");
    producer.try_push(5).expect("earlier releases still count");
    for _ in 0..3 {
        assert_eq!(producer.try_push(6), Err(PushError::Abandoned(6)));
        let pushed = producer.push_timeout(6, PATIENCE);
        assert_eq!(pushed, Err(PushError::Abandoned(6)));
        assert_eq!(producer.try_push_slice(&[6]), Err(ClaimError::Abandoned));
        assert_eq!(producer.try_claim().map(drop), Err(ClaimError::Abandoned));
    }

    let mut consumer = ring.consumer().expect("the role is free");
    assert_eq!(producer.try_push(6), Err(PushError::Full(6)));
    assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
    producer.try_push(6).expect("there is room");
}

fn an_endpoint_may_move_to_another_thread() {
    let (ring, _name) = ring("moved");
    let (mut producer, mut consumer) = ends(&ring);
    producer.try_push(0).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(0));
    let sending = thread::spawn(move || {
        for value in 1..10_000 {
            let pushed = producer.push_timeout(value, PATIENCE);
            pushed.expect("the consumer is attached");
        }
        producer
    });
    let receiving = thread::spawn(move || {
        for value in 1..10_000 {
            assert_eq!(consumer.pop_timeout(PATIENCE), Ok(value));
        }
        consumer
    });
    let mut producer = sending.join().expect("no thread panics");
    let mut consumer = receiving.join().expect("no thread panics");
    producer.try_push(10_000).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(10_000));
    // The role belongs to the endpoint, not to the thread that took it.
    in_use(ring.producer(), Role::Producer);
    in_use(ring.consumer(), Role::Consumer);
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
