//! The rules of `layout.md` that a client must check, broken one by one: the C example, the
//! Python example and `client.c` refuse the ring, and change nothing.

use std::fs;

use quoit::{DoorbellKind, RingOptions};

use super::consumers::{ALL, EXAMPLES, python, run};
use crate::common::names::RingName;
use crate::common::segment_file::{
    CAPACITY, DATA, DOORBELL, HEAD, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE,
    SUPERSEDED, SegmentFile, TAIL,
};

/// All refuse a ring with the fault `broken`, and change none of its bytes.
fn refuse(name: &RingName, broken: &str) {
    let segment = || fs::read(name.file()).expect("a segment");
    for client in ALL {
        let before = segment();
        let ended = run(client, name);
        let refused = ended.code.is_some_and(|code| code == 1 || code == 2);
        assert!(refused, "{client} takes a ring with {broken}: {ended:?}");
        let said = ended.errors.starts_with("error: ");
        assert!(said, "{client}, {broken}: {}", ended.errors);
        assert!(before == segment(), "{client} changed a ring with {broken}");
    }
}

crate::common::suite::tests! {
    every_field_that_a_client_must_check_is_checked,
    the_examples_say_why_they_refuse,
    a_superseded_ring_is_not_taken,
    frames_that_break_a_rule_are_refused,
}

fn every_field_that_a_client_must_check_is_checked() {
    let name = RingName::new("fields");
    let options = RingOptions::new(1024);
    let ring = options.create::<[u8]>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.push(b"a frame").expect("room");
    drop((producer, ring));
    let file = SegmentFile::open(&name.file());
    let length = file.read(LENGTH);
    let semaphore_of_another_library = 0x0020_0301;
    let bells = [1, 2, semaphore_of_another_library, 1 << 31];
    // Of four bytes or of eight.
    let fields: [(&str, u64, usize, &[u64]); 11] = [
        ("magic", MAGIC, 8, &[0]),
        ("layout", LAYOUT, 4, &[0, 2]),
        ("shape", SHAPE, 4, &[0, 1, 3]),
        (
            "capacity",
            CAPACITY,
            8,
            &[0, 32, 1000, 8192, 1 << 62, 1 << 63],
        ),
        ("slot_size", SLOT_SIZE, 8, &[0, 2, 1 << 60]),
        ("slot_align", SLOT_ALIGN, 4, &[0, 1, 16]),
        ("doorbell", DOORBELL, 4, &bells),
        ("schema", SCHEMA, 8, &[0]),
        ("length", LENGTH, 8, &[0, DATA + 1023, length + 1, u64::MAX]),
        // The upper halves of the two positions.
        ("tail", TAIL, 8, &[1040, u64::MAX]),
        ("head", HEAD, 8, &[4, 24]),
    ];
    for (field, offset, size, values) in fields {
        let before = file.read(offset);
        for value in values {
            file.write_bytes(offset, &value.to_le_bytes()[..size]);
            refuse(&name, &format!("{field} {value:#x}"));
            file.write(offset, before);
        }
    }
    // The valid ring is accepted, so each refusal above is due to its fault.
    for client in EXAMPLES {
        run(client, &name).quietly();
    }
}

fn the_examples_say_why_they_refuse() {
    let name = RingName::new("refused");
    // What the consumer in C says, and what a command in Python does.
    let says = |by_c: &str, command: &str, by_python: &str| {
        let ended = run("consume.c", &name);
        ended.is(2, "", &format!("error: {by_c}\n"));
        let ended = python(&[command, &name]).end();
        assert!(ended.errors.starts_with("error: "), "{ended:?}");
        ended.with(1, by_python);
    };
    says(
        "there is no ring of that name",
        "observe",
        "there is no ring",
    );
    fs::write(name.file(), [0; 20_000]).expect("a file");
    let other = "is not a ring of layout version 1";
    says("it is not a quoit ring", "observe", other);
    fs::remove_file(name.file()).expect("the file");
    drop(RingOptions::new(64).create::<u64>(&name).expect("a ring"));
    let records = "it does not hold frames of the default schema";
    says(records, "consume", "does not hold frames");
    fs::remove_file(name.file()).expect("the file");
    let ring = RingOptions::new(1024).create::<[u8]>(&name);
    let ring = ring.expect("a ring");
    let consumer = ring.consumer().expect("the role is free");
    says(
        "it already has a consumer",
        "consume",
        "already has a consumer",
    );
    drop(consumer);
    let file = SegmentFile::open(&name.file());
    file.write(CAPACITY, 1 << 40);
    says("it is corrupt", "consume", "corrupt");
    file.write(CAPACITY, 1024);
    file.write(TAIL, 4096);
    says(
        "its positions are corrupt",
        "consume",
        "its positions cannot be",
    );
    file.write(TAIL, 16);
    file.write(DATA, 1 << 20);
    says("the ring is corrupt", "consume", "corrupt");
    fs::remove_file(name.file()).expect("the file");
    let options = RingOptions::new(1024).doorbell(DoorbellKind::Semaphore);
    drop(options.create::<[u8]>(&name).expect("a ring"));
    let ended = python(&["consume", &name]).end();
    ended.with(1, "sleep on semaphores");
}

fn a_superseded_ring_is_not_taken() {
    for client in ALL {
        let name = RingName::new("superseded");
        drop(RingOptions::new(1024).create::<[u8]>(&name));
        SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
        let ended = run(client, &name);
        assert!(ended.errors.starts_with("error: "), "{client}: {ended:?}");
    }
}

fn frames_that_break_a_rule_are_refused() {
    const PADDING: u64 = 0xffff_ffff;
    // The lap ends 16 bytes after the first position.
    let first = 1024 - 16;
    for (broken, published, end_of_lap, begin_of_lap) in [
        ("padding and no frame", 16, PADDING, 0),
        ("padding twice", 32, PADDING, PADDING),
        ("a frame over the end of the lap", 112, 100, 0),
        ("a frame that is not published whole", 16, 16, 0),
        ("a part of a frame after padding", 32, PADDING, 16),
        ("a tail within a header", 4, 0, 0),
        ("a tail within a header after padding", 20, PADDING, 0),
        ("an endless frame", 16, 0xffff_fffe, 0),
    ] {
        let name = RingName::new("frames");
        let options = RingOptions::new(1024).first_position(first);
        drop(options.create::<[u8]>(&name).expect("a ring"));
        let file = SegmentFile::open(&name.file());
        file.write(DATA + first, end_of_lap);
        file.write(DATA, begin_of_lap);
        file.write(TAIL, first + published);
        for client in ALL {
            let ended = run(client, &name);
            let is_refused = ended.errors.contains("is corrupt");
            assert!(is_refused, "{client} takes {broken}: {ended:?}");
            assert_eq!(file.read(HEAD), first, "{client} continues after {broken}");
        }
    }
}
