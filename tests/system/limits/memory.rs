//! Memory of a file system.

use std::fs;
use std::io;
use std::path::Path;

use quoit::{Consumer, Error, Producer, RingOptions};

use crate::common::fork::in_a_directory;
use crate::common::mounts::mount_a_megabyte;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::refused::refused;

crate::common::suite::tests! {
    a_full_file_system_is_an_error_that_says_how_much_is_missing,
    a_ring_larger_than_all_of_shared_memory_is_an_error,
}

const HEADER: u64 = 16384;

fn a_full_file_system_is_an_error_that_says_how_much_is_missing() {
    in_a_directory(on_a_small_file_system);
}

/// On a tmpfs of a megabyte, if this process may mount one; otherwise with all of shared
/// memory, for the same check.
fn on_a_small_file_system(directory: &Path) {
    let half = 1 << 16; // words: half a megabyte
    let mounted = mount_a_megabyte(directory).is_ok();
    if mounted {
        let first = directory.join("first");
        let ring = RingOptions::new(half).create::<u64>(&first);
        ring.expect("half a megabyte is free");
        is_too_large_for(directory, half);
        assert_eq!(files_in(directory), ["first"]);
        quoit::unlink(&first).expect("no process holds the ring");
    } else {
        is_too_large_for(
            directory,
            size_of_file_system(directory).0.next_power_of_two(),
        );
    }
    // The reservation covers the last byte: no SIGBUS.
    let path = directory.join("second");
    let mut producer = Producer::<u64>::create(&path, half).expect("now it fits");
    let mut consumer = Consumer::<u64>::open(&path).expect("the role is free");
    if mounted {
        let rest = fs::write(directory.join("rest"), [0; 1 << 20]);
        let full = rest.expect_err("there is half a megabyte left");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
    (0..half).for_each(|value| producer.try_push(value).expect("there is room"));
    producer.sync_all().expect("it needs no further room");
    assert!(consumer.try_iter().eq(0..half));
}

/// A ring of this many words is refused in `directory`, with all numbers in the text, and
/// what it had reserved is freed.
fn is_too_large_for(directory: &Path, capacity: u64) {
    let (_, free_before) = size_of_file_system(directory);
    let path = directory.join("too-large");
    let refusal = Producer::<u64>::create(&path, capacity).expect_err("it is too large");
    let text = refusal.to_string();
    refused!(refusal is Error::NotEnoughMemory { wanted, available, hint });
    assert_eq!(wanted, HEADER + capacity * 8);
    assert!(available < wanted && hint.contains("remount,size="));
    let says = |number: u64| text.contains(&number.to_string());
    assert!(says(wanted) && says(available), "{text:?}");
    assert!(!path.exists());
    // Other processes may use shared memory at the same time, but not this megabyte.
    if let (1_048_576, free) = size_of_file_system(directory) {
        assert_eq!((available, free), (free_before, free_before));
    }
}

fn a_ring_larger_than_all_of_shared_memory_is_an_error() {
    let directory = shared_memory_directory();
    let (total, _) = size_of_file_system(directory.path());
    assert!(total > 0, "shared memory has a size");
    is_too_large_for(directory.path(), total.next_power_of_two());
    assert_eq!(files_in(directory.path()), [""; 0]);
}

/// The total and free bytes of a file system.
fn size_of_file_system(directory: &Path) -> (u64, u64) {
    let stat = rustix::fs::statvfs(directory).expect("the directory is there");
    (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize)
}
