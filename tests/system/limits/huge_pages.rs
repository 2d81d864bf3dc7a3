//! Rings on a hugetlbfs, in whole huge pages.

use std::fs;
use std::path::Path;
use std::ptr;

use quoit::{Consumer, Error, RingOptions, StalePolicy};

use crate::common::fork::{in_a_child, in_a_directory};
use crate::common::mounts::{mount, own_mounts};
use crate::common::names::files_in;
use crate::common::refused::refused;
use crate::common::rings::producer;

crate::common::suite::tests! {
    a_ring_in_huge_pages_behaves_like_any_other,
}

fn a_ring_in_huge_pages_behaves_like_any_other() {
    in_a_directory(on_huge_pages);
}

/// In free huge pages; the gate reserves some.
fn on_huge_pages(directory: &Path) {
    let mounted =
        own_mounts().and_then(|()| mount(c"none", directory, c"hugetlbfs", 0, c"pagesize=2M"));
    if let Err(error) = mounted {
        return eprintln!("[no private mounts: {error}]  ");
    }
    if free() < 2 {
        return eprintln!("[no two huge pages: sysctl vm.nr_hugepages=2] ");
    }
    let path = directory.join("ring");
    let huge = RingOptions::new(1 << 16).prefault(true).lock_memory(true);
    let before = free();
    let mut producer = producer(&huge.create::<u64>(&path).expect("a page"));
    assert_eq!((free(), length(&path)), (before - 1, PAGE));
    let mut consumer = Consumer::<u64>::open(&path).expect("the role is free");
    for _ in 0..3 {
        (0..1 << 16).for_each(|number| producer.push(number).expect("room"));
        assert!(producer.is_full() && consumer.try_iter().eq(0..1 << 16));
    }
    producer.sync_all().expect("there is no disk");
    assert_eq!(mapped(), 2 * PAGE, "mapped by both endpoints");

    // Without a page for its copy, a forked child keeps the addresses, which a drop unmaps.
    let rest = |number| huge.create::<u64>(directory.join(format!("rest-{number}")));
    let rest: Vec<_> = (0..free()).map(rest).collect();
    let address = mapped_at(&path);
    in_a_child(|| {
        // SAFETY: the call writes one byte for the one page, if there is one.
        let found = unsafe { libc::mincore(ptr::without_provenance_mut(address), 1, &mut 0) };
        assert_eq!(found, 0, "it is mapped");
    });
    for ring in rest {
        ring.expect("a page").unlink().expect("no process holds it");
    }
    drop((producer, consumer));

    // All remaining pages, and the header.
    let least = free() * PAGE;
    let larger = RingOptions::new(least.next_power_of_two());
    let refusal = larger.create::<[u8]>(directory.join("larger")).err();
    refused!(refusal => Error::NotEnoughMemory { wanted, available, hint });
    assert!(wanted > least && wanted % PAGE == 0, "{wanted}");
    assert_eq!(available, least);
    assert!(hint.contains("vm.nr_hugepages"));
    let replacing = RingOptions::new(64).stale(StalePolicy::Replace);
    let replaced = replacing.create::<[u8]>(&path);
    let mut producer = self::producer(&replaced.expect("no process holds it"));
    producer.push(b"in a huge page").expect("room");
    assert_eq!(files_in(directory), ["ring"]);
    drop(producer);
    quoit::unlink(&path).expect("no process holds it");
    assert_eq!(free(), before);
}

const PAGE: u64 = 2 << 20;

fn length(path: &Path) -> u64 {
    fs::metadata(path).expect("the ring's file").len()
}

/// The first address at which this process has mapped the file.
fn mapped_at(path: &Path) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let path = path.to_str().expect("a path in UTF-8");
    let line = maps.lines().find(|line| line.ends_with(path));
    let (start, _) = line
        .and_then(|line| line.split_once('-'))
        .expect("it is mapped");
    usize::from_str_radix(start, 16).expect("an address")
}

/// The number of free huge pages.
fn free() -> u64 {
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    free.map_or(0, |free| free.trim().parse().expect("a number"))
}

/// The bytes of this process in huge pages, counted once for each mapping.
fn mapped() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this process's status");
    let mut lines = status.lines();
    let huge = lines.find_map(|line| line.strip_prefix("HugetlbPages:"));
    let kilobytes = huge.and_then(|huge| huge.trim().strip_suffix(" kB"));
    let kilobytes = kilobytes.map(|kilobytes| kilobytes.trim().parse::<u64>());
    kilobytes.expect("kilobytes").expect("a number") << 10
}
