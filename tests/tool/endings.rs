//! Endpoints that close, crash, are interrupted, or write to an output without a reader.

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

pub(crate) fn a_closed_pipe_ends_the_receiver_quietly_and_loses_nothing() {
    let name = RingName::new("closed");
    send(&name, 1000);
    let receive = |name: &str| {
        start_on(closed(), &["recv", name, "--unlink"])
            .end()
            .quietly()
    };
    receive(&name);
    assert!(name.file().exists(), "nothing could be written");
    assert_eq!(self::receive(&name), numbers(1000));
    // Nor does it wait for a producer that has closed, or for the first one.
    let unawaited = RingName::new("unawaited");
    for name in [&name, &unawaited] {
        receive(name);
    }
}

/// Another process truncates the file that they have mapped.
pub(crate) fn a_ring_that_is_truncated_ends_its_commands_with_a_line() {
    let name = RingName::new("truncated");
    let mut sender = start(&["send", &name]);
    sender.feed(b"one\n");
    until("there is a ring", || name.file().exists());
    let [mut tail, mut receiver] = [&["tail", "-f", &name][..], &["recv", &name]].map(start);
    tail.reads_until("one\n");
    receiver.reads_until("one\n");
    SegmentFile::open(&name.file()).truncate(4096);
    let why = "quoit: the ring's file was truncated, or its file system is full\n";
    [receiver, tail, sender]
        .into_iter()
        .for_each(|tool| tool.end().with(3, why));
}
