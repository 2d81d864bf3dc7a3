//! What ends a command, and what does not: its peer, a full output, its ring.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::tool::*;

pub(crate) fn a_receiver_whose_output_is_full_loses_nothing_when_it_is_ended() {
    for signal in [libc::SIGKILL, libc::SIGTERM] {
        let name = RingName::new("receiver");
        send(&name, 20_000);
        let producer = FrameProducer::open(&name).expect("a role");
        let full = producer.len();
        let mut receiver = start(&["recv", &name]);
        let mut read = receiver.reads_until("\n2000\n").into_bytes();
        // What was read is released, and no more than a batch is in the pipe.
        until("it waits", || is_asleep(receiver.pid()));
        assert!(!producer.is_empty() && producer.len() < full);
        drop(producer);
        receiver.signal(signal);
        if signal == libc::SIGTERM {
            let observer = observer(&name);
            let is_closed = || observer.endpoint(Role::Consumer).is_closed;
            until("it closes its end", is_closed);
        }
        let ended = receiver.end();
        assert_eq!(ended.code, Some(128 + signal));
        read.extend(ended.output);
        // Whatever was written, all of it is before or in what comes now.
        let (all, rest) = (numbers(20_000), receive(&name));
        assert!(all.starts_with(&read) && all.ends_with(&rest));
        assert!(read.len() + rest.len() >= all.len());
    }
}

pub(crate) fn a_full_ring_keeps_no_signal_away_and_ends_its_sender_with_its_receiver() {
    let (name, consumer) = consumed("full", 64);
    let waits = || {
        let mut sender = start(&["send", &name]);
        sender.feed(&numbers(1000));
        until("it waits for room", || {
            consumer.len() == 64 && is_asleep(sender.pid())
        });
        sender
    };
    waits().ends_by(libc::SIGTERM);
    let sender = waits();
    drop(consumer);
    sender.end().with(5, "its consumer has closed or crashed");
    assert_eq!(receive(&name), numbers(4), "what fitted is there");
}

/// Another process truncates the file that they have mapped.
pub(crate) fn a_ring_that_is_truncated_ends_its_commands_with_a_line() {
    let name = RingName::new("truncated");
    let mut sender = start(&["send", &name]);
    sender.feed(b"one\n");
    until("there is a ring", || name.file().exists());
    let [mut tail, mut receiver] =
        [&["tail", "-f", &name][..], &["recv", "--json", &name]].map(start);
    tail.reads_until("one\n");
    receiver.reads_until("one\n");
    SegmentFile::open(&name.file()).truncate(4096);
    let why = "the ring's file was truncated, or its file system is full";
    is(&receiver.end().json(), &json!({"code": 3, "error": why}));
    let line = format!("quoit: {why}\n");
    [tail, sender]
        .into_iter()
        .for_each(|tool| tool.end().with(3, &line));
}

/// `--unlink` removes the ring that the command had open, and no other one.
pub(crate) fn another_ring_that_has_the_name_is_not_removed() {
    for is_moved in [true, false] {
        let name = RingName::new("same-name");
        let elsewhere = RingName::new("moved");
        let receiver = start(&["recv", &name, "--unlink"]);
        let observer = observer(&name);
        // With the role alone it has not looked at the name for the last time.
        until("it waits", || observer.endpoint(Role::Consumer).is_asleep);
        let mut producer = FrameProducer::open(&name).expect("the role is free");
        producer.push(b"last").expect("there is room");
        match is_moved {
            true => fs::rename(name.file(), elsewhere.file()).expect("our ring"),
            false => fs::remove_file(name.file()).expect("our ring"),
        }
        let other = RingOptions::new(64).create::<u64>(&name);
        // It was used, no process has it, and nothing is unread.
        drop(other.expect("the name is free").producer());
        drop(producer);
        let ended = receiver.end();
        assert_eq!(ended.output, b"last\n");
        match is_moved {
            true => ended.with(3, "does not refer to the ring from here"),
            false => drop(ended.quietly()),
        }
        assert!(name.file().exists(), "the ring of others is removed");
    }
}

pub(crate) fn a_sender_that_may_wait_continues_when_there_is_room() {
    let (name, mut consumer) = consumed("some-room", 64);
    let mut sender = start(&["send", &name, "--timeout", "2s"]);
    sender.feed(&numbers(9));
    sleeps(&name, Role::Producer, 6);
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
