//! Rings on a hugetlbfs, in whole huge pages.

use std::fs;
use std::ops::Range;
use std::path::Path;

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
    in_a_child(|| assert!(maps().any(|(range, _)| range.contains(&address))));
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

/// Where this process has mapped the file first.
fn mapped_at(path: &Path) -> u64 {
    let path = path.to_str().expect("a path in UTF-8");
    let found = maps().find(|(_, line)| line.ends_with(path));
    found.expect("it is mapped").0.start
}

/// The mappings of this process.
fn maps() -> impl Iterator<Item = (Range<u64>, String)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let lines: Vec<_> = maps.lines().map(str::to_owned).collect();
    lines.into_iter().map(|line| {
        let (range, _) = line.split_once(' ').expect("several words");
        let (start, end) = range.split_once('-').expect("two addresses");
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16));
        (start.expect("a number")..end.expect("a number"), line)
    })
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
