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
    a_capacity_is_a_power_of_two,
    without_a_capacity_a_ring_is_opened_and_not_created,
    frames_need_at_least_64_bytes,
    a_ring_beyond_any_address_space_is_refused,
    frames_begin_at_a_multiple_of_eight,
    records_begin_anywhere,
    a_second_create_says_whether_the_ring_is_in_use,
    either_endpoint_may_create_the_ring,
    open_or_create_does_not_change_an_existing_ring,
    open_or_create_checks_the_capacity_and_open_takes_any,
    a_refused_create_leaves_no_file_behind,
    open_does_not_find_a_ring_that_was_not_created,
    a_ring_on_a_disk_or_in_shared_memory_is_reserved_completely,
    prefault_maps_every_page_immediately,
    lock_memory_keeps_every_page_in_memory,
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

fn a_capacity_is_a_power_of_two() {
    for capacity in [0, 3, 5, 63, 65, 1000, u64::MAX] {
        is_no_capacity::<u64>(&RingOptions::new(capacity), capacity);
        is_no_capacity::<[u8]>(&RingOptions::new(capacity), capacity);
    }
    for capacity in [1, 2, 4, 64, 4096] {
        let (ring, _name) = named::<u64>("power", &RingOptions::new(capacity));
        assert_eq!(ring.capacity(), capacity);
    }
}

fn without_a_capacity_a_ring_is_opened_and_not_created() {
    is_no_capacity::<u64>(&RingOptions::default(), 0);
    let name = RingName::new("any-capacity");
    let refusal = RingOptions::default()
        .create::<u64>(&name)
        .expect_err("no capacity");
    let text = refusal.to_string();
    assert_eq!(
        text,
        "a new ring needs a capacity; set it with RingOptions::capacity"
    );
    let created = RingOptions::default().capacity(128).create::<u64>(&name);
    assert_eq!(created.expect("a ring").capacity(), 128);
    let opened = RingOptions::default().open_or_create::<u64>(&name);
    assert_eq!(opened.expect("the same ring").capacity(), 128);
    let refusal = RingOptions::new(64).open_or_create::<u64>(&name).err();
    is!(refusal => Some(Error::CapacityMismatch { .. }));
}

fn frames_need_at_least_64_bytes() {
    for capacity in [1, 2, 32] {
        is_no_capacity::<[u8]>(&RingOptions::new(capacity), capacity);
    }
    let name = RingName::new("small-frames");
    RingOptions::new(64)
        .create::<[u8]>(&name)
        .expect("64 bytes suffice");
}

fn a_ring_beyond_any_address_space_is_refused() {
    is_no_capacity::<u64>(&RingOptions::new(1 << 60), 1 << 60);
    is_no_capacity::<u64>(&RingOptions::new(1 << 61), 1 << 61);
    is_no_capacity::<[u8]>(&RingOptions::new(1 << 63), 1 << 63);
}

fn frames_begin_at_a_multiple_of_eight() {
    for position in [1, 4, 9, u64::MAX] {
        is_no_capacity::<[u8]>(&RingOptions::new(64).first_position(position), position);
    }
    let (producer, consumer) = RingOptions::new(64)
        .first_position(48)
        .heap::<[u8]>()
        .expect("a multiple of eight suffices");
    assert_eq!((producer.position(), consumer.position()), (48, 48));
}

fn records_begin_anywhere() {
    for position in [0, 1, u64::from(u32::MAX), u64::MAX] {
        let name = RingName::new("first-position");
        let options = RingOptions::new(2).first_position(position);
        let ring = options.create::<u8>(&name).expect("a ring");
        let (mut producer, mut consumer) = ends(&ring);
        assert_eq!(
            (producer.position(), consumer.position()),
            (position, position)
        );
        producer.try_push(7).expect("there is room");
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(producer.position(), position.wrapping_add(1));
    }
}

