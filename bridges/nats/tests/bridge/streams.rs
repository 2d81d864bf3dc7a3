//! Streams of other kinds: shared, a work queue, full, with limits.

use std::fs;
use std::path::Path;

use async_nats::jetstream::stream;
use quoit_nats::async_nats;

use crate::messages::{number, payload, publish, take};
use crate::server::{HANG, Server};
use crate::world::{Bridge, Name, count, eventually, far_ring, free_address, near_ring};

/// The numbers of a subject's messages, in the order of the stream.
fn numbers(server: &Server, subject: &str) -> Vec<u64> {
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        let mut numbers = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("a message");
            if message.subject.as_str() == subject {
                numbers.push(number(&message.payload).expect("a whole message"));
            }
        }
        numbers
    })
}

pub(crate) fn a_shared_stream_keeps_the_order() -> String {
    let server = Server::start();
    let (one, two) = (Name::new("one"), Name::new("two"));
    server.stream("S", "S.>");
    let mut first = near_ring(&one, 1 << 17);
    let mut second = near_ring(&two, 1 << 17);
    for number in 0..1000 {
        first.try_push(&payload(number, 64)).expect("room");
        second.try_push(&payload(number, 64)).expect("room");
    }
    let words = |ring: &Name, subject: &str| {
        let words = [
            "out",
            &ring.0,
            "--stream",
            "S",
            "--subject",
            subject,
            "--window",
            "8",
        ];
        Bridge::start(&server, &words)
    };
    let (a, b) = (words(&one, "S.a"), words(&two, "S.b"));
    eventually("both rings are empty", || {
        one.unread() == 0 && two.unread() == 0
    });
    // Another client, between two messages of a bridge.
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("S.c", "other".into());
        sent.await.expect("sent").await.expect("stored");
    });
    for number in 1000..1100 {
        first.try_push(&payload(number, 64)).expect("room");
    }
    eventually("the ring is empty", || one.unread() == 0);
    assert_eq!(numbers(&server, "S.a"), (0..1100).collect::<Vec<_>>());
    assert_eq!(numbers(&server, "S.b"), (0..1000).collect::<Vec<_>>());
    let said = a.said();
    assert!(said.contains("one message at a time"), "{said}");
    drop(b);
    String::new()
}

pub(crate) fn a_work_queue() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream_of(stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        ..stream::Config::default()
    });
    let (mut producer, mut consumer) = (near_ring(&near, 1 << 18), far_ring(&far, 1 << 18));
    for number in 0..500 {
        producer.try_push(&payload(number, 64)).expect("room");
    }
    let _out = Bridge::out(&server, &near, "S", &[]);
    let mut bridge = Bridge::inward(&server, &far, "S", &[]);
    assert_eq!(take(&mut consumer, 500), (0..500).collect::<Vec<_>>());
    eventually("the queue is empty", || server.count("S").0 == 0);
    bridge.kill();
    for number in 500..600 {
        producer
            .push_timeout(&payload(number, 64), HANG)
            .expect("room");
    }
    let _in = Bridge::inward(&server, &far, "S", &[]);
    assert_eq!(take(&mut consumer, 100), (500..600).collect::<Vec<_>>());
    eventually("the queue is empty", || server.count("S").0 == 0);
    assert!(consumer.is_empty());
    String::new()
}

/// A full stream refuses, and the ring keeps the rest.
pub(crate) fn a_full_stream() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream_of(stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        discard: stream::DiscardPolicy::New,
        max_messages: 10,
        ..stream::Config::default()
    });
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    let address = free_address();
    let _out = Bridge::out(&server, &near, "S", &["--metrics", &address.to_string()]);
    for number in 0..200 {
        producer.try_push(&payload(number, 64)).expect("room");
    }
    eventually("the stream is full", || {
        server.count("S").0 == 10 && count(address, "refused", &near, "out") > 0
    });
    assert!(near.unread() > 0, "the ring keeps the rest");
    let _in = Bridge::inward(&server, &far, "S", &[]);
    assert_eq!(take(&mut consumer, 200), (0..200).collect::<Vec<_>>());
    eventually("all is released", || near.unread() == 0);
    assert!(consumer.is_empty());
    String::new()
}

/// What the stream's limits delete before it arrives is counted.
pub(crate) fn limits_delete_what_is_late() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream_of(stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        max_messages: 5,
        ..stream::Config::default()
    });
    let mut consumer = far_ring(&ring, 65536);
    publish(&server, 0..3);
    let mut bridge = Bridge::inward(&server, &ring, "S", &[]);
    assert_eq!(take(&mut consumer, 3), [0, 1, 2]);
    bridge.kill();
    publish(&server, 3..20);
    let address = free_address();
    let mut bridge = Bridge::inward(&server, &ring, "S", &["--metrics", &address.to_string()]);
    assert_eq!(take(&mut consumer, 5), [15, 16, 17, 18, 19]);
    bridge.wait_for("12 messages of the stream S before sequence 16 were deleted");
    assert_eq!(count(address, "missing", &ring, "in"), 12);
    publish(&server, 20..22);
    assert_eq!(take(&mut consumer, 2), [20, 21]);
    assert_eq!(count(address, "missing", &ring, "in"), 12);
    bridge.stop();
    String::new()
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

/// A server that has lost messages after it had acknowledged them, as after a power failure.
pub(crate) fn a_server_that_lost_messages() -> String {
    let mut server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    let mut out = Bridge::out(&server, &near, "S", &[]);
    let mut inward = Bridge::inward(&server, &far, "S", &[]);
    let mut push = |number: u64| {
        producer
            .push_timeout(&payload(number, 64), HANG)
            .expect("room");
    };
    push(0);
    assert_eq!(take(&mut consumer, 1), [0]);
    server.kill();
    let (store, saved) = (server.store(), server.directory().join("saved"));
    copy(&store, &saved);
    server.run();
    push(1);
    push(2);
    assert_eq!(take(&mut consumer, 2), [1, 2]);
    eventually("all is released", || near.unread() == 0);
    server.kill();
    fs::remove_dir_all(&store).expect("removed");
    copy(&saved, &store);
    server.run();
    for bridge in [&mut out, &mut inward] {
        bridge.wait_for("lost messages");
        eventually("the bridge ends", || bridge.has_ended());
    }
    // What the ring has is sent.
    let _out = Bridge::out(&server, &near, "S", &[]);
    push(3);
    eventually("the message is there", || near.unread() == 0);
    assert_eq!(numbers(&server, "S.a"), [0, 3]);
    String::new()
}
