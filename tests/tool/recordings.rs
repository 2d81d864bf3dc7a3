//! Recordings, and files that are none.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use mcap::records::MessageHeader;
use mcap::{MessageStream, Writer};
use quoit::{FrameConsumer, FrameProducer, Observer, PopError, Producer, RingOptions};

use crate::common::PATIENCE;
use crate::common::names::{RingName, file_directory};
use crate::endings::wait_until;
use crate::load::Numbers;
use crate::tool::{Tool, file_in};

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
    let file = &*file_in(directory, "recording");
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

/// As the library of the format reads it.
pub(crate) fn a_recording_is_an_mcap_file() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let now = || now().expect("after 1970").as_nanos() as u64;
    let before = now();
    let directory = file_directory();
    let file = recording(&directory);
    let after = now();
    let bytes = fs::read(file).expect("a file");
    let messages: Result<Vec<_>, _> = MessageStream::new(&bytes).expect("MCAP").collect();
    let messages = messages.expect("whole messages");
    assert_eq!(messages.len(), FRAMES.len());
    // Of 8 bytes each: a header, and the payload in whole words.
    let words = [0, 2, 3];
    for ((message, (kind, payload)), word) in messages.iter().zip(FRAMES).zip(words) {
        let metadata = &message.channel.metadata;
        assert!(message.channel.topic.ends_with("-recorded"), "{message:?}");
        assert_eq!(&*message.data, payload);
        assert_eq!(metadata["quoit.kind"], kind.to_string());
        assert_eq!(metadata["quoit.capacity"], "4096");
        assert_eq!(message.sequence, word, "its position");
        assert!(before <= message.log_time && message.log_time <= after);
    }
    let times = messages.iter().map(|message| message.log_time);
    assert!(times.is_sorted());
    let summary = mcap::Summary::read(&bytes).expect("MCAP").expect("one");
    assert_eq!(summary.chunk_indexes.len(), 1);
}

pub(crate) fn records_are_moved_with_their_size_and_schema() {
    let directory = file_directory();
    let file = &*file_in(&directory, "records");
    let names = ["first", "second", "third"].map(RingName::new);
    let options = RingOptions::new(64).schema_tag("numbers/3");
    let ring = options.create::<Numbers>(&names[0]).expect("a ring");
    let all: Vec<Numbers> = (0..50).map(|number| [number, 1, 2, u64::MAX]).collect();
    let mut producer = ring.producer().expect("a role");
    all.iter()
        .for_each(|&numbers| producer.push(numbers).expect("room"));
    drop(producer);
    Tool::run(&["record", names[0].as_str(), file], b"").quietly();
    let replay = ["replay", names[1].as_str(), file, "--speed", "max"];
    Tool::run(&replay, b"").quietly();
    // From the second into the third, which somebody else has made.
    let received = Tool::run(&["recv", names[1].as_str()], b"").quietly();
    let bytes = all.iter().flatten().flat_map(|number| number.to_le_bytes());
    assert!(received.iter().copied().eq(bytes));
    let third = options.create::<Numbers>(&names[2]).expect("a ring");
    let mut cut = received.clone();
    cut.push(0);
    let why = "the record has 32 bytes, and 31 of them are missing";
    Tool::run(&["send", names[2].as_str()], &cut).with(1, why);
    let mut consumer = third.consumer().expect("a role");
    for numbers in &all {
        assert_eq!(consumer.try_pop().as_ref(), Ok(numbers));
    }
    // The one that was made for the recording has the type and the tag.
    let again = options
        .open::<Numbers>(&names[1])
        .expect("the same records");
    assert_eq!(again.capacity(), 64);
    let other = RingName::new("other");
    drop(Producer::<u64>::create(&other, 64).expect("a ring"));
    let into = ["replay", other.as_str(), file, "--speed", "max"];
    Tool::run(&into, b"").with(3, "as the recording");
    let lines = ["send", other.as_str(), "--format", "lines"];
    Tool::run(&lines, b"line\n").with(1, "a record of this ring has 8 bytes, not 4");
}

pub(crate) fn a_tap_takes_nothing_and_tells_what_it_missed() {
    let directory = file_directory();
    let name = RingName::new("tapped");
    let ring = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("a role");
    let mut consumer = ring.consumer().expect("a role");
    (0..8).for_each(|number| producer.push(number).expect("room"));
    let file = &*file_in(&directory, "tap");
    let tap = Tool::start(&["record", "--json", "--tap", name.as_str(), file]);
    let length = || fs::metadata(file).map_or(0, |file| file.len());
    wait_until("it has seen them", || length() > 8 * 8 + 500);
    // It stands still while these go through.
    tap.signal(libc::SIGSTOP);
    wait_until("it is stopped", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", tap.pid()));
        stat.is_ok_and(|stat| stat.contains(") T "))
    });
    for number in 0..8 {
        assert_eq!(consumer.try_pop(), Ok(number), "nobody else took it");
    }
    for number in 8..40 {
        producer.push(number).expect("room");
        assert_eq!(consumer.try_pop(), Ok(number));
    }
    (40..44).for_each(|number| producer.push(number).expect("room"));
    tap.signal(libc::SIGCONT);
    drop(producer);
    let ended = tap.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = ended.json();
    assert_eq!(said["messages"], 12);
    assert_eq!(said["missed"], 32);
    let bytes = fs::read(file).expect("a file");
    let numbers = MessageStream::new(&bytes).expect("MCAP").map(|message| {
        let message = message.expect("a message");
        assert_eq!(message.data[..4], message.sequence.to_le_bytes());
        message.sequence
    });
    assert!(numbers.eq((0..8).chain(40..44)));
    assert_eq!(consumer.len(), 4);
}

