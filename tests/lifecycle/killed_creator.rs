//! A process that is killed while it creates, replaces or unlinks a ring leaves a complete
//! ring or none, never a name that cannot be used.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::common::child::{Child, say};
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::sample::mix;
use quoit::{Consumer, Producer, RingOptions, StalePolicy};

crate::common::suite::tests! {
    a_killed_creator_leaves_whole_rings_and_nothing_else,
    a_killed_replacer_leaves_a_name_that_can_be_used,
    a_killed_unlinker_leaves_a_name_that_can_be_used;
    parts: creator, replacer, unlinker
}

/// The number of kills in each test.
const DEATHS: u64 = 150;

/// Starts `part` at `path` and kills it in the middle of its work.
fn killed_at_work(part: &str, path: &Path, number: u64) {
    let path = path.to_str().expect("a path in UTF-8");
    let mut child = Child::start(part, &[path]);
    child.expect("at work");
    // A different delay each time. No test depends on the exact point.
    thread::sleep(Duration::from_micros(mix(number) % 2000));
    child.kill();
}

/// Both roles can be taken, and a record is transferred.
fn can_be_used(path: &Path) {
    let mut producer = Producer::<u64>::open_or_create(path, 64).expect("a whole ring");
    let mut consumer = Consumer::<u64>::open(path).expect("a whole ring");
    producer.try_push(7).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(7));
}

fn a_killed_creator_leaves_whole_rings_and_nothing_else() {
    let directory = shared_memory_directory();
    let (mut number, mut rings) = (0, 0);
    // Some are killed before their first ring.
    while number < DEATHS || rings == 0 {
        killed_at_work("creator", directory.path(), number);
        for file in files_in(directory.path()) {
            assert!(file.starts_with("ring-"), "{file} is left over");
            let path = directory.path().join(file);
            drop(Producer::<u64>::open(&path).expect("a whole ring"));
            can_be_used(&path);
            quoit::unlink(&path).expect("no process holds the ring");
            rings += 1;
        }
        number += 1;
    }
}

/// Creates one ring after the other.
fn creator(arguments: &[String]) {
    say("at work");
    for number in 0.. {
        let path = Path::new(&arguments[0]).join(format!("ring-{number}"));
        RingOptions::new(64).create::<u64>(path).expect("a ring");
    }
}

fn a_killed_replacer_leaves_a_name_that_can_be_used() {
    let directory = shared_memory_directory();
    let ring = directory.path().join("ring");
    for number in 0..DEATHS {
        killed_at_work("replacer", &ring, number);
        can_be_used(&ring);
    }
}

/// Replaces the ring in an endless loop.
fn replacer(arguments: &[String]) {
    let options = RingOptions::new(64).stale(StalePolicy::Replace);
    say("at work");
    loop {
        options.create::<u64>(&arguments[0]).expect("a new ring");
    }
}

fn a_killed_unlinker_leaves_a_name_that_can_be_used() {
    let directory = shared_memory_directory();
    let ring = directory.path().join("ring");
    for number in 0..DEATHS {
        killed_at_work("unlinker", &ring, number);
        can_be_used(&ring);
    }
}

/// Unlinks one ring after the other.
fn unlinker(arguments: &[String]) {
    let options = RingOptions::new(64);
    say("at work");
    loop {
        let ring = options.open_or_create::<u64>(&arguments[0]);
        ring.and_then(|ring| ring.unlink())
            .expect("no process holds the ring");
    }
}
