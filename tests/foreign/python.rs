//! `examples/python/quoit.py`.

use std::process::Command;

use quoit::{RingOptions, WaitStrategy};

use super::push;
use super::traffic::Traffic;
use crate::common::names::RingName;
use crate::common::program::Program;
use crate::common::rings::{ends, named};
use crate::common::segment_file::SegmentFile;

crate::common::suite::tests! {
    python_takes_every_frame,
    python_exits_cleanly_if_no_process_reads_its_answer,
    python_observes_and_changes_nothing,
}

const FRAMES: u64 = 100_000;

pub(super) fn start(arguments: &[&str]) -> Program {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/quoit.py");
    let mut command = Command::new("python3");
    // Bytecode would be written into the source tree.
    Program::start(command.arg("-B").arg(script).args(arguments))
}

fn python_takes_every_frame() {
    let name = RingName::new("python-stream");
    // It wakes no peer, so the producer does not sleep.
    let options = RingOptions::new(1 << 16).wait_strategy(WaitStrategy::Yield);
    let ring = options.create::<[u8]>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let consumer = start(&["consume", name.as_str()]);
    let mut traffic = Traffic::new();
    for number in 0..FRAMES {
        push(&mut producer, &mut traffic, number);
    }
    drop(producer);
    consumer.end().is(0, &format!("{traffic}\n"), "");
}

/// What it would say is lost; that is no error of the program, and its role is free again.
fn python_exits_cleanly_if_no_process_reads_its_answer() {
    let name = RingName::new("python-unread");
    let options = RingOptions::new(1024).wait_strategy(WaitStrategy::Yield);
    let ring = options.create::<[u8]>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let mut consumer = start(&["consume", name.as_str()]);
    consumer.stop_reading();
    producer.push(b"a frame").expect("room");
    drop(producer);
    consumer.end().quietly();
    drop(ring.consumer().expect("the role is free"));
}

fn python_observes_and_changes_nothing() {
    let (ring, name) = named::<[u8]>("python-observes", &RingOptions::new(1024));
    let (mut producer, consumer) = ends(&ring);
    producer.push(b"sixteen in ring").expect("room");
    drop(consumer);
    let file = SegmentFile::open(&name.file());
    let before = file.header();
    let said = start(&["observe", &name]).end().text();
    let pid = std::process::id();
    for line in [
        "frames, capacity 1024 bytes, slots of 1 bytes".to_owned(),
        "tail 24, head 0, unread 24 (2 %)".to_owned(),
        format!("producer: process {pid}, epoch 1, parks 0, wakes 1, rescues 0"),
        "consumer: closed, epoch 1, parks 0, wakes 2, rescues 0".to_owned(),
    ] {
        assert!(said.lines().any(|said| said == line), "{line} in\n{said}");
    }
    assert!(before == file.header(), "the header has changed");
}
