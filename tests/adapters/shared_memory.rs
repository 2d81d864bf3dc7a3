//! Rings in a `Shmem` of the crate `shared_memory`, between real processes.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::exchange::{answers, asks};
use crate::common::fork::{forked, kill, pause, succeeds};
use crate::common::mounts::mount_a_megabyte;
use crate::common::names::RingName;
use crate::common::refused::{is, refused};
use crate::common::rings::{consumer, producer};
use crate::common::sample::Words;
use ::shared_memory::{Shmem, ShmemConf};
use quoit::{Error, PopError, Ring, RingOptions, Shape, shared_memory};

crate::common::suite::tests! {
    messages_are_sent_to_another_process_and_back,
    a_new_consumer_continues_after_a_kill,
    a_ring_has_the_requested_capacity_or_the_largest_that_fits,
    a_ring_that_does_not_fit_is_an_error,
    the_memory_is_reserved,
    a_full_file_system_is_an_error_and_not_a_signal,
    existing_content_is_not_overwritten,
    a_name_that_refers_to_another_file_is_noticed,
    a_shmem_without_a_ring_is_not_opened,
    the_owner_removes_the_name,
}

const SIZE: usize = 1 << 16;

/// A new `Shmem` of this size, whose name is always removed.
fn shmem_of(test: &str, size: usize) -> (RingName, Shmem) {
    let name = RingName::new(test);
    let shmem = ShmemConf::new().os_id(name.as_str()).size(size).create();
    (name, shmem.expect("shared memory"))
}

fn shmem(test: &str) -> (RingName, Shmem) {
    shmem_of(test, SIZE)
}

/// In a child: opens the ring in a `Shmem`.
fn open<T: Shape + ?Sized>(name: &str) -> (Shmem, Ring<T>) {
    let shmem = ShmemConf::new().os_id(name).open().expect("shared memory");
    let ring = shared_memory::open(&shmem, &RingOptions::default()).expect("a ring");
    (shmem, ring)
}

/// Creates a ring of this capacity, or of any that fits.
fn create<T: Shape + ?Sized>(
    shmem: &Shmem,
    capacity: impl Into<Option<u64>>,
) -> Result<Ring<T>, Error> {
    let capacity = capacity.into();
    let options = capacity.map_or_else(RingOptions::default, RingOptions::new);
    shared_memory::create(shmem, &options)
}

/// Records there and frames back; the child answers in a second `Shmem`.
fn messages_are_sent_to_another_process_and_back() {
    let [(there_name, there), (back_name, back)] = ["there", "back"].map(shmem);
    let there = create::<Words<4>>(&there, 64).expect("a ring");
    let back = create::<[u8]>(&back, 4096).expect("a ring");
    let child = forked(|| {
        let (_there, there) = open::<Words<4>>(&there_name);
        let (_back, back) = open::<[u8]>(&back_name);
        answers::<Words<4>, [u8]>(consumer(&there), producer(&back));
    });
    asks::<Words<4>, [u8]>(producer(&there), consumer(&back));
    succeeds(child);
}

fn a_new_consumer_continues_after_a_kill() {
    let (name, shmem) = shmem("death");
    let ring = create::<u64>(&shmem, 64).expect("a ring");
    let mut producer = producer(&ring);
    (0..4).for_each(|number| producer.try_push(number).expect("room"));
    for first in [0, 1] {
        let holder = forked(|| {
            let (_shmem, ring) = open::<u64>(&name);
            let mut consumer = consumer(&ring);
            assert_eq!(consumer.try_pop(), Ok(first));
            pause();
        });
        until("it takes one", || producer.len() == 3 - first);
        is!(ring.consumer() => Err(Error::InUse { .. }));
        assert!(!producer.is_abandoned());
        kill(holder);
        assert!(producer.is_abandoned());
    }
    let mut successor = consumer(&ring);
    assert_eq!(successor.try_iter().collect::<Vec<_>>(), [2, 3]);
}

fn a_ring_has_the_requested_capacity_or_the_largest_that_fits() {
    fn is<T: Shape + ?Sized>(size: usize, asked: Option<u64>, expected: u64) {
        let (_name, shmem) = shmem_of("capacity", size);
        let ring = create::<T>(&shmem, asked).expect("it fits");
        assert_eq!(ring.capacity(), expected);
    }
    // Data of 48 kilobytes.
    is::<u64>(SIZE, None, 4096);
    is::<[u8]>(SIZE, None, 32768);
    for asked in [64, 4096] {
        is::<u64>(SIZE, Some(asked), asked);
        is::<[u8]>(SIZE, Some(asked), asked);
    }
    is::<u64>(16384 + 100, None, 8);
}

/// Checks that nothing was written to the file.
fn is_blank(name: &RingName) {
    let bytes = fs::read(name.file()).expect("it exists");
    assert!(bytes.iter().all(|&byte| byte == 0), "it was written to");
}

