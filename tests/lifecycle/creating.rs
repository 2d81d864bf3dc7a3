//! What a new ring can be, where it is stored, and the errors of `create` and
//! `open_or_create`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::common::mappings::mapped;
use crate::common::names::{RingName, file_directory, files_in, shared_memory_directory};
use crate::common::refused::{is, refused};
use crate::common::rings::{ends, named};
use crate::common::segment_file::{INCARNATION, SegmentFile};
use quoit::{
    Consumer, Error, FrameConsumer, FrameProducer, PopError, Popped, Producer, Ring, RingOptions,
    Shape, StalePolicy,
};

crate::common::suite::tests! {
    only_some_capacities_are_possible,
    without_a_capacity_a_ring_is_opened_and_not_created,
    frames_begin_at_a_multiple_of_eight,
    records_begin_anywhere,
    a_second_create_says_whether_the_ring_is_in_use,
    either_endpoint_may_create_the_ring,
    open_or_create_does_not_change_an_existing_ring,
    open_or_create_checks_the_capacity_and_open_takes_any,
    a_refused_create_leaves_no_file_behind,
    open_does_not_find_a_ring_that_was_not_created,
    a_ring_on_a_disk_or_in_shared_memory_is_reserved_completely,
    prefault_maps_every_page_and_lock_memory_keeps_them,
    a_new_ring_may_be_prefaulted_and_locked_as_well,
    a_heap_ring_that_is_too_large_is_an_error,
}

/// `create` refuses this capacity, and leaves no file.
fn is_no_capacity<T: Shape + ?Sized>(options: &RingOptions, number: u64) {
    let directory = shared_memory_directory();
    let path = directory.path().join("ring");
    let refusals = [
        options.create::<T>(&path).err(),
        options.open_or_create::<T>(&path).err(),
        options.heap::<T>().err(),
    ];
    for refusal in refusals {
        refused!(refusal => Error::InvalidCapacity { capacity, reason });
        assert_eq!(capacity, number);
        assert!(!reason.is_empty());
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}

/// Powers of two, within the address space, of at least 64 bytes for frames.
fn only_some_capacities_are_possible() {
    for capacity in [0, 3, 5, 63, 65, 1000, 1 << 60, 1 << 61, u64::MAX] {
        is_no_capacity::<u64>(&RingOptions::new(capacity), capacity);
    }
    for capacity in [0, 1, 2, 3, 5, 32, 63, 65, 1000, 1 << 63, u64::MAX] {
        is_no_capacity::<[u8]>(&RingOptions::new(capacity), capacity);
    }
    for capacity in [1, 2, 4, 64, 4096] {
        let (ring, _name) = named::<u64>("records", &RingOptions::new(capacity));
        assert_eq!(ring.capacity(), capacity);
    }
    let (ring, _name) = named::<[u8]>("frames", &RingOptions::new(64));
    assert_eq!(ring.capacity(), 64);
}

fn without_a_capacity_a_ring_is_opened_and_not_created() {
    is_no_capacity::<u64>(&RingOptions::default(), 0);
    let name = RingName::new("any-capacity");
    let refusal = RingOptions::default().create::<u64>(&name);
    let text = refusal.expect_err("no capacity").to_string();
    let expected = "a new ring needs a capacity; set it with RingOptions::capacity";
    assert_eq!(text, expected);
    let created = RingOptions::default().capacity(128).create::<u64>(&name);
    assert_eq!(created.expect("a ring").capacity(), 128);
    let opened = RingOptions::default().open_or_create::<u64>(&name);
    assert_eq!(opened.expect("the same ring").capacity(), 128);
    let refusal = RingOptions::new(64).open_or_create::<u64>(&name).err();
    is!(refusal => Some(Error::CapacityMismatch { .. }));
}

fn frames_begin_at_a_multiple_of_eight() {
    let begins = |position| RingOptions::new(64).first_position(position);
    for position in [1, 4, 9, u64::MAX] {
        is_no_capacity::<[u8]>(&begins(position), position);
    }
    let (producer, consumer) = begins(48).heap::<[u8]>().expect("48 is possible");
    assert_eq!((producer.position(), consumer.position()), (48, 48));
}

fn records_begin_anywhere() {
    for position in [0, 1, u64::from(u32::MAX), u64::MAX] {
        let name = RingName::new("first-position");
        let options = RingOptions::new(2).first_position(position);
        let ring = options.create::<u8>(&name).expect("a ring");
        let (mut producer, mut consumer) = ends(&ring);
        assert_eq!([producer.position(), consumer.position()], [position; 2]);
        producer.try_push(7).expect("there is room");
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(producer.position(), position.wrapping_add(1));
    }
}

fn a_second_create_says_whether_the_ring_is_in_use() {
    let name = RingName::new("exists");
    let options = RingOptions::new(4);
    let exists = |is_used| {
        let refusal = options.create::<u64>(&name).err();
        refused!(refusal => Error::AlreadyExists { name: shown, in_use });
        assert_eq!((&*shown, in_use), (name.as_str(), is_used));
    };
    let ring = options.create::<u64>(&name).expect("a ring");
    exists(false);
    let (producer, consumer) = ends(&ring);
    exists(true);
    drop(producer);
    exists(true);
    drop(consumer);
    exists(false);
    let producer = ring.producer();
    exists(true);
    drop(producer);
    // Producer and Consumer create rings in the same way.
    let refusals = [
        Producer::<u64>::create(&name, 4).err(),
        Consumer::<u64>::create(&name, 4).err(),
    ];
    for refusal in refusals {
        is!(refusal => Some(Error::AlreadyExists { in_use: false, .. }));
    }
}

fn either_endpoint_may_create_the_ring() {
    let name = RingName::new("producer-first");
    let mut producer = Producer::<u64>::open_or_create(&name, 4).expect("it creates");
    let mut consumer = Consumer::<u64>::open_or_create(&name, 4).expect("it opens");
    producer.try_push(7).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(7));

    let name = RingName::new("consumer-first");
    let mut consumer = FrameConsumer::open_or_create(&name, 64).expect("it creates");
    let mut producer = FrameProducer::open_or_create(&name, 64).expect("it opens");
    producer.try_push(b"ring").expect("there is room");
    let popped = consumer.try_pop(&mut [0; 4]);
    assert_eq!(popped, Ok(Popped { len: 4, kind: 0 }));
}