pub(crate) fn a_recording_that_a_signal_ends_is_whole() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let name = RingName::new("endless");
    let ring = RingOptions::new(4096)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut producer = ring.producer().expect("a role");
    let recorder = Tool::start(&["record", name.as_str(), file]);
    producer.try_push_kind(3, b"frame").expect("room");
    wait_until("the frame is recorded", || producer.is_empty());
    recorder.signal(libc::SIGTERM);
    recorder.end().with(143, "");
    let again = RingName::new("again");
    Tool::run(&["replay", again.as_str(), file], b"").quietly();
    assert_eq!(frames_of(&again), [(3, b"frame".to_vec())]);
}

/// As kill -9 may leave it.
pub(crate) fn a_recording_cut_anywhere_is_replayed_to_its_last_whole_chunk() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let source = RingName::new("cut-source");
    let mut producer = FrameProducer::create(&source, 4096).expect("a ring");
    let recorder = Tool::start(&["record", source.as_str(), file]);
    // A chunk each.
    for (kind, payload) in FRAMES {
        producer.try_push_kind(kind, payload).expect("room");
        wait_until("it is recorded", || producer.is_empty());
    }
    recorder.kill();
    let killed = fs::read(file).expect("a recording");
    let frames = FRAMES.map(|(kind, payload)| (kind, payload.to_vec()));
    let mut most = 0;
    for length in (0..=killed.len()).step_by(7).chain([killed.len()]) {
        fs::write(file, &killed[..length]).expect("a file");
        let name = RingName::new("cut");
        let replayed = Tool::run(&["replay", name.as_str(), file, "--speed", "max"], b"");
        let whole = match name.file().exists() {
            true => frames_of(&name),
            false => Vec::new(),
        };
        assert_eq!(replayed.code, Some(6), "{length}: {replayed:?}");
        assert_eq!(whole, frames[..whole.len()], "{length}");
        assert!(whole.len() >= most, "{length}");
        most = whole.len();
    }
    assert_eq!(most, FRAMES.len(), "what was released is there");
}

pub(crate) fn a_foreign_file_is_refused() {
    let directory = file_directory();
    let file = recording(&directory);
    let whole = fs::read(&file).expect("a recording");
    let name = RingName::new("foreign-file");
    let replay = ["replay", name.as_str(), &file];
    fs::write(&file, b"QUOITREC, or whatever it is").expect("a file");
    Tool::run(&replay, b"").with(6, "no MCAP recording");
    let at = whole
        .windows(5)
        .position(|bytes| bytes == b"three")
        .expect("a payload");
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    fs::write(&file, flipped).expect("a file");
    Tool::run(&replay, b"").with(6, "CRC failed");
    let text = b"4096";
    let at = whole
        .windows(4)
        .position(|bytes| bytes == text)
        .expect("a capacity");
    let mut odd = whole.clone();
    odd[at] = b'5';
    fs::write(&file, odd).expect("a file");
    Tool::run(&replay, b"").with(6, "");
    Tool::run(&["replay", name.as_str(), "/dev/null"], b"").with(6, "not a regular file");
    Tool::run(&["replay", name.as_str(), "/dev/null/nothing"], b"").with(1, "could not read");
    assert!(!name.file().exists(), "nothing was sent");
}

/// Of another program: two topics, and a message that comes 30 years after the first.
pub(crate) fn a_replay_keeps_the_times() {
    let directory = file_directory();
    let file = directory.path().join("other.mcap");
    let mut writer = Writer::new(fs::File::create(&file).expect("a file")).expect("MCAP");
    let channels = ["/tf", "/odom"].map(|topic| {
        let channel = writer.add_channel(0, topic, "cdr", &BTreeMap::new());
        channel.expect("a channel")
    });
    let years = 1_000_000_000_000_000_000;
    for (channel, time) in [(0, 0), (1, 5), (0, years)] {
        let header = MessageHeader {
            channel_id: channels[channel],
            sequence: 0,
            log_time: 1_700_000_000_000_000_000 + time,
            publish_time: 0,
        };
        writer.write_to_known_channel(&header, b"x").expect("room");
    }
    writer.finish().expect("room");
    let file = file.to_str().expect("UTF-8");
    let name = RingName::new("times");
    let ring = RingOptions::new(1 << 20)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut consumer = ring.consumer().expect("a role");
    let player = Tool::start(&["replay", name.as_str(), file]);
    let frame = consumer.peek_timeout(PATIENCE).expect("the first frame");
    frame.release();
    player.signal(libc::SIGTERM);
    player.end().with(143, "");
    assert_eq!(consumer.len(), 0, "the second is not due");
    drop(consumer);
    let replay = ["replay", name.as_str(), file];
    let found = |arguments: &[&str]| {
        Tool::run(&[&replay[..], arguments].concat(), b"").quietly();
        frames_of(&name).len()
    };
    assert_eq!(found(&["--speed", "max"]), 2);
    assert_eq!(found(&["--speed", "1e15"]), 2);
    assert_eq!(found(&["--from", "1s", "--speed", "max"]), 1);
    assert_eq!(found(&["--topic", "/odom"]), 1);
    Tool::run(&["replay", name.as_str(), file, "--speed", "0"], b"").with(2, "above 0");
}
