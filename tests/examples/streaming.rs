//! The examples of rings in files and of frames.

use quoit::{FrameConsumer, PopError};

use super::common::names::{RingName, file_directory};
use super::common::segment_file::{DATA, SegmentFile, TAIL};
use super::example::*;
use super::wait_for_ring;

#[test]
fn a_journal_is_written_and_drained_by_separate_commands() {
    let directory = file_directory();
    let file = directory.path().join("journal");
    let path = file.display();
    let tail = || match file.exists() {
        true => SegmentFile::open(&file).read(TAIL),
        false => 0,
    };
    let mut writer = start(&format!("journal write {path}"));
    until("some records are written", || tail() > 5000);
    writer.kill();
    let (count, last) = (tail(), tail() - 1);
    // The file is meant, and no ring of this name in memory.
    let mut drain = command("journal drain journal");
    let drain = drain.current_dir(directory.path());
    let mut drain = || Program::start(drain).end();
    drain().is(0, &format!("drained {count} records (0 to {last})\n"), "");
    drain().is(0, "drained 0 records\n", "");

    let full = run(&format!("journal write {path}"));
    assert_eq!(full.errors, "error: the journal is full; drain it\n");
    full.with(1, "");
    // A torn record, as after a failure of the machine, stops the drain.
    let segment = SegmentFile::open(&file);
    let record = count + 5;
    let place = DATA + record % (1 << 17) * 32;
    segment.write(place + 8, segment.read(place + 8) ^ 1);
    drain().is(1, "", &format!("error: record {record} is not whole\n"));
}

/// Even if no process reads what it says.
#[test]
fn frames_are_sent_to_any_consumer() {
    for is_read in [true, false] {
        let ring = RingName::new("frames-example");
        let output = if is_read { Stdio::piped() } else { closed() };
        let frames = start_on(output, &format!("frames --count 1000 --name {ring}"));
        wait_for_ring(&ring);
        let mut consumer = FrameConsumer::open(&ring).expect("a ring");
        for _ in 0..1000 {
            consumer.pop(&mut [0; 200]).expect("a frame");
        }
        assert_eq!(consumer.pop(&mut []), Err(PopError::Abandoned));
        drop(consumer);
        let said = frames.end().text();
        let is_whole = said.starts_with("1000 frames, checksum ") && said.ends_with(", all read\n");
        assert_eq!(is_whole, is_read, "{said}");
        assert!(!ring.file().exists());
    }
}
