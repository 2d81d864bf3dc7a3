//! Endpoints that close, crash, are interrupted, or write to an output without a reader.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use quoit::{FrameProducer, Observer, Role};

use crate::common::child::is_asleep;
use crate::common::names::RingName;
use crate::common::segment_file::SegmentFile;
use crate::tool::*;

/// An output that no process reads.
pub(crate) fn closed() -> Stdio {
    let (ours, theirs) = UnixStream::pair().expect("a socket");
    drop(ours);
    OwnedFd::from(theirs).into()
}

pub(crate) fn a_killed_sender_loses_nothing() {
    let (name, consumer) = consumed("sender", 4096);
    let mut sender = Tool::start(&["send", &name]);
    sender.feed(b"one\ntwo\nunfinished");
    // Each takes a header of 8 bytes, and 8 more.
    wait_until("two lines are in the ring", || consumer.len() == 32);
    sender.kill();
    drop(consumer);
    let ended = Tool::run(&["recv", &name], b"");
    assert_eq!(ended.output, b"one\ntwo\n");
    ended.with(8, "crashed; until then received 2 messages, 6 bytes");
}

pub(crate) fn a_killed_receiver_loses_nothing() {
    let name = RingName::new("receiver");
    send(&name, 20_000);
    let (receiver, mut read) = stuck(&name);
    read.extend(receiver.kill());
    // Whatever was written, all of it is before or in what comes now.
    let (all, rest) = (numbers(20_000), receive(&name));
    assert!(all.starts_with(&read) && all.ends_with(&rest));
    assert!(read.len() + rest.len() >= all.len());
}

/// A receiver whose output is full, and what was read of it before.
fn stuck(name: &RingName) -> (Tool, Vec<u8>) {
    let producer = FrameProducer::open(name).expect("a role");
    let full = producer.len();
    let mut receiver = Tool::start(&["recv", name]);
    let read = receiver.reads_until("\n2000\n");
    // What was read is released, and no more than a batch is in the pipe.
    wait_until("it waits", || is_asleep(receiver.pid()));
    assert!(!producer.is_empty() && producer.len() < full);
    (receiver, read.into_bytes())
}

pub(crate) fn a_full_ring_keeps_no_signal_away_and_ends_its_sender_with_its_receiver() {
    let (name, consumer) = consumed("full", 64);
    let waits = || {
        let mut sender = Tool::start(&["send", &name]);
        sender.feed(&numbers(1000));
        wait_until("it waits for room", || {
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

pub(crate) fn a_closed_pipe_ends_the_receiver_quietly_and_loses_nothing() {
    let name = RingName::new("closed");
    send(&name, 1000);
    Tool::start_on(closed(), &["recv", &name]).end().quietly();
    assert_eq!(receive(&name), numbers(1000));
    // Nor does it wait for a producer that has closed, or for the first one.
    for name in [name, RingName::new("unawaited")] {
        Tool::start_on(closed(), &["recv", &name]).end().quietly();
        assert!(name.file().exists());
    }
}

pub(crate) fn a_closed_pipe_ends_every_answer_quietly() {
    let name = RingName::new("answers");
    send(&name, 100);
    let answers: [&[&str]; 10] = [
        &["list"],
        &["stat", &name],
        &["tail", &name],
        // Without an endpoint of its own.
        &["top", "--interval", "10ms", &name],
        &["rm", &name],
        &["doctor"],
        &["doctor", "--json"],
        &["bench", "--quick"],
        &["completions", "bash"],
        &["man"],
    ];
    for arguments in answers {
        Tool::start_on(closed(), arguments).end().quietly();
    }
}

pub(crate) fn a_signal_ends_a_sender_that_waits_for_input() {
    let (name, mut consumer) = consumed("input", 4096);
    for (signal, code) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let mut sender = Tool::start(&["send", &name]);
        sender.feed(b"line\n");
        wait_until("the line comes", || !consumer.is_empty());
        let frame = consumer.try_peek().expect("a frame");
        assert_eq!(frame.to_vec(), b"line");
        frame.release();
        sender.signal(signal);
        // Its input is still open.
        wait_until("it closes its end", || consumer.is_abandoned());
        sender.end().with(code, "");
    }
}

/// Another process truncates the file that they have mapped.
pub(crate) fn a_ring_that_is_truncated_ends_its_commands_with_a_line() {
    let name = RingName::new("truncated");
    let mut sender = Tool::start(&["send", &name]);
    sender.feed(b"one\n");
    wait_until("there is a ring", || name.file().exists());
    let [mut tail, mut receiver] = [&["tail", "-f", &name][..], &["recv", &name]].map(Tool::start);
    tail.reads_until("one\n");
    receiver.reads_until("one\n");
    SegmentFile::open(&name.file()).truncate(4096);
    let why = "quoit: the ring's file was truncated, or its file system is full\n";
    [receiver, tail, sender]
        .into_iter()
        .for_each(|tool| tool.end().with(3, why));
}

pub(crate) fn a_signal_ends_a_receiver_whose_output_is_full() {
    let name = RingName::new("stuck");
    send(&name, 20_000);
    let (receiver, mut read) = stuck(&name);
    let observer = Observer::open(&name).expect("a ring");
    receiver.signal(libc::SIGTERM);
    wait_until("it closes its end", || {
        observer.endpoint(Role::Consumer).is_closed
    });
    let ended = receiver.end();
    assert_eq!(ended.code, Some(143));
    read.extend(ended.output);
    // Whatever was delivered, all of it is before or in what comes now.
    let (all, rest) = (numbers(20_000), receive(&name));
    assert!(all.starts_with(&read) && all.ends_with(&rest));
    assert!(read.len() + rest.len() >= all.len());
}