fn a_second_create_says_whether_the_ring_is_in_use() {
    let name = RingName::new("exists");
    let options = RingOptions::new(4);
    let second_create = || match options.create::<u64>(&name) {
        Err(Error::AlreadyExists {
            name: shown,
            in_use,
        }) => {
            assert_eq!(shown, name.as_str());
            in_use
        }
        other => panic!("the wrong error: {other:?}"),
    };
    let ring = options.create::<u64>(&name).expect("a ring");
    assert!(!second_create(), "a ring without roles is not in use");
    let producer = ring.producer().expect("the role is free");
    assert!(second_create());
    let consumer = ring.consumer().expect("the role is free");
    assert!(second_create());
    drop(producer);
    assert!(second_create());
    drop(consumer);
    assert!(!second_create());
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
    let file = SegmentFile::open(&name.file());
    let incarnation = file.read(INCARNATION);
    let opened = RingOptions::new(4).open_or_create::<u64>(&name);
    opened.expect("it opens");
    assert_eq!(
        SegmentFile::open(&name.file()).read(INCARNATION),
        incarnation
    );
    let mut consumer = Consumer::<u64>::open(&name).expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7));
}

fn open_or_create_checks_the_capacity_and_open_takes_any() {
    let (ring, name) = named::<u64>("capacity", &RingOptions::new(64));
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
        let opened = RingOptions::new(wanted)
            .open::<u64>(&name)
            .expect("it opens");
        assert_eq!(opened.capacity(), 64);
    }
    assert_eq!(
        Ring::<u64>::open(&name).expect("it opens").capacity(),
        ring.capacity()
    );
}

fn a_refused_create_leaves_no_file_behind() {
    for directory in [shared_memory_directory(), file_directory()] {
        let path = directory.path().join("ring");
        let _producer = Producer::<u64>::create(&path, 4).expect("a ring");
        for options in [
            RingOptions::new(4),
            RingOptions::new(4).stale(StalePolicy::Replace),
        ] {
            options
                .create::<u64>(&path)
                .expect_err("the ring is in use");
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
        assert!(
            metadata.blocks() * 512 >= metadata.len(),
            "the file is sparse"
        );
        producer.try_push(7).expect("there is room");
        drop(producer);
        let mut consumer = Consumer::<u64>::open(&path).expect("the ring still exists");
        assert_eq!(consumer.try_pop(), Ok(7));
        assert_eq!(consumer.try_pop(), Err(PopError::Abandoned));
    }
}

/// A ring of this many bytes, created and not mapped: the creator's own mapping has no name
/// in `smaps`.
fn unmapped(test: &str, capacity: u64) -> (RingName, RingOptions) {
    let name = RingName::new(test);
    let options = RingOptions::new(capacity);
    options.create::<u8>(&name).expect("a ring");
    (name, options)
}

fn prefault_maps_every_page_immediately() {
    let (name, options) = unmapped("prefault", 8 << 20);
    let plain = options.open::<u8>(&name).expect("it opens");
    let size = mapped(&name.file(), "Size:");
    assert!(size > 8 << 10, "the ring takes eight megabytes");
    assert!(
        mapped(&name.file(), "Rss:") < size,
        "there is nothing to prefault"
    );
    drop(plain);
    let _ring = options.prefault(true).open::<u8>(&name).expect("it opens");
    assert_eq!(mapped(&name.file(), "Rss:"), size);
}

fn lock_memory_keeps_every_page_in_memory() {
    let (name, options) = unmapped("lock-memory", 1 << 20);
    let plain = options.open::<u8>(&name).expect("it opens");
    let size = mapped(&name.file(), "Size:");
    assert!(size > 1 << 10, "the ring takes a megabyte");
    assert_eq!(mapped(&name.file(), "Locked:"), 0);
    drop(plain);
    let _ring = options
        .lock_memory(true)
        .open::<u8>(&name)
        .expect("it opens");
    assert_eq!(mapped(&name.file(), "Locked:"), size);
}

fn a_new_ring_may_be_prefaulted_and_locked_as_well() {
    let name = RingName::new("prefault-and-lock");
    let options = RingOptions::new(64).prefault(true).lock_memory(true);
    let mut producer = options
        .create::<u64>(&name)
        .and_then(|ring| ring.producer());
    let producer = producer.as_mut().expect("a ring and its role");
    producer.try_push(7).expect("there is room");
}

fn a_heap_ring_that_is_too_large_is_an_error() {
    let refusal = RingOptions::new(1 << 57).heap::<u64>().err();
    refused!(refusal => Error::NotEnoughMemory { wanted, hint, .. });
    assert!(wanted > 1 << 60);
    assert!(!hint.is_empty());
}
