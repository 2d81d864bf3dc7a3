//! Streams from one process to another.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::tool::*;

pub(crate) fn a_stream_of_lines_goes_through_a_full_ring() {
    let name = RingName::new("lines");
    let ends = ["send", "recv"].map(|end| [end, &name, "--capacity", "4K", "--unlink"]);
    let receiver = start(&ends[1]);
    let all = numbers(100_000);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(run(&ends[0], &all).quietly(), b""));
        assert!(receiver.end().quietly() == all, "the lines differ");
    });
    assert!(!name.file().exists(), "the last one out removes the ring");
}

/// In a ring whose endpoints have attached and closed before.
pub(crate) fn either_endpoint_may_attach_first_each_time() {
    let (name, _) = ring::<[u8]>("again", 64);
    let (send, recv) = (["send", &name], ["recv", &name]);
    let observer = observer(&name);
    for round in 1..=3 {
        let all = numbers(1000 * round);
        thread::scope(|scope| {
            let receiver = start(&recv);
            until("it waits", || {
                let end = observer.endpoint(Role::Consumer);
                end.epoch == 2 * u64::from(round) - 1 && end.is_asleep
            });
            scope.spawn(|| run(&send, &all).quietly());
            let received = receiver.end().quietly();
            assert!(received == all, "the receiver attached first");
        });
        thread::scope(|scope| {
            scope.spawn(|| run(&send, &all).quietly());
            until("it waits", || {
                observer.positions().len() == 64 && observer.endpoint(Role::Producer).is_asleep
            });
            let receiver = start(&recv);
            assert!(receiver.end().quietly() == all, "the sender attached first");
        });
    }
    // No producer attaches: the command waits up to the timeout.
    let ended = run(&["recv", &name, "--timeout", "100ms"], b"");
    ended.with(7, "no process sent anything for 100ms");
}

pub(crate) fn frames_and_raw_bytes_arrive_as_they_were() {
    let every_byte: Vec<u8> = (0..=250).cycle().take(200_000).collect();
    let mut framed = Vec::new();
    for piece in [&b""[..], b"one", &every_byte[..3000], b"two\n\0"] {
        framed.extend((piece.len() as u32).to_le_bytes());
        framed.extend(piece);
    }
    // The ring is so small that a piece of what was read does not fit into a frame.
    for (format, input) in [("raw", every_byte), ("frames", framed)] {
        let name = RingName::new(format);
        let ends =
            ["send", "recv"].map(|end| [end, &name, "--format", format, "--capacity", "16K"]);
        let receiver = start(&ends[1]);
        thread::scope(|scope| {
            scope.spawn(|| run(&ends[0], &input).quietly());
            assert!(receiver.end().quietly() == input, "{format} differ");
        });
    }
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
            true => ended.with(3, "does not lead to the ring from here"),
            false => drop(ended.quietly()),
        }
        assert!(name.file().exists(), "the ring of others is removed");
    }
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
