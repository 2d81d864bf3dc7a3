//! Rings in a `Shmem` of the crate `shared_memory`: which memory becomes a ring. The example
//! `shmem` sends messages in one.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::common::names::RingName;
use crate::common::refused::{is, refused};
use crate::common::rings::{consumer, producer};
use ::shared_memory::{Shmem, ShmemConf};
use quoit::{Error, Ring, RingOptions, Shape, shared_memory};

crate::common::suite::tests! {
    a_ring_has_the_requested_capacity_or_the_largest_that_fits,
    a_ring_that_does_not_fit_is_an_error,
    the_memory_is_reserved,
    existing_content_is_not_overwritten,
    a_name_that_refers_to_another_file_is_noticed,
    a_shmem_without_a_ring_is_not_opened,
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

/// Creates a ring of this capacity, or of any that fits.
fn create<T: Shape + ?Sized>(
    shmem: &Shmem,
    capacity: impl Into<Option<u64>>,
) -> Result<Ring<T>, Error> {
    let capacity = capacity.into();
    let options = capacity.map_or_else(RingOptions::default, RingOptions::new);
    shared_memory::create(shmem, &options)
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

fn existing_content_is_not_overwritten() {
    let (name, shmem) = shmem("full");
    let ring = create::<u64>(&shmem, 64).expect("a ring");
    let refusal = create::<u64>(&shmem, 64);
    is!(refusal => Err(Error::AlreadyExists { in_use: false, .. }));
    let mut producer = producer(&ring);
    producer.try_push(7).expect("there is room");
    is!(create::<u64>(&shmem, 64) => Err(Error::InUse { .. }));
    let opened = ShmemConf::new().os_id(name.as_str()).open();
    let opened = opened.expect("shared memory");
    let again = shared_memory::open::<u64>(&opened, &RingOptions::default());
    let again = again.expect("a ring");
    let mut consumer = consumer(&again);
    drop((opened, shmem)); // and its name; the ring has its own mapping
    assert_eq!(consumer.try_pop(), Ok(7));

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
    create::<u64>(&old, 64).expect("a ring");
    // SAFETY: no thread writes to it.
    let bytes = || unsafe { old.as_slice() }.to_vec();
    let before = bytes();
    fs::remove_file(name.file()).expect("it exists");
    is!(create::<u64>(&old, 64) => Err(Error::NotFound { .. }));
    let new = ShmemConf::new().os_id(name.as_str()).size(SIZE).create();
    let new = new.expect("shared memory");
    is!(create::<u64>(&old, 64) => Err(Error::Superseded { .. }));
    is_blank(&name);
    assert!(bytes() == before, "it has changed");

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