fn open_or_create_does_not_change_an_existing_ring() {
    let name = RingName::new("unchanged");
    let mut producer = Producer::<u64>::create(&name, 4).expect("a ring");
    producer.try_push(7).expect("there is room");
    drop(producer);
    let incarnation = || SegmentFile::open(&name.file()).read(INCARNATION);
    let before = incarnation();
    let opened = RingOptions::new(4).open_or_create::<u64>(&name);
    opened.expect("it opens");
    assert_eq!(incarnation(), before);
    let mut consumer = Consumer::<u64>::open(&name).expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7));
}

fn open_or_create_checks_the_capacity_and_open_takes_any() {
    let (_ring, name) = named::<u64>("capacity", &RingOptions::new(64));
    for wanted in [32, 128] {
        let refusals = [
            RingOptions::new(wanted).open_or_create::<u64>(&name).err(),
            Producer::<u64>::open_or_create(&name, wanted).err(),
            Consumer::<u64>::open_or_create(&name, wanted).err(),
        ];
        for refusal in refusals {
            refused!(refusal => Error::CapacityMismatch { found, expected, .. });
            assert_eq!((found, expected), (64, wanted));
        }
        let opened = RingOptions::new(wanted).open::<u64>(&name);
        assert_eq!(opened.expect("it opens").capacity(), 64);
    }
}

fn a_refused_create_leaves_no_file_behind() {
    for directory in [shared_memory_directory(), file_directory()] {
        let path = directory.path().join("ring");
        let _producer = Producer::<u64>::create(&path, 4).expect("a ring");
        for stale in [StalePolicy::TakeOver, StalePolicy::Replace] {
            let created = RingOptions::new(4).stale(stale).create::<u64>(&path);
            created.expect_err("the ring is in use");
            assert_eq!(files_in(directory.path()), ["ring"]);
        }
    }
}

fn open_does_not_find_a_ring_that_was_not_created() {
    let name = RingName::new("nothing");
    let refusals = [
        Ring::<u64>::open(&name).err(),
        Producer::<u64>::open(&name).err(),
        Consumer::<u64>::open(&name).err(),
        quoit::unlink(&name).err(),
    ];
    for refusal in refusals {
        refused!(refusal => Error::NotFound { name: shown });
        assert_eq!(shown, name.as_str());
    }
    assert!(!name.file().exists());
}

fn a_ring_on_a_disk_or_in_shared_memory_is_reserved_completely() {
    for directory in [shared_memory_directory(), file_directory()] {
        let path = directory.path().join("ring");
        let mut producer = Producer::<u64>::create(&path, 1 << 16).expect("a ring");
        let metadata = fs::metadata(&path).expect("the file exists");
        assert!(metadata.is_file());
        assert!(metadata.len() >= 16384 + (8 << 16));
        let is_sparse = metadata.blocks() * 512 < metadata.len();
        assert!(!is_sparse, "the file is sparse");
        producer.try_push(7).expect("there is room");
        drop(producer);
        let mut consumer = Consumer::<u64>::open(&path).expect("the ring still exists");
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
    }
}

/// The creator's own mapping has no name in `smaps`, so the ring is opened.
fn prefault_maps_every_page_and_lock_memory_keeps_them() {
    let prefault: fn(RingOptions) -> RingOptions = |options| options.prefault(true);
    let lock: fn(RingOptions) -> RingOptions = |options| options.lock_memory(true);
    for (all, field, capacity) in [(prefault, "Rss:", 8 << 20), (lock, "Locked:", 1 << 20)] {
        let (_, name) = named::<u8>("memory", &RingOptions::new(capacity));
        let plain = RingOptions::new(capacity)
            .open::<u8>(&name)
            .expect("it opens");
        let size = mapped(&name.file(), "Size:");
        assert!(size > capacity >> 10, "{size} kilobytes");
        assert!(mapped(&name.file(), field) < size, "there is nothing to do");
        drop(plain);
        let _ring = all(RingOptions::new(capacity))
            .open::<u8>(&name)
            .expect("it opens");
        assert_eq!(mapped(&name.file(), field), size);
    }
}

fn a_new_ring_may_be_prefaulted_and_locked_as_well() {
    let name = RingName::new("prefault-and-lock");
    let options = RingOptions::new(64).prefault(true).lock_memory(true);
    let ring = options.create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
}

fn a_heap_ring_that_is_too_large_is_an_error() {
    let refusal = RingOptions::new(1 << 57).heap::<u64>().err();
    refused!(refusal => Error::NotEnoughMemory { wanted, hint, .. });
    assert!(wanted > 1 << 60);
    assert!(!hint.is_empty());
}