fn a_ring_that_does_not_fit_is_an_error() {
    let large = (SIZE, Some(8192));
    for (size, asked) in [
        large,
        (4096, None),
        (16384, None),
        (16385, None),
        (16385, Some(1)),
    ] {
        let (name, shmem) = shmem_of("too-large", size);
        let refusal = create::<u64>(&shmem, asked).err();
        refused!(refusal => Error::NotEnoughMemory { wanted, available, hint });
        assert_eq!(available, size as u64);
        assert!(wanted > available && hint.contains("larger"));
        is_blank(&name);
    }
    let (_name, shmem) = shmem("no-capacity");
    for capacity in [0, 1000] {
        let refusal = create::<u64>(&shmem, capacity);
        is!(refusal => Err(Error::InvalidCapacity { .. }));
    }
}

fn the_memory_is_reserved() {
    let (name, shmem) = shmem("reserved");
    let reserved = || fs::metadata(name.file()).expect("a file").blocks() * 512;
    assert_eq!(reserved(), 0, "the crate reserves it now: change the text");
    create::<u64>(&shmem, 64).expect("a ring");
    assert_eq!(reserved(), SIZE as u64);
}

/// Has a private `/dev/shm` of one megabyte.
fn a_full_file_system_is_an_error_and_not_a_signal() {
    if let Err(error) = mount_a_megabyte("/dev/shm".as_ref()) {
        return eprintln!("[no private mounts: {error}]  ");
    }
    let (large_name, large) = shmem_of("large", 2 << 20);
    let refusal = create::<u64>(&large, 64).err();
    refused!(refusal => Error::NotEnoughMemory { wanted, available, .. });
    assert_eq!((wanted, available), (2 << 20, 1 << 20));
    // Its creator has mapped it.
    let metadata = fs::metadata(large_name.file()).expect("it exists");
    assert_eq!((metadata.len(), metadata.blocks()), (2 << 20, 0));
    let (_name, small) = shmem_of("small", 1 << 20);
    let ring = create::<u64>(&small, None).expect("it just fits");
    let mut producer = producer(&ring);
    (0..ring.capacity()).for_each(|number| producer.try_push(number).expect("room"));
}

fn existing_content_is_not_overwritten() {
    let (name, shmem) = shmem("full");
    let ring = create::<u64>(&shmem, 64).expect("a ring");
    let refusal = create::<u64>(&shmem, 64);
    is!(refusal => Err(Error::AlreadyExists { in_use: false, .. }));
    let mut producer = producer(&ring);
    producer.try_push(7).expect("there is room");
    is!(create::<u64>(&shmem, 64) => Err(Error::InUse { .. }));
    let (_shmem, again) = open::<u64>(name.as_str());
    assert_eq!(consumer(&again).try_pop(), Ok(7));

    for offset in [0, 48, 12288, 16383] {
        let (name, shmem) = self::shmem("not-blank");
        let file = File::options().write(true).open(name.file()).expect("it");
        file.write_all_at(&[1], offset).expect("it has this length");
        let before = fs::read(name.file()).expect("it exists");
        is!(create::<u64>(&shmem, 64) => Err(Error::NotARing { .. }));
        assert!(fs::read(name.file()).expect("it exists") == before);
    }
}

fn a_name_that_refers_to_another_file_is_noticed() {
    let (name, old) = shmem("elsewhere");
    fs::remove_file(name.file()).expect("it exists");
    is!(create::<u64>(&old, 64) => Err(Error::NotFound { .. }));
    let new = ShmemConf::new().os_id(name.as_str()).size(SIZE).create();
    let new = new.expect("shared memory");
    is!(create::<u64>(&old, 64) => Err(Error::Superseded { .. }));
    is_blank(&name);
    // SAFETY: no thread writes to it.
    let bytes = unsafe { old.as_slice() };
    assert!(bytes.iter().all(|&byte| byte == 0), "it has changed");

    create::<u64>(&new, 64).expect("a ring");
    let options = RingOptions::default();
    let refusal = shared_memory::open::<u64>(&old, &options);
    is!(refusal => Err(Error::Superseded { .. }));
    shared_memory::open::<u64>(&new, &options).expect("this is the one");
}

fn a_shmem_without_a_ring_is_not_opened() {
    let options = RingOptions::default();
    let (_name, blank) = shmem("blank");
    let refusal = shared_memory::open::<u64>(&blank, &options);
    is!(refusal => Err(Error::NotARing { .. }));
    let (_name, short) = shmem_of("short", 4096);
    let refusal = shared_memory::open::<u64>(&short, &options);
    is!(refusal => Err(Error::NotEnoughMemory { .. }));
    create::<u64>(&blank, 64).expect("it is still blank");
    let refusal = shared_memory::open::<i64>(&blank, &options);
    is!(refusal => Err(Error::SchemaMismatch { .. }));
}

fn the_owner_removes_the_name() {
    let (name, shmem) = shmem("owner");
    let ring = create::<u64>(&shmem, 64).expect("a ring");
    let mut producer = producer(&ring);
    let (opened, again) = open::<u64>(name.as_str());
    let mut consumer = consumer(&again);
    drop(opened);
    assert!(name.file().exists(), "only the owner takes it");
    drop(shmem);
    assert!(!name.file().exists());
    for number in 0..1000 {
        producer.try_push(number).expect("there is room");
        assert_eq!(consumer.try_pop(), Ok(number));
    }
    drop(producer);
    is!(ring.producer() => Err(Error::Superseded { .. }));
    let end = consumer.pop_timeout(PATIENCE);
    assert_eq!(end, Err(PopError::Superseded));
}
