//! Real data in both directions, and the owner of the roles.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use quoit::{Error, Holder, RingOptions, Role, handoff};

use crate::common::calls::Calls;
use crate::common::child::{hear, say};
use crate::common::exchange::{answers, asks};
use crate::common::names::files_in;
use crate::common::sample::Words;
use crate::handoff::{pair, socket, start};

crate::common::suite::tests! {
    records_are_sent_in_both_directions,
    frames_are_sent_in_both_directions,
    the_receiver_owns_its_roles,
    neither_descriptor_nor_mapping_has_a_name,
    no_descriptor_outlives_an_exec;
    parts: records_worker, frames_worker, holder, spawner
}

const CAPACITY: u64 = 64;

/// Sends both rings to a child, which answers.
fn are_sent_in_both_directions<T: Calls + ?Sized, U: Calls + ?Sized>(
    worker: &str,
    options: &RingOptions,
) {
    let (child, socket) = start(worker);
    let there = options.create_anonymous().expect("a ring");
    let back = options.create_anonymous().expect("a ring");
    handoff::send::<T>(&socket, &there).expect("it is sent");
    handoff::send::<U>(&socket, &back).expect("it is sent");
    let producer = there.producer().expect("the role is free");
    asks::<T, U>(producer, back.consumer().expect("the role is free"));
    child.succeeds();
}

/// In the child: receives both rings.
fn work<T: Calls + ?Sized, U: Calls + ?Sized>(arguments: &[String], options: &RingOptions) {
    let socket = socket(arguments);
    let there = handoff::receive_with::<T>(&socket, options).expect("a ring");
    let back = handoff::receive_with::<U>(&socket, options).expect("a ring");
    let consumer = there.consumer().expect("the role is free");
    answers::<T, U>(consumer, back.producer().expect("the role is free"));
}

fn records_are_sent_in_both_directions() {
    let options = RingOptions::new(CAPACITY);
    are_sent_in_both_directions::<Words<4>, Words<6>>("records_worker", &options);
}

fn records_worker(arguments: &[String]) {
    work::<Words<4>, Words<6>>(arguments, &RingOptions::default());
}

fn frames_are_sent_in_both_directions() {
    let options = RingOptions::new(4096).schema_tag("lines/1");
    are_sent_in_both_directions::<[u8], [u8]>("frames_worker", &options);
}

fn frames_worker(arguments: &[String]) {
    work::<[u8], [u8]>(arguments, &RingOptions::default().schema_tag("lines/1"));
}

fn the_receiver_owns_its_roles() {
    let (mut child, socket) = start("holder");
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    handoff::send(&socket, &ring).expect("it is sent");
    child.expect("ready");
    let Some(Error::InUse { role, holder }) = ring.producer().err() else {
        panic!("there are two producers");
    };
    assert_eq!((role, holder), (Role::Producer, Holder::Known(child.pid())));
    let consumer = ring.consumer().expect("the role is free");
    assert!(!consumer.is_abandoned());
    // Every receiver sees the same locks, through another description.
    let (ours, theirs) = pair();
    handoff::send(&ours, &ring).expect("it is sent");
    let again = handoff::receive::<u64>(&theirs).expect("a ring");
    let refusals = [again.producer().err(), again.consumer().err()];
    for refusal in refusals {
        assert!(matches!(refusal, Some(Error::InUse { .. })), "{refusal:?}");
    }
    child.tell("leave");
    child.expect("left");
    assert!(consumer.is_abandoned());
    drop(again.producer().expect("its holder has exited"));
}

/// Holds the producer's role until its input ends.
fn holder(arguments: &[String]) {
    let ring = handoff::receive::<u64>(&socket(arguments)).expect("a ring");
    let producer = ring.producer().expect("the role is free");
    say("ready");
    hear();
    drop(producer);
    say("left");
    hear();
}

/// The targets of this process's descriptors.
fn links() -> Vec<PathBuf> {
    let files = files_in("/proc/self/fd".as_ref()).into_iter();
    files
        .filter_map(|file| fs::read_link(format!("/proc/self/fd/{file}")).ok())
        .collect()
}

/// Descriptors and mappings of memfds, and of named files in shared memory.
fn of_memory() -> [usize; 4] {
    let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
    let links = links();
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
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    assert_eq!(ring.name(), "anonymous");
    assert_eq!(of_memory(), [1, 1, 0, 0]);
    handoff::send(&ours, &ring).expect("it is sent");
    let again = handoff::receive::<u64>(&theirs).expect("a ring");
    assert_eq!(
        of_memory(),
        [2, 2, 0, 0],
        "the received descriptor is closed"
    );
    assert_eq!(ring.incarnation(), again.incarnation());
    let ends = (ring.producer(), again.consumer());
    assert_eq!(of_memory(), [4, 2, 0, 0], "a lock for each role");
    drop((ring, again, ends));
    assert_eq!(of_memory(), [0, 0, 0, 0]);
}

fn no_descriptor_outlives_an_exec() {
    let (child, socket) = start("spawner");
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    handoff::send(&socket, &ring).expect("it is sent");
    child.succeeds();
}

/// Has a ring that it created, one that it received, and all their roles.
fn spawner(arguments: &[String]) {
    let received = handoff::receive::<u64>(&socket(arguments)).expect("a ring");
    let options = RingOptions::new(CAPACITY);
    let created = options.create_anonymous::<u64>().expect("a ring");
    let _producers = (received.producer(), created.producer());
    let _consumers = (received.consumer(), created.consumer());
    assert_eq!(of_memory(), [6, 2, 0, 0]);
    let list = Command::new("ls").args(["-l", "/proc/self/fd"]).output();
    let list = String::from_utf8(list.expect("ls runs").stdout).expect("a list");
    assert!(list.contains("pipe:") && !list.contains("memfd"), "{list}");
}
