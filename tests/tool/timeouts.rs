//! Endpoints whose wait for the peer times out, and the mode of the rings they create.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use quoit::{FrameConsumer, FrameProducer, Observer, RingOptions, Role};

use crate::common::PATIENCE;
use crate::common::names::{RingName, file_directory};
use crate::endings::wait_until;
use crate::streams::numbers;
use crate::tool::{Tool, file_in};

pub(crate) fn a_sender_that_gives_up_says_how_much_it_sent() {
    let name = RingName::new("no-room");
    let ring = RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let mut consumer = ring.consumer().expect("a role");
    let arguments = ["send", name.as_str(), "--timeout", "50ms"];
    let why = "no process made room for 50ms; until then sent 4 messages, 4 bytes";
    Tool::run(&arguments, &numbers(1000)).with(7, why);
    assert_eq!(consumer.len(), 64, "what was sent is there");
    let frame = consumer.try_peek().expect("a frame");
    assert_eq!(frame.to_vec(), b"1");
    frame.release();

    let arguments = ["send", name.as_str(), "--json", "--timeout", "0s"];
    let ended = Tool::run(&arguments, &numbers(1000));
    let said = ended.json();
    assert_eq!((ended.code, &said["code"]), (Some(7), &7.into()));
    assert_eq!(
        (&said["messages"], &said["bytes"]),
        (&1.into(), &1.into()),
        "{said}"
    );
    assert_eq!(said["error"], "no process made room for 0ns");
}

pub(crate) fn a_sender_that_may_wait_continues_when_there_is_room() {
    let name = RingName::new("some-room");
    let ring = RingOptions::new(64).create::<[u8]>(&name).expect("a ring");
    let mut consumer = ring.consumer().expect("a role");
    let mut sender = Tool::start(&["send", name.as_str(), "--timeout", "1h"]);
    sender.feed(&numbers(9));
    // It looks around at least once between two sleeps.
    let observer = Observer::open(&name).expect("a ring");
    let parks = || observer.endpoint(Role::Producer).parks;
    wait_until("the sender has slept often", || parks() > 5);
    assert_eq!(consumer.len(), 64);
    for number in 1..=9 {
        let frame = consumer.peek_timeout(PATIENCE).expect("a frame");
        assert_eq!(frame.to_vec(), number.to_string().as_bytes());
        frame.release();
    }
    sender.end().quietly();
}

pub(crate) fn a_receiver_gives_up_with_all_that_was_sent() {
    let name = RingName::new("silence");
    let mut producer = FrameProducer::create(&name, 64).expect("a ring");
    producer.push(b"one").expect("room");
    let ended = Tool::run(&["recv", name.as_str(), "--timeout", "50ms"], b"");
    assert_eq!(ended.output, b"one\n");
    ended.with(
        7,
        "no process sent anything for 50ms; until then received 1 messages, 3 bytes",
    );
}

pub(crate) fn a_recorder_that_gave_up_leaves_a_whole_file_and_a_replay_gives_up_too() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let name = RingName::new("record-silence");
    let mut producer = FrameProducer::create(&name, 128).expect("a ring");
    for _ in 0..8 {
        producer.push(b"frame").expect("room");
    }
    let ended = Tool::run(&["record", name.as_str(), file, "--timeout", "50ms"], b"");
    ended.with(7, "recorded 8 messages, 40 bytes");

    let narrow = RingName::new("replay-no-room");
    let ring = RingOptions::new(64)
        .create::<[u8]>(&narrow)
        .expect("a ring");
    let _consumer = ring.consumer().expect("a role");
    let arguments = [
        "replay",
        narrow.as_str(),
        file,
        "--speed",
        "max",
        "--timeout",
        "50ms",
    ];
    let why = "no process made room for 50ms; until then replayed 4 messages, 20 bytes";
    Tool::run(&arguments, b"").with(7, why);
}

pub(crate) fn a_new_ring_has_the_mode_that_is_asked_for() {
    let mode = |name: &RingName| {
        let file = fs::metadata(name.file()).expect("a ring");
        file.permissions().mode() & 0o7777
    };
    for (given, expected) in [(&[][..], 0o600), (&["--mode", "662"], 0o662)] {
        let name = RingName::new("mode");
        Tool::run(&[&["send", name.as_str()], given].concat(), b"line\n").quietly();
        assert_eq!(mode(&name), expected);
        Tool::run(&["recv", name.as_str(), "--mode", "0640"], b"").quietly();
        assert_eq!(mode(&name), expected, "an existing ring keeps its own");
    }
    let name = RingName::new("made-by-recv");
    let receiver = Tool::start(&["recv", name.as_str(), "--mode", "0640"]);
    wait_until("there is a ring", || name.file().exists());
    assert_eq!(mode(&name), 0o640);
    drop(receiver);
    drop(FrameConsumer::open(&name).expect("its role is free"));
}

pub(crate) fn what_is_no_mode_and_no_duration_is_refused() {
    let name = RingName::new("no-mode");
    for mode in ["888", "1777", "577", "0", "rw", ""] {
        Tool::run(&["send", name.as_str(), "--mode", mode], b"").with(2, "octal, from 600 to 777");
    }
    for (duration, why) in [
        ("5", "500ms, 2s, 5m, 1h"),
        ("5d", "500ms, 2s, 5m, 1h"),
        ("s", "empty string"),
        ("1.2.3s", "invalid float"),
        ("-1s", "negative"),
        ("99999999999999999999h", "too big"),
    ] {
        let duration = format!("--timeout={duration}");
        Tool::run(&["recv", name.as_str(), &duration], b"").with(2, why);
    }
    assert!(!name.file().exists());
}
