//! What a new ring can be, and the memory that it gets.

use crate::common::mappings::mapped;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::refused::is;
use crate::common::rings::named;
use quoit::{Error, RingOptions, Shape};

crate::common::suite::tests! {
    only_some_capacities_are_possible,
    prefault_maps_every_page_and_lock_memory_keeps_them,
    a_ring_larger_than_the_machine_is_an_error,
}

/// No call creates such a ring, because of this number, and none leaves a file.
fn is_impossible<T: Shape + ?Sized>(options: &RingOptions, number: u64) {
    let directory = shared_memory_directory();
    let path = directory.path().join("ring");
    let refusals = [
        options.create::<T>(&path).err(),
        options.open_or_create::<T>(&path).err(),
        options.heap::<T>().err(),
    ];
    for refusal in refusals {
        is!(refusal => Some(Error::InvalidCapacity { capacity, .. }) if *capacity == number);
    }
    assert_eq!(files_in(directory.path()), [""; 0]);
}

/// Powers of two, within the address space, of at least 64 bytes for frames, which begin at a
/// multiple of eight.
fn only_some_capacities_are_possible() {
    for capacity in [0, 3, 5, 63, 65, 1000, 1 << 60, 1 << 61, u64::MAX] {
        is_impossible::<u64>(&RingOptions::new(capacity), capacity);
    }
    for capacity in [0, 1, 2, 3, 5, 32, 63, 65, 1000, 1 << 63, u64::MAX] {
        is_impossible::<[u8]>(&RingOptions::new(capacity), capacity);
    }
    for position in [1, 4, 9, u64::MAX] {
        let options = RingOptions::new(64).first_position(position);
        is_impossible::<[u8]>(&options, position);
    }
}

/// For a new ring and for one that is opened: only the latter's mapping has a name in `smaps`.
fn prefault_maps_every_page_and_lock_memory_keeps_them() {
    let prefault: fn(RingOptions) -> RingOptions = |options| options.prefault(true);
    let lock: fn(RingOptions) -> RingOptions = |options| options.lock_memory(true);
    for (all, field, capacity) in [(prefault, "Rss:", 8 << 20), (lock, "Locked:", 1 << 20)] {
        let options = RingOptions::new(capacity);
        let (_, name) = named::<u8>("memory", &options);
        let plain = options.open::<u8>(&name).expect("it opens");
        let size = mapped(&name.file(), "Size:");
        assert!(size > capacity >> 10, "{size} kilobytes");
        assert!(mapped(&name.file(), field) < size, "there is nothing to do");
        drop(plain);
        let options = all(options);
        let _ring = options.open::<u8>(&name).expect("it opens");
        assert_eq!(mapped(&name.file(), field), size);
        named::<u8>("new", &options);
    }
}

fn a_ring_larger_than_the_machine_is_an_error() {
    let large = RingOptions::new(1 << 57);
    let refusals = [
        large.heap::<u64>().err(),
        large.create_anonymous::<u64>().err(),
    ];
    for refusal in refusals {
        is!(refusal => Some(Error::NotEnoughMemory { wanted, available, .. })
            if *wanted == 16384 + (1 << 60) && (1..*wanted).contains(available));
    }
}
