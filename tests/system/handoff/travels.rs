//! Real data in both directions, and the owner of the roles.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use quoit::{Error, Holder, RingOptions, Role, handoff};

use crate::common::PATIENCE;
use crate::common::child::{hear, say};
use crate::common::names::files_in;
use crate::common::sample::{Words, bytes, record};
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
const MESSAGES: u64 = 100_000;

/// The answer to message `number`.
fn answer(number: u64) -> u64 {
    !number
}

fn records_are_sent_in_both_directions() {
    let (child, socket) = start("records_worker");
    let options = RingOptions::new(CAPACITY);
    let (there, back) = (options.create_anonymous(), options.create_anonymous());
    let (there, back) = (there.expect("a ring"), back.expect("a ring"));
    handoff::send::<Words<4>>(&socket, &there).expect("it is sent");
    handoff::send::<Words<6>>(&socket, &back).expect("it is sent");
    let mut producer = there.producer().expect("the role is free");
    let mut consumer = back.consumer().expect("the role is free");
    for number in 0..MESSAGES {
        let sent = record(number);
        producer.push_timeout(sent, PATIENCE).expect("it is taken");
        if number >= CAPACITY {
            let back = consumer.pop_timeout(PATIENCE).expect("an answer");
            assert_eq!(back, record(answer(number - CAPACITY)));
        }
    }
    drop(producer);
    for number in MESSAGES - CAPACITY..MESSAGES {
        let back = consumer.pop_timeout(PATIENCE).expect("an answer");
        assert_eq!(back, record(answer(number)));
    }
    child.succeeds();
    assert!(consumer.is_abandoned());
}

/// Answers each record until there are no more.
fn records_worker(arguments: &[String]) {
    let socket = socket(arguments);
    let there = handoff::receive::<Words<4>>(&socket).expect("a ring");
    let back = handoff::receive::<Words<6>>(&socket).expect("a ring");
    let mut consumer = there.consumer().expect("the role is free");
    let mut producer = back.producer().expect("the role is free");
    for number in 0..MESSAGES {
        let came = consumer.pop_timeout(PATIENCE).expect("a record");
        assert_eq!(came, record(number));
        let back = record(answer(number));
        producer.push_timeout(back, PATIENCE).expect("it is taken");
    }
}

/// The length of the frame with this number.
fn length(number: u64) -> usize {
    (number % 200) as usize
}

fn frames_are_sent_in_both_directions() {
    let (child, socket) = start("frames_worker");
    let options = RingOptions::new(4096).schema_tag("lines/1");
    let (there, back) = (options.create_anonymous(), options.create_anonymous());
    let (there, back) = (there.expect("a ring"), back.expect("a ring"));
    handoff::send::<[u8]>(&socket, &there).expect("it is sent");
    handoff::send::<[u8]>(&socket, &back).expect("it is sent");
    let mut producer = there.producer().expect("the role is free");
    let mut consumer = back.consumer().expect("the role is free");
    for number in 0..MESSAGES {
        let sent = bytes(number, length(number));
        producer.push_timeout(&sent, PATIENCE).expect("it is taken");
        if number % 4 == 3 {
            for number in number - 3..=number {
                let back = consumer.peek_timeout(PATIENCE).expect("an answer");
                assert_eq!(back.to_vec(), bytes(answer(number), length(number)));
                back.release();
            }
        }
    }
    drop(producer);
    child.succeeds();
}

fn frames_worker(arguments: &[String]) {
    let socket = socket(arguments);
    let options = RingOptions::default().schema_tag("lines/1");
    let receive = || handoff::receive_with::<[u8]>(&socket, &options);
    let (there, back) = (receive().expect("a ring"), receive().expect("a ring"));
    assert_eq!((there.capacity(), back.capacity()), (4096, 4096));
    let mut consumer = there.consumer().expect("the role is free");
    let mut producer = back.producer().expect("the role is free");
    for number in 0..MESSAGES {
        let came = consumer.peek_timeout(PATIENCE).expect("a frame");
        assert_eq!(came.to_vec(), bytes(number, length(number)));
        came.release();
        let back = bytes(answer(number), length(number));
        producer.push_timeout(&back, PATIENCE).expect("it is taken");
    }
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
