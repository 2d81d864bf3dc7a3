//! A file system with room for one ring.

use std::path::Path;

use quoit::{Error, PopError, Ring, RingOptions, Role, StalePolicy};

use crate::common::fork::in_a_directory;
use crate::common::mounts::mount_a_megabyte;
use crate::common::names::files_in;

crate::common::suite::tests! {
    a_stale_ring_is_replaced_where_there_is_no_room_for_two
}

/// Half a megabyte of words, and the header.
const CAPACITY: u64 = 1 << 16;

fn a_stale_ring_is_replaced_where_there_is_no_room_for_two() {
    in_a_directory(with_room_for_one);
}

fn with_room_for_one(directory: &Path) {
    if let Err(error) = mount_a_megabyte(directory) {
        return eprintln!("[no private file system: {error}]  ");
    }
    let name = directory.join("ring");
    let options = |capacity, stale| RingOptions::new(capacity).stale(stale);
    let [take_over, fail, replace] = [
        StalePolicy::TakeOver,
        StalePolicy::Fail,
        StalePolicy::Replace,
    ]
    .map(|stale| options(CAPACITY, stale));
    let ring = take_over.create::<u64>(&name).expect("it fits");
    let second = take_over.create::<u64>(directory.join("second"));
    let lacks = matches!(second, Err(Error::NotEnoughMemory { .. }));
    assert!(lacks, "there is room for two: {second:?}");
    let push = |ring: &Ring<u64>| {
        let mut producer = ring.producer().expect("the role is free");
        producer.try_push(7).expect("there is room");
    };
    let exists = |result: Result<Ring<u64>, Error>| {
        let exists = matches!(result, Err(Error::AlreadyExists { in_use: false, .. }));
        assert!(exists, "{result:?}");
    };
    push(&ring);
    exists(take_over.create(&name));
    exists(fail.create(&name));
    exists(fail.open_or_create(&name));

    // While a process holds it, it is kept, with any size of the new one.
    let consumer = ring.consumer().expect("the role is free");
    let larger = options(4 * CAPACITY, StalePolicy::Replace);
    for refused in [replace.create::<u64>(&name), larger.create(&name)] {
        let role = match refused {
            Err(Error::InUse { role, .. }) => role,
            other => panic!("it is not in use: {other:?}"),
        };
        assert_eq!(role, Role::Consumer);
    }
    drop(consumer);

    // It is also not removed if the new one would not fit.
    for refused in [larger.create::<u64>(&name), larger.open_or_create(&name)] {
        let lacks = matches!(refused, Err(Error::NotEnoughMemory { .. }));
        assert!(lacks, "{refused:?}");
    }
    let found = Ring::<u64>::open(&name).expect("it exists");
    assert_eq!(found.incarnation(), ring.incarnation());
    drop((found, ring)); // a mapping keeps its memory

    for replaced in [RingOptions::open_or_create, RingOptions::create] {
        let new: Ring<u64> = replaced(&replace, &name).expect("the old one's room");
        let mut consumer = new.consumer().expect("the role is free");
        assert_eq!(consumer.try_pop(), Err(PopError::Empty));
        push(&new);
        drop(consumer);
    }
    assert_eq!(files_in(directory), ["ring"]);
}
