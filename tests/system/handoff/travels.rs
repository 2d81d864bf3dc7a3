//! Real data in both directions, and the owner of the roles.

use std::fs;
use std::path::PathBuf;

use quoit::{Error, RingOptions, handoff};

use crate::common::calls::Calls;
use crate::common::exchange::{answers, asks};
use crate::common::fork::{kill, succeeds};
use crate::common::names::files_in;
use crate::common::refused::{is, refused};
use crate::common::rings::{anonymous, consumer, producer};
use crate::common::sample::Words;
use crate::common::worker::{Worker, hear, pair, receive, tell};
use quoit::{Holder, Role};

crate::common::suite::tests! {
    records_are_sent_in_both_directions,
    frames_are_sent_in_both_directions,
    the_receiver_owns_its_roles,
    neither_descriptor_nor_mapping_has_a_name,
}

/// Sends both rings to a child, which answers.
fn are_sent_in_both_directions<T: Calls + ?Sized, U: Calls + ?Sized>(capacity: u64) {
    let tagged = |options: RingOptions| options.schema_tag("lines/1");
    let worker = Worker::start(|socket| {
        let options = tagged(RingOptions::default());
        let there = handoff::receive_with::<T>(&socket, &options).expect("a ring");
        let back = handoff::receive_with::<U>(&socket, &options).expect("a ring");
        answers::<T, U>(consumer(&there), producer(&back));
    });
    let options = tagged(RingOptions::new(capacity));
    let there = options.create_anonymous::<T>().expect("a ring");
    let back = options.create_anonymous::<U>().expect("a ring");
    worker.send(&there);
    worker.send(&back);
    asks::<T, U>(producer(&there), consumer(&back));
    succeeds(worker.pid);
}

fn records_are_sent_in_both_directions() {
    are_sent_in_both_directions::<Words<4>, Words<6>>(64);
}

fn frames_are_sent_in_both_directions() {
    are_sent_in_both_directions::<[u8], [u8]>(4096);
}

fn the_receiver_owns_its_roles() {
    let worker = Worker::start(|socket| {
        let held = producer(&receive::<u64>(&socket));
        tell(&socket, 1);
        hear(&socket);
        drop(held);
        tell(&socket, 2);
        hear(&socket);
    });
    let ring = anonymous::<u64>(64);
    worker.send(&ring);
    assert_eq!(hear(&worker.socket), 1);
    let refusal = ring.producer().err();
    refused!(refusal => Error::InUse { role, holder });
    let pid = worker.pid as u32;
    assert_eq!((role, holder), (Role::Producer, Holder::Known(pid)));
    let consumer = consumer(&ring);
    assert!(!consumer.is_abandoned());
    // Every receiver sees the same locks, through another description.
    let (ours, theirs) = pair();
    handoff::send(&ours, &ring).expect("it is sent");
    let again = receive::<u64>(&theirs);
    for refusal in [again.producer().err(), again.consumer().err()] {
        is!(refusal => Some(Error::InUse { .. }));
    }
    tell(&worker.socket, 0);
    assert_eq!(hear(&worker.socket), 2);
    assert!(consumer.is_abandoned());
    drop(producer(&again)); // its holder has closed
    kill(worker.pid);
}

/// Descriptors and mappings of memfds, and of named files in shared memory.
fn of_memory() -> [usize; 4] {
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let files = files_in("/proc/self/fd".as_ref()).into_iter();
    let links = files.filter_map(|file| fs::read_link(format!("/proc/self/fd/{file}")).ok());
    let links: Vec<PathBuf> = links.collect();
    let leads = |to: &str| links.iter().filter(|link| link.starts_with(to)).count();
    [
        leads("/memfd:quoit (deleted)"),
        maps.matches("/memfd:quoit (deleted)").count(),
        leads("/dev/shm"),
        maps.matches("/dev/shm").count(),
    ]
}

fn neither_descriptor_nor_mapping_has_a_name() {
    assert_eq!(of_memory(), [0, 0, 0, 0]);
    let (ours, theirs) = pair();
    let ring = anonymous::<u64>(64);
    assert_eq!(ring.name(), "anonymous");
    assert_eq!(of_memory(), [1, 1, 0, 0]);
    handoff::send(&ours, &ring).expect("it is sent");
    let again = receive::<u64>(&theirs);
    assert_eq!(of_memory(), [2, 2, 0, 0], "it closes what it received");
    assert_eq!(ring.incarnation(), again.incarnation());
    let ends = (ring.producer(), again.consumer());
    assert_eq!(of_memory(), [4, 2, 0, 0], "a lock for each role");
    drop((ring, again, ends));
    assert_eq!(of_memory(), [0, 0, 0, 0]);
}
