//! Rings, names, modes and durations that the tool refuses, and waits that it gives up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use crate::tool::*;

/// Words of a command, its code, and why.
const REFUSED: [(&str, i32, &str); 37] = [
    ("send .", 2, "cannot name a ring"),
    ("recv ..", 2, "cannot name a ring"),
    ("recv FOREIGN", 3, "is not a quoit ring"),
    ("send TAKEN", 4, "already has a producer"),
    ("send NAME --capacity 100", 2, "power of two"),
    ("send NAME --capacity 1Q", 2, "65536, 64K, 1M or 1G"),
    ("send NAME --capacity 8388608G", 1, "available"),
    ("send NAME --mode=888", 2, "octal, from 600 to 777"),
    ("send NAME --mode=1777", 2, "octal, from 600 to 777"),
    ("send NAME --mode=577", 2, "octal, from 600 to 777"),
    ("send NAME --mode=0", 2, "octal, from 600 to 777"),
    ("send NAME --mode=rw", 2, "octal, from 600 to 777"),
    ("send NAME --mode=", 2, "octal, from 600 to 777"),
    ("recv NAME --timeout 5", 2, "500ms, 2s, 5m, 1h"),
    ("recv NAME --timeout 5d", 2, "500ms, 2s, 5m, 1h"),
    ("recv NAME --timeout s", 2, "empty string"),
    ("recv NAME --timeout 1.2.3s", 2, "invalid float"),
    ("recv NAME --timeout=-1s", 2, "negative"),
    ("recv NAME --timeout 99999999999999999999h", 2, "too big"),
    ("top NAME", 3, "there is no ring"),
    ("top --interval 9ms", 2, "at least 10ms"),
    ("top --interval soon", 2, "500ms"),
    ("top --interval 1000000000000000h", 2, "at most 24h"),
    ("top --count 0", 2, "0 is not in 1.."),
    ("tail --count 0 NAME", 2, "0 is not in 1.."),
    ("stat NAME", 3, "there is no ring"),
    ("rm NAME", 3, "there is no ring"),
    ("rm", 2, "required"),
    ("list /no/such", 1, "could not list"),
    ("doctor --root /no/such", 1, "could not examine"),
    ("doctor --cores 0,0", 2, "a core of its own"),
    ("bench --cores 0", 2, "two different numbers"),
    ("bench --cores a,b", 2, "two different numbers"),
    ("bench --cores 0,0", 2, "two different numbers"),
    ("bench --cores 0,4095", 2, "two different numbers"),
    ("bench --cores 1023,1022", 1, "could not run on core 1023"),
    ("man nothing", 2, "no such subcommand"),
];

pub(crate) fn each_refusal_has_its_code_and_says_why() {
    let names = ["refused", "foreign"].map(RingName::new);
    fs::write(names[1].file(), "something else").expect("a file");
    let (taken, _producer) = frames("taken", 64);
    for (command, code, why) in REFUSED {
        let words = command.split(' ').map(|word| match word {
            "NAME" => &*names[0],
            "FOREIGN" => &names[1],
            "TAKEN" => &taken,
            word => word,
        });
        let words: Vec<_> = words.collect();
        refuses(&words, code, why);
        let said = run(&[&["--json"], &words[..]].concat(), b"");
        // What clap refuses is not said in JSON.
        if !said.errors.starts_with("error: ") {
            has(said.json()["error"].as_str().expect("words"), why);
            is(&said.json(), &json!({"code": code}));
        }
    }
    assert!(!names[0].file().exists());
}

pub(crate) fn a_line_that_is_too_long_is_refused() {
    let name = RingName::new("long");
    let ended = run(&["send", &name, "--capacity", "64"], &[b'x'; 1000]);
    ended.with(1, "never fits: the longest claim of this ring is 24");
    assert_eq!(unread(&name), 0, "the ring has no part of it");
}

