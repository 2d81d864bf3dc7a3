//! Recordings, and files that are none.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use mcap::records::MessageHeader;
use mcap::{MessageStream, Writer};

use crate::tool::*;

const FRAMES: [(u32, &[u8]); 3] = [(7, b"one"), (0, b""), (u32::MAX, b"\0three\n")];

pub(crate) fn frames_of(name: &RingName) -> Vec<(u32, Vec<u8>)> {
    let mut consumer = FrameConsumer::open(name).expect("a ring");
    let mut frames = Vec::new();
    let drained = consumer.drain_with(|frame| {
        frames.push((frame.kind(), frame.to_vec()));
        ControlFlow::Continue(())
    });
    // If there is none at all, it is abandoned.
    assert!(
        matches!(drained, Ok(_) | Err(PopError::Abandoned)),
        "{drained:?}"
    );
    frames
}

/// As the library of the format reads it.
pub(crate) fn a_recording_is_an_mcap_file() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    let now = || now().expect("after 1970").as_nanos() as u64;
    let before = now();
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let (name, mut producer) = frames("recorded", 4096);
    for (kind, payload) in FRAMES {
        producer.try_push_kind(kind, payload).expect("room");
    }
    drop(producer);
    says(&["record", &name, file]);
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

pub(crate) fn a_tap_takes_nothing_and_tells_what_it_missed() {
    let directory = file_directory();
    let tap = |name: &RingName| {
        let file = file_in(&directory, name);
        let tap = start(&["record", "--json", "--tap", name, &file]);
        (tap, file)
    };
    let ended = |tap: Program, messages: u32, missed: u64| {
        let said = tap.end();
        assert_eq!(said.code, Some(0), "{said:?}");
        is(
            &said.json(),
            &json!({"messages": messages, "missed": missed}),
        );
    };
    let (name, ring) = ring::<u64>("tapped", 64);
    let mut producer = ring.producer().expect("a role");
    let mut consumer = ring.consumer().expect("a role");
    (0..8).for_each(|number| producer.push(number).expect("room"));
    let (records, file) = tap(&name);
    until("it has seen them", || length(&file) > 8 * 8 + 500);
    // It is stopped while the consumer takes these.
    stop(records.pid());
    for number in 0..8 {
        assert_eq!(consumer.try_pop(), Ok(number), "no other endpoint took it");
    }
    for number in 8..40 {
        producer.push(number).expect("room");
        assert_eq!(consumer.try_pop(), Ok(number));
    }
    (40..44).for_each(|number| producer.push(number).expect("room"));
    records.signal(libc::SIGCONT);
    drop(producer);
    ended(records, 12, 32);
    let bytes = fs::read(file).expect("a file");
    let numbers = MessageStream::new(&bytes).expect("MCAP").map(|message| {
        let message = message.expect("a message");
        assert_eq!(message.data[..4], message.sequence.to_le_bytes());
        message.sequence
    });
    assert!(numbers.eq((0..8).chain(40..44)));
    assert_eq!(consumer.len(), 4);

    // What frames leave out at the end of the ring is not missed.
    let (name, mut producer) = frames("padded", 64);
    (0..2).for_each(|_| producer.push(&[1; 16]).expect("room"));
    assert_eq!(frames_of(&name).len(), 2);
    producer.push(&[2; 16]).expect("room");
    drop(producer);
    ended(tap(&name).0, 1, 0);

    // What the consumer took up to the end of the ring is.
    let (name, mut producer) = frames("lap", 256);
    let mut consumer = FrameConsumer::open(&name).expect("a ring");
    producer.push(&[1; 24]).expect("room");
    let (lap, file) = tap(&name);
    until("it has seen the first", || length(&file) > 200);
    stop(lap.pid());
    for _ in 1..8 {
        producer.push(&[2; 24]).expect("room");
    }
    assert_eq!(consumer.skip(8), Ok(8));
    producer.push(&[3; 24]).expect("room");
    lap.signal(libc::SIGCONT);
    drop(producer);
    ended(lap, 2, 7 * 32);
}

/// As kill -9 may leave it.
pub(crate) fn a_recording_cut_anywhere_is_replayed_to_its_last_whole_chunk() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let (source, mut producer) = frames("cut-source", 4096);
    let mut recorder = start(&["record", &source, file]);
    // A chunk each.
    for (kind, payload) in FRAMES {
        producer.try_push_kind(kind, payload).expect("room");
        until("it is recorded", || producer.is_empty());
    }
    recorder.kill();
    let killed = fs::read(file).expect("a recording");
    let frames = FRAMES.map(|(kind, payload)| (kind, payload.to_vec()));
    let mut most = 0;
    for length in (0..=killed.len()).step_by(7).chain([killed.len()]) {
        fs::write(file, &killed[..length]).expect("a file");
        let name = RingName::new("cut");
        let replayed = run(&["replay", &name, file, "--speed", "max"], b"");
        let whole = name.file().exists().then(|| frames_of(&name));
        let whole = whole.unwrap_or_default();
        assert_eq!(replayed.code, Some(6), "{length}: {replayed:?}");
        assert_eq!(whole, frames[..whole.len()], "{length}");
        assert!(whole.len() >= most, "{length}");
        most = whole.len();
    }
    assert_eq!(most, FRAMES.len(), "what was released is there");
}

/// Of another program: two topics, a message that comes 30 years after the first, one that is from
/// before it, and one that needs a larger ring than usual.
pub(crate) fn a_replay_keeps_the_times() {
    let directory = file_directory();
    let file = &*file_in(&directory, "other.mcap");
    let mut writer = Writer::new(fs::File::create(file).expect("a file")).expect("MCAP");
    let channels = ["/tf", "/odom"].map(|topic| {
        let channel = writer.add_channel(0, topic, "cdr", &BTreeMap::new());
        channel.expect("a channel")
    });
    let years = 1_000_000_000_000_000_000;
    let first = 1_700_000_000_000_000_000;
    for (channel, log_time, length) in [
        (0, first, 1),
        (1, first + 5, 1),
        (0, first - 5, 600_000),
        (0, first + years, 1),
    ] {
        let header = MessageHeader {
            channel_id: channels[channel],
            sequence: 0,
            log_time,
            publish_time: 0,
        };
        let written = writer.write_to_known_channel(&header, &vec![b'x'; length]);
        written.expect("room");
    }
    writer.finish().expect("room");
    let name = RingName::new("times");
    let player = start(&["replay", &name, file]);
    drop(observer(&name));
    let mut consumer = FrameConsumer::open(&name).expect("a ring");
    for _ in 0..2 {
        consumer.peek_timeout(PATIENCE).expect("a frame").release();
    }
    player.ends_by(libc::SIGTERM);
    assert_eq!(consumer.len(), 0, "the third is not due");
    drop(consumer);
    let replay = ["replay", &name, file];
    let found = |arguments: &[&str]| {
        run(&[&replay[..], arguments].concat(), b"").quietly();
        frames_of(&name).len()
    };
    assert_eq!(found(&["--speed", "max"]), 3);
    assert_eq!(found(&["--speed", "1e15"]), 3);
    assert_eq!(found(&["--from", "1s", "--speed", "max"]), 1);
    // Nanoseconds that 64 bits do not hold.
    assert_eq!(found(&["--from", "5200000h", "--speed", "max"]), 0);
    assert_eq!(found(&["--topic", "/odom"]), 1);
}
