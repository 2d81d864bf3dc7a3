//! What a new ring can be, and the memory that it gets: on a file system that is full, or has room
//! for one ring.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use quoit::{Error, Holder, Observer, Ring, RingOptions, Shape, StalePolicy};

use crate::common::forbid::{forbid, refuse_with};
use crate::common::fork::{in_a_child, in_a_directory};
use crate::common::mappings::mapped;
use crate::common::mounts::mount_a_megabyte;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::refused::is;
use crate::common::rings::{named, producer};
use crate::common::segment_file::DATA;

crate::common::suite::tests! {
    only_some_capacities_are_possible,
    prefault_maps_every_page_and_lock_memory_keeps_them,
    a_stale_ring_is_replaced_where_there_is_no_room_for_two,
    two_creators_get_one_ring_where_there_is_no_room_for_two,
    a_sparse_copy_gets_its_memory_or_is_refused,
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

/// For a new ring and for one that is opened: only the latter's mapping has a name in `smaps`. Also
/// on Linux before 5.14, which has no `MADV_POPULATE_WRITE`.
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
        let is_done = || {
            let _ring = options.open::<u8>(&name).expect("it opens");
            assert_eq!(mapped(&name.file(), field), size);
            named::<u8>("new", &options);
        };
        is_done();
        in_a_child(|| {
            refuse_with(libc::SYS_madvise, libc::EINVAL, None);
            is_done();
        });
    }
}

/// On a file system of a megabyte, if this process may mount one.
fn in_a_megabyte(work: impl Fn(&Path)) {
    in_a_directory(|directory| match mount_a_megabyte(directory) {
        Ok(()) => work(directory),
        Err(error) => eprintln!("[no private file system: {error}]  "),
    });
}

fn a_stale_ring_is_replaced_where_there_is_no_room_for_two() {
    in_a_megabyte(|directory| {
        const CAPACITY: u64 = 1 << 16; // words: half a megabyte
        let name = directory.join("ring");
        let replacing = |capacity| RingOptions::new(capacity).stale(StalePolicy::Replace);
        let ring = RingOptions::new(CAPACITY).create::<u64>(&name);
        let ring = ring.expect("it fits");
        in_a_child(|| {
            forbid(libc::SYS_fallocate); // nothing is reserved, not even for a moment
            let second = RingOptions::new(CAPACITY).create::<u64>(directory.join("second"));
            is!(second => Err(Error::NotEnoughMemory { .. }));
        });
        // While a process holds it, it is kept, with any size of the new one.
        let held = producer(&ring);
        for capacity in [CAPACITY, 4 * CAPACITY] {
            let refused = replacing(capacity).create::<u64>(&name);
            is!(refused => Err(Error::InUse { holder: Holder::Known(_), .. }));
        }
        drop(held);
        // It is also not removed if the new one would not fit.
        for replace in [RingOptions::open_or_create::<u64>, RingOptions::create] {
            let refused = replace(&replacing(4 * CAPACITY), &name);
            is!(refused => Err(Error::NotEnoughMemory { .. }));
        }
        let mut last = ring.incarnation();
        let found = Ring::<u64>::open(&name).expect("it exists");
        assert_eq!(found.incarnation(), last);
        drop((found, ring)); // a mapping keeps its memory
        for replace in [RingOptions::open_or_create::<u64>, RingOptions::create] {
            let new = replace(&replacing(CAPACITY), &name).expect("the old one's room");
            assert_ne!(new.incarnation(), last);
            last = new.incarnation();
            drop(producer(&new));
        }
        let kept = Ring::<u64>::open(&name).expect("it exists");
        let refused = replacing(CAPACITY).create::<u64>(&name);
        is!(refused => Err(Error::NotEnoughMemory { hint, .. }) if hint.contains("still maps it"));
        drop(kept);
        replacing(CAPACITY)
            .create::<u64>(&name)
            .expect("its memory is free");
        assert_eq!(files_in(directory), ["ring"]);
    });
}

/// There is nothing, or a stale ring that both replace, or one that the other one opens.
fn two_creators_get_one_ring_where_there_is_no_room_for_two() {
    in_a_megabyte(|directory| {
        for round in 0..300 {
            let name = directory.join("ring");
            let options = RingOptions::new(1 << 16).stale(StalePolicy::Replace);
            if round % 3 != 0 {
                let old = options.create::<u64>(&name).expect("it fits");
                drop(producer(&old));
            }
            let barrier = Barrier::new(2);
            let create = |policy| {
                let options = options.clone().stale(policy);
                let ring = options.open_or_create::<u64>(&name);
                ring.expect("one of them creates it")
            };
            let policy = [StalePolicy::Replace, StalePolicy::TakeOver][usize::from(round % 3 == 2)];
            let other = || {
                barrier.wait();
                loop {
                    let ring = create(policy);
                    match ring.consumer() {
                        Ok(held) => break (ring, held),
                        Err(error) => {
                            is!(error => Error::Superseded { .. });
                        }
                    }
                }
            };
            thread::scope(|scope| {
                let other = scope.spawn(other);
                barrier.wait();
                let ring = create(StalePolicy::Replace);
                let (same, _held) = other.join().expect("no panic");
                assert_eq!(ring.incarnation(), same.incarnation());
            });
            quoit::unlink(&name).expect("no process holds it");
        }
    });
}

/// Writes zeros until the file system is full.
fn fill(directory: &Path) {
    let mut file = File::create(directory.join("rest")).expect("room for a name");
    let full = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

/// A copy of a ring without blocks for its data, as `cp` creates it.
fn a_sparse_copy_gets_its_memory_or_is_refused() {
    in_a_megabyte(|directory| {
        let (name, copy) = (directory.join("ring"), directory.join("copy"));
        let ring = RingOptions::new(4096).create::<u64>(&name).expect("a ring");
        let header = fs::read(&name).expect("it exists");
        let file = File::create(&copy).expect("room for a name");
        let length = DATA + 8 * 4096;
        let header = file.write_all_at(&header[..DATA as usize], 0);
        header.expect("there is room");
        file.set_len(length).expect("it takes no memory");
        let taken = || fs::metadata(&copy).expect("it exists").blocks() * 512;
        is!(Observer::open(&copy) => Err(Error::NotARing { .. }));
        assert_eq!(taken(), DATA, "an observer takes no memory");

        fill(directory);
        let opened = Ring::<u64>::open(&copy);
        is!(opened => Err(Error::NotEnoughMemory { .. }));
        assert_eq!(file.metadata().expect("it is open").len(), length);
        fs::remove_file(directory.join("rest")).expect("it exists");
        let opened = Ring::<u64>::open(&copy).expect("there is room");
        assert_eq!(taken(), length);
        assert_eq!(opened.incarnation(), ring.incarnation());
        Observer::open(&copy).expect("all its memory is reserved now");

        drop(opened);
        file.set_len(DATA).expect("this process holds it");
        file.set_len(length).expect("this process holds it");
        fill(directory);
        // A ring whose removal would free too little is kept.
        fs::hard_link(&name, directory.join("link")).expect("room for a name");
        for kept in [&copy, &name] {
            let replacing = RingOptions::new(4096).stale(StalePolicy::Replace);
            let refused = replacing.create::<u64>(kept);
            is!(refused => Err(Error::NotEnoughMemory { .. }));
            assert!(kept.exists(), "{kept:?}");
        }
        // A ring that cannot be opened can be removed.
        quoit::unlink(&copy).expect("no process holds it");
    });
}
