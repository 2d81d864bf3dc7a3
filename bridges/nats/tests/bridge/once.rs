//! Each message once, and in order, after one kill at a chosen moment.

use std::thread;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{self, pull};
use async_nats::jetstream::stream;
use futures_util::StreamExt as _;
use quoit_nats::async_nats;

use crate::messages::{number, payload, publish, take};
use crate::server::Server;
use crate::world::{Bridge, Name, count, eventually, far_ring, free_address, near_ring};

/// Another bridge has published half of what is in the ring, and was killed before the
/// release; the server has forgotten the ids since.
pub(crate) fn older_than_the_duplicate_window() -> String {
    let server = Server::start();
    let ring = Name::new("near");
    let window = Duration::from_millis(100);
    server.stream_of(stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        duplicate_window: window,
        ..stream::Config::default()
    });
    let mut producer = near_ring(&ring, 65536);
    let mut ids = Vec::new();
    let incarnation = producer.incarnation();
    for number in 0..10 {
        ids.push(format!("{incarnation:016x}:{}", producer.position()));
        producer.try_push(&payload(number, 64)).expect("room");
    }
    server.block_on(async |jetstream| {
        for (number, id) in (0..5).zip(&ids) {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", id.as_str());
            let bytes = payload(number, 64).into();
            let sent = jetstream.publish_with_headers("S.a", headers, bytes);
            sent.await.expect("sent").await.expect("stored");
        }
    });
    thread::sleep(5 * window);
    let address = free_address();
    let metrics = address.to_string();
    let bridge = Bridge::out(&server, &ring, "S", &["--metrics", &metrics]);
    eventually("the ring is empty", || ring.unread() == 0);
    bridge_has(&server, &ids);
    assert_eq!(count(address, "duplicates", &ring, "out"), 5);
    bridge.stop();
    String::new()
}

/// The stream has exactly the messages with these ids, in this order.
fn bridge_has(server: &Server, ids: &[String]) {
    let stored = server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        let last = stream.cached_info().state.last_sequence;
        let mut stored = Vec::new();
        for sequence in 1..=last {
            let message = stream.get_raw_message(sequence).await.expect("a message");
            let id = message.headers.get("Nats-Msg-Id").expect("an id");
            stored.push((id.to_string(), number(&message.payload).expect("whole")));
        }
        stored
    });
    let expected: Vec<_> = ids.iter().cloned().zip(0..).collect();
    assert_eq!(stored, expected);
}

/// No acknowledgement of the first bridge has arrived: the server delivers all again.
pub(crate) fn killed_before_the_acknowledgement() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    let mut consumer = far_ring(&ring, 65536);
    publish(&server, 0..20);
    let mut bridge = Bridge::inward(&server, &ring, "S", &[]);
    assert_eq!(take(&mut consumer, 20), (0..20).collect::<Vec<_>>());
    bridge.kill();
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        stream.delete_consumer("far").await.expect("deleted");
        let config = pull::Config {
            durable_name: Some("far".to_owned()),
            ..pull::Config::default()
        };
        stream.create_consumer(config).await.expect("a consumer");
    });
    publish(&server, 20..30);
    let address = free_address();
    let metrics = address.to_string();
    let bridge = Bridge::inward(&server, &ring, "S", &["--metrics", &metrics]);
    assert_eq!(take(&mut consumer, 10), (20..30).collect::<Vec<_>>());
    eventually("20 duplicates", || {
        count(address, "duplicates", &ring, "in") == 20
    });
    eventually("all is acknowledged", || server.pending() == 0);
    assert!(consumer.is_empty());
    bridge.stop();
    String::new()
}

/// A killed bridge has some of the messages, and the server waits for it.
pub(crate) fn another_delivery_had_them() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    publish(&server, 0..10);
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        let config = pull::Config {
            durable_name: Some("far".to_owned()),
            ack_policy: consumer::AckPolicy::All,
            // Longer than the test takes.
            ack_wait: Duration::from_secs(600),
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let fetch = consumer.fetch().max_messages(6).messages().await;
        let mut messages = fetch.expect("messages");
        let mut count = 0;
        while let Some(message) = messages.next().await {
            message.expect("a message");
            count += 1;
        }
        assert_eq!(count, 6);
    });
    let mut consumer = far_ring(&ring, 65536);
    let address = free_address();
    let metrics = address.to_string();
    let bridge = Bridge::inward(&server, &ring, "S", &["--metrics", &metrics]);
    assert_eq!(take(&mut consumer, 10), (0..10).collect::<Vec<_>>());
    assert_eq!(count(address, "gaps", &ring, "in"), 1);
    eventually("all is acknowledged", || server.pending() == 0);
    bridge.stop();
    String::new()
}

/// A ring that is replaced: each bridge ends, and no message is left in the old ring.
pub(crate) fn a_replaced_ring() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let mut producer = near_ring(&near, 4096);
    let mut consumer = far_ring(&far, 4096);
    let mut out = Bridge::out(&server, &near, "S", &[]);
    let mut inward = Bridge::inward(&server, &far, "S", &[]);
    producer.try_push(&payload(0, 64)).expect("room");
    assert_eq!(take(&mut consumer, 1), [0]);
    near.unlink();
    far.unlink();
    let mut producers = [near_ring(&near, 4096), producer];
    let mut consumers = [far_ring(&far, 4096), consumer];
    // The old producer continues, and then closes its endpoint.
    producers[1].try_push(&payload(1, 64)).expect("room");
    assert_eq!(take(&mut consumers[1], 1), [1]);
    let [mut producer, old] = producers;
    drop(old);
    let [mut consumer, old] = consumers;
    drop(old);
    out.wait_for("was unlinked or replaced");
    eventually("the bridge ends", || out.has_ended());
    let _out = Bridge::out(&server, &near, "S", &[]);
    for number in 2..5 {
        producer.try_push(&payload(number, 64)).expect("room");
    }
    inward.wait_for("was unlinked or replaced");
    eventually("the bridge ends", || inward.has_ended());
    let _in = Bridge::inward(&server, &far, "S", &[]);
    assert_eq!(take(&mut consumer, 3), [2, 3, 4]);
    String::new()
}