pub(crate) fn a_ring_of_another_schema_is_refused() {
    let name = RingName::new("schema");
    let tagged = |tag| ["send", &name, "--schema-tag", tag];
    run(&tagged("v1"), b"a line\n").quietly();
    run(&tagged("v2"), b"").with(3, "as --schema-tag makes it; leave that out");
    let received = run(&["recv", &name, "--schema-tag", "v1"], b"");
    assert_eq!(received.quietly(), b"a line\n");
}

pub(crate) fn a_sender_that_gives_up_says_how_much_it_sent() {
    let (name, mut consumer) = consumed("no-room", 64);
    let why = "no process made room for 50ms; until then sent 4 messages, 4 bytes";
    run(&["send", &name, "--timeout", "50ms"], &numbers(1000)).with(7, why);
    assert_eq!(consumer.len(), 64, "what was sent is there");
    let frame = consumer.try_peek().expect("a frame");
    assert_eq!(frame.to_vec(), b"1");
    frame.release();

    let ended = run(
        &["send", &name, "--json", "--timeout", "0s"],
        &numbers(1000),
    );
    let why = "no process made room for 0ns";
    is(
        &ended.json(),
        &json!({"code": 7, "messages": 1, "bytes": 1, "error": why}),
    );
    assert_eq!(ended.code, Some(7));
}

pub(crate) fn a_sender_that_may_wait_continues_when_there_is_room() {
    let (name, mut consumer) = consumed("some-room", 64);
    let mut sender = start(&["send", &name, "--timeout", "2s"]);
    sender.feed(&numbers(9));
    // It looks around at least once between two sleeps.
    let observer = observer(&name);
    let parks = || observer.endpoint(Role::Producer).parks;
    until("the sender has slept often", || parks() > 5);
    assert_eq!(consumer.len(), 64);
    for number in 1..=9 {
        let frame = consumer.peek_timeout(PATIENCE).expect("a frame");
        assert_eq!(frame.to_vec(), number.to_string().as_bytes());
        frame.release();
        // Longer than that in all.
        thread::sleep(Duration::from_millis(if number < 6 { 450 } else { 0 }));
    }
    sender.end().quietly();
}

pub(crate) fn a_command_that_gives_up_says_and_keeps_what_was_moved() {
    let directory = file_directory();
    let file = &*file_in(&directory, "recording");
    let (name, mut producer) = frames("silence", 128);
    (0..8).for_each(|_| producer.push(b"frame").expect("room"));
    let ended = run(&["record", &name, file, "--timeout", "50ms"], b"");
    ended.with(7, "recorded 8 messages, 40 bytes");
    producer.push(b"one").expect("room");
    let ended = run(&["recv", &name, "--timeout", "50ms"], b"");
    assert_eq!(ended.output, b"one\n");
    let why = "no process sent anything for 50ms; until then received 1 messages, 3 bytes";
    ended.with(7, why);

    let (narrow, _consumer) = consumed("replay-no-room", 64);
    let why = "no process made room for 50ms; until then replayed 4 messages, 20 bytes";
    let replay = ["replay", &narrow, file, "--timeout", "50ms"];
    refuses(&[&replay[..], &["--speed", "max"]].concat(), 7, why);
}

pub(crate) fn a_new_ring_has_the_mode_that_is_asked_for() {
    let mode = |name: &RingName| {
        let file = fs::metadata(name.file()).expect("a ring");
        file.permissions().mode() & 0o7777
    };
    for (given, expected) in [(&[][..], 0o600), (&["--mode", "662"], 0o662)] {
        let name = RingName::new("mode");
        run(&[&["send", &name], given].concat(), b"line\n").quietly();
        assert_eq!(mode(&name), expected);
        run(&["recv", &name, "--mode", "0640"], b"").quietly();
        assert_eq!(mode(&name), expected, "an existing ring keeps its own");
    }
    let name = RingName::new("made-by-recv");
    let receiver = start(&["recv", &name, "--mode", "0640"]);
    until("there is a ring", || name.file().exists());
    assert_eq!(mode(&name), 0o640);
    drop(receiver);
    drop(FrameConsumer::open(&name).expect("its role is free"));
}
