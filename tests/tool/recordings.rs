//! Recordings, and files that are none.

use std::fs;
use std::ops::ControlFlow;

use quoit::{FrameConsumer, FrameProducer, Observer, PopError, RingOptions};

use crate::common::PATIENCE;
use crate::common::names::{RingName, file_directory};
use crate::tool::Tool;

const FRAMES: [(u32, &[u8]); 3] = [(7, b"one"), (0, b""), (u32::MAX, b"\0three\n")];

/// A ring with the frames in it, and both roles free.
fn ring_with_frames(name: &RingName) {
    let mut producer = FrameProducer::create(name, 4096).expect("a ring");
    for (kind, payload) in FRAMES {
        producer.try_push_kind(kind, payload).expect("room");
    }
}

pub(crate) fn frames_of(name: &RingName) -> Vec<(u32, Vec<u8>)> {
    let mut consumer = FrameConsumer::open(name).expect("a ring");
    let mut frames = Vec::new();
    let drained = consumer.drain_with(|frame| {
        frames.push((frame.kind(), frame.to_vec()));
        ControlFlow::Continue(())
    });
    let found = match drained {
        // There is none at all.
        Err(PopError::Abandoned) => 0,
        drained => drained.expect("frames"),
    };
    assert_eq!(found, frames.len());
    frames
}

/// A recording of the frames, in this directory.
fn recording(directory: &tempfile::TempDir) -> String {
    let name = RingName::new("recorded");
    ring_with_frames(&name);
    let file = directory.path().join("recording");
    let file = file.to_str().expect("a path in UTF-8");
    Tool::run(&["record", name.as_str(), file], b"").quietly();
    file.to_owned()
}

pub(crate) fn a_recording_replays_kinds_and_payloads() {
    let directory = file_directory();
    let file = recording(&directory);
    let name = RingName::new("replayed");
    Tool::run(&["replay", name.as_str(), &file, "--speed", "max"], b"").quietly();
    assert_eq!(
        frames_of(&name),
        FRAMES.map(|(kind, payload)| (kind, payload.to_vec()))
    );
    let capacity = Observer::open(&name).expect("a ring").info().capacity;
    assert_eq!(capacity, 4096, "that of the recorded one");
    let small = ["replay", name.as_str(), &file, "--capacity", "64"];
    Tool::run(&small, b"").with(3, "leave out --capacity");
    Tool::run(&["record", name.as_str(), &file], b"").with(1, "File exists");
}

pub(crate) fn a_recording_that_a_signal_ends_is_whole() {
    let directory = file_directory();
    let file = directory.path().join("recording");
    let file = file.to_str().expect("a path in UTF-8");
    let name = RingName::new("endless");
    let ring = RingOptions::new(4096)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut producer = ring.producer().expect("a role");
    let recorder = Tool::start(&["record", name.as_str(), file]);
    producer.try_push_kind(3, b"frame").expect("room");
    crate::endings::wait_until("the frame is recorded", || producer.is_empty());
    recorder.signal(libc::SIGTERM);
    recorder.end().with(143, "");
    let again = RingName::new("again");
    Tool::run(&["replay", again.as_str(), file], b"").quietly();
    assert_eq!(frames_of(&again), [(3, b"frame".to_vec())]);
}

pub(crate) fn a_recording_cut_anywhere_is_refused() {
    let directory = file_directory();
    let file = recording(&directory);
    let whole = fs::read(&file).expect("a recording");
    let name = RingName::new("cut");
    // Behind the header, and behind each frame.
    let mut ends = vec![32];
    for (_, payload) in FRAMES {
        ends.push(ends[ends.len() - 1] + 16 + payload.len());
    }
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).expect("a file");
        let frames = ends.iter().filter(|&&end| end <= length).count();
        let why = match length {
            0..12 => "not a recording".to_owned(),
            _ => format!(
                "is truncated after {} whole frames",
                frames.saturating_sub(1)
            ),
        };
        let ended = Tool::run(&["replay", name.as_str(), &file], b"");
        let tells = length < 12 || ended.errors.contains("of them are missing");
        assert!(tells, "{ended:?}");
        ended.with(6, &why);
    }
    assert!(!name.file().exists(), "nothing was sent");
}

pub(crate) fn a_foreign_file_is_refused() {
    let directory = file_directory();
    let file = recording(&directory);
    let whole = fs::read(&file).expect("a recording");
    let name = RingName::new("foreign-file");
    let last = whole.len() - 8;
    let behind = [&whole[..], b"more"].concat();
    fs::write(&file, behind).expect("a file");
    Tool::run(&["replay", name.as_str(), &file], b"").with(6, "behind the end");
    for (at, why) in [
        (16, "cannot be"),
        (0, "not a recording"),
        (8, "has version"),
        (last, "has 3 frames"),
    ] {
        let mut foreign = whole.clone();
        foreign[at] ^= 0x40;
        fs::write(&file, foreign).expect("a file");
        Tool::run(&["replay", name.as_str(), &file], b"").with(6, why);
    }
    Tool::run(&["replay", name.as_str(), "/dev/null"], b"").with(6, "not a regular file");
    Tool::run(&["replay", name.as_str(), "/dev/null/nothing"], b"").with(1, "could not read");
    assert!(!name.file().exists(), "nothing was sent");
}

pub(crate) fn a_replay_keeps_the_times() {
    let directory = file_directory();
    let file = recording(&directory);
    let mut bytes = fs::read(&file).expect("a recording");
    // The second frame comes 30 years after the first.
    let second = 32 + 16 + FRAMES[0].1.len();
    bytes[second..second + 8].copy_from_slice(&1_000_000_000_000_000_000_u64.to_le_bytes());
    fs::write(&file, bytes).expect("a file");
    let name = RingName::new("times");
    let ring = RingOptions::new(1 << 20)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut consumer = ring.consumer().expect("a role");
    let player = Tool::start(&["replay", name.as_str(), &file]);
    let frame = consumer.peek_timeout(PATIENCE).expect("the first frame");
    frame.release();
    player.signal(libc::SIGTERM);
    player.end().with(143, "");
    assert_eq!(consumer.len(), 0, "the second is not due");
    drop(consumer);
    for speed in ["max", "1e15"] {
        Tool::run(&["replay", name.as_str(), &file, "--speed", speed], b"").quietly();
        assert_eq!(frames_of(&name).len(), 3);
    }
    Tool::run(&["replay", name.as_str(), &file, "--speed", "0"], b"").with(2, "above 0");
}
