//! Semaphores that somebody has written to.

use std::time::Duration;

use quoit::{Consumer, DoorbellKind, PopError, Producer, Ring, RingOptions};

use crate::common::names::RingName;
use crate::common::segment_file::SegmentFile;
use crate::common::threads::while_waiting;

/// The consumer's and the producer's.
const SEMAPHORES: [u64; 2] = [12544, 12672];

struct World {
    ring: Ring<u64>,
    producer: Producer<u64>,
    consumer: Consumer<u64>,
    file: SegmentFile,
    _name: RingName,
}

/// A ring of one record whose ends sleep on semaphores, at once.
fn world() -> World {
    let name = RingName::new("semaphores");
    let options = RingOptions::new(1)
        .doorbell(DoorbellKind::Semaphore)
        .spin(Duration::ZERO);
    let ring = options.create::<u64>(&name).expect("a ring");
    World {
        producer: ring.producer().expect("the role is free"),
        consumer: ring.consumer().expect("the role is free"),
        file: SegmentFile::open(&name.file()),
        ring,
        _name: name,
    }
}

/// A message wakes the consumer, and room the producer.
fn both_ends_work(world: World) -> World {
    let World {
        ring,
        mut producer,
        mut consumer,
        file,
        _name,
    } = world;
    let wait = move || (consumer.pop(), consumer);
    let (popped, mut consumer) = while_waiting(wait, || {
        producer.try_push(7).expect("there is room");
    });
    assert_eq!(popped, Ok(7));
    producer.try_push(8).expect("there is room");
    let wait = move || (producer.push(9), producer);
    let (pushed, producer) = while_waiting(wait, || {
        assert_eq!(consumer.try_pop(), Ok(8));
    });
    assert_eq!(pushed, Ok(()));
    assert_eq!(consumer.try_pop(), Ok(9));
    World {
        ring,
        producer,
        consumer,
        file,
        _name,
    }
}

/// Draining them one by one would take half a minute.
#[test]
fn tokens_without_number_keep_nobody_busy() {
    for value in [u32::MAX, 1 << 31, i32::MAX as u32] {
        let mut world = world();
        for semaphore in SEMAPHORES {
            world.file.write_half(semaphore, value);
        }
        let timeout = Duration::from_millis(1);
        let nothing = world.consumer.pop_timeout(timeout);
        assert_eq!(nothing, Err(PopError::Empty));
        let left = world.file.read(SEMAPHORES[0]) as u32;
        assert!(left > value / 2, "{left} of {value} tokens are left");
        both_ends_work(world);
    }
}

/// How many wait is a hint to the waker; a sleep ends without it, too.
#[test]
fn a_wrong_number_of_waiters_loses_no_message() {
    for waiters in [1, 1 << 31, u32::MAX] {
        let world = world();
        for semaphore in SEMAPHORES {
            world.file.write_half(semaphore + 4, waiters);
        }
        both_ends_work(world);
    }
}

/// What else is in a semaphore tells glibc which operation to ask the kernel
/// for: an unknown one aborts the process, another one waits where it should
/// wake. Such a semaphore is left alone, and the ends sleep on their words.
#[test]
fn a_semaphore_that_was_written_to_is_left_alone() {
    for kind in [0, 1, 0x81, 0x82, 0xff, 1 << 31, u32::MAX] {
        let world = world();
        for semaphore in SEMAPHORES {
            world.file.write_half(semaphore + 8, kind);
        }
        let World {
            ring,
            producer,
            consumer,
            file,
            _name,
        } = both_ends_work(world);
        drop((producer, consumer));
        let world = World {
            producer: ring.producer().expect("the role is free"),
            consumer: ring.consumer().expect("the role is free"),
            ring,
            file,
            _name,
        };
        for semaphore in SEMAPHORES {
            world.file.write_half(semaphore + 8, 0x80);
        }
        both_ends_work(world);
    }
}
