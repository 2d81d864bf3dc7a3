//! The rules of `layout.md` that a client must check, broken one by one.

use std::fs;

use quoit::RingOptions;

use super::consumers::{EXAMPLES, run};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{
    CAPACITY, DATA, DOORBELL, HEAD, LAYOUT, LENGTH, MAGIC, SCHEMA, SHAPE, SLOT_ALIGN, SLOT_SIZE,
    SUPERSEDED, SegmentFile, TAIL,
};

crate::common::suite::tests! {
    the_examples_check_every_field_and_say_what_is_wrong,
    frames_that_break_a_rule_are_refused,
}

/// Both examples refuse the ring, and change none of its bytes. What they say.
fn refuse(name: &RingName, broken: &str, [c, python]: [&str; 2]) {
    let segment = || fs::read(name.file()).ok();
    let before = segment();
    for (client, code, why) in [(EXAMPLES[0], 2, c), (EXAMPLES[1], 1, python)] {
        let ended = run(client, name);
        let said = ended.errors.starts_with("error: ");
        assert!(said, "{client}, {broken}: {}", ended.errors);
        ended.with(code, why);
        assert!(before == segment(), "{client} changed a ring with {broken}");
    }
}

/// A field: its place, four or eight bytes, wrong values, and what each example says.
type Field<'a> = (u64, usize, &'a [u64], [&'a str; 2]);

fn the_examples_check_every_field_and_say_what_is_wrong() {
    let (ring, name) = named::<[u8]>("fields", &RingOptions::new(1024));
    producer(&ring).push(b"a frame").expect("room");
    let file = SegmentFile::open(&name.file());
    let semaphore_of_another_library = 0x0020_0301;
    let bells = [1, 2, semaphore_of_another_library, 1 << 31];
    let capacities = [0, 32, 1000, 8192, 1 << 62, 1 << 63];
    let lengths = [0, DATA + 1023, file.read(LENGTH) + 1, u64::MAX];
    let other = ["is not a quoit ring", "is not a ring of layout version 1"];
    let content = "it does not hold frames of the default schema";
    let schema = [content, "does not hold frames of the default schema"];
    let corrupt = ["it is corrupt", "is corrupt: its"];
    let bell = ["its doorbell is unknown", "sleep on "];
    let positions = ["its positions are corrupt", "its positions cannot be"];
    let superseded = ["superseded: start again", "was replaced or removed"];
    // In Python the slots have a size that no records have.
    let fields: [Field<'_>; 12] = [
        (MAGIC, 8, &[0], other),
        (LAYOUT, 4, &[0, 2], other),
        (SHAPE, 4, &[0, 1, 3], [content, corrupt[1]]),
        (CAPACITY, 8, &capacities, corrupt),
        (SLOT_SIZE, 8, &[0, 2, 1 << 60], corrupt),
        (SLOT_ALIGN, 4, &[0, 1, 16], corrupt),
        (DOORBELL, 4, &bells, bell),
        (SCHEMA, 8, &[0], schema),
        (LENGTH, 8, &lengths, corrupt),
        // The upper halves of the two positions.
        (TAIL, 8, &[1040, u64::MAX], positions),
        (HEAD, 8, &[4, 24], positions),
        (SUPERSEDED, 4, &[1], superseded),
    ];
    for (offset, size, values, says) in fields {
        let before = file.read(offset);
        for value in values {
            file.write_bytes(offset, &value.to_le_bytes()[..size]);
            refuse(&name, &format!("{value:#x} at {offset}"), says);
            file.write(offset, before);
        }
    }
    let held = consumer(&ring);
    let says = ["it already has a consumer", "already has a consumer"];
    refuse(&name, "a consumer", says);
    drop(held);
    // The valid ring is accepted, so each refusal above is due to its fault.
    for client in EXAMPLES {
        run(client, &name).quietly();
    }
    ring.unlink().expect("no process holds it");
    let says = ["there is no ring of that name", "there is no ring"];
    refuse(&name, "no name", says);
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
        for client in EXAMPLES.into_iter().chain(["client.c"]) {
            let ended = run(client, &name);
            let is_refused = ended.errors.contains("is corrupt");
            assert!(is_refused, "{client} takes {broken}: {ended:?}");
            assert_eq!(file.read(HEAD), first, "{client} continues after {broken}");
        }
    }
}
