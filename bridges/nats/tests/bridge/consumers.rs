//! Consumers that exist before the bridge does.

use std::time::Duration;

use async_nats::jetstream::consumer::{
    self, AckPolicy, DeliverPolicy, IntoConsumerConfig, pull, push,
};
use futures_util::StreamExt as _;
use quoit_nats::async_nats;

use crate::messages::{payload, publish, take};
use crate::server::Server;
use crate::world::{Bridge, Name, eventually, far_ring};

fn create(server: &Server, config: impl IntoConsumerConfig) {
    let config: consumer::Config = config.into_consumer_config();
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        let _ = stream.delete_consumer("far").await;
        let subject = "CONSUMER.DURABLE.CREATE.S.far";
        let request = serde_json::json!({ "stream_name": "S", "config": config });
        let answer: serde_json::Value = jetstream
            .request(subject, &request)
            .await
            .expect("an answer");
        assert!(answer.get("error").is_none(), "{answer}");
    });
}

fn durable() -> pull::Config {
    pull::Config {
        durable_name: Some("far".to_owned()),
        ..pull::Config::default()
    }
}

/// What a consumer allows in a request is less than the bridge asks for by default.
fn a_consumer_with_limits(server: &Server, ring: &Name) {
    create(
        server,
        pull::Config {
            max_batch: 2,
            max_expires: Duration::from_secs(1),
            ..durable()
        },
    );
    let mut consumer = far_ring(ring, 1 << 20);
    let _bridge = Bridge::inward(server, ring, "S", &[]);
    publish(server, 0..20);
    assert_eq!(take(&mut consumer, 20), (0..20).collect::<Vec<_>>());
}

/// Those that would put something else into the ring than the stream's messages are errors.
pub(crate) fn consumers_that_do_not_fit() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    let fails = |part: &str, words: &[&str]| {
        let said = Bridge::inward(&server, &ring, "S", words).fails();
        assert!(said.contains("the consumer far of the stream S"), "{said}");
        assert!(said.contains(part), "no {part:?} in: {said}");
    };
    create(
        &server,
        pull::Config {
            ack_policy: AckPolicy::None,
            ..durable()
        },
    );
    fails("takes no acknowledgements", &[]);
    create(
        &server,
        push::Config {
            durable_name: Some("far".to_owned()),
            deliver_subject: "deliver".to_owned(),
            ..push::Config::default()
        },
    );
    fails("is not a pull consumer", &[]);
    create(
        &server,
        pull::Config {
            headers_only: true,
            ..durable()
        },
    );
    fails("delivers headers without payload", &[]);
    create(
        &server,
        pull::Config {
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: "S.>".to_owned(),
            ..durable()
        },
    );
    fails("only the last message of each subject", &[]);
    create(
        &server,
        pull::Config {
            filter_subject: "S.a".to_owned(),
            ..durable()
        },
    );
    fails("takes S.a, not the subject S.b", &["--subject", "S.b"]);
    create(&server, durable());
    fails("takes >, not the subject S.b", &["--subject", "S.b"]);
    a_consumer_with_limits(&server, &ring);
    String::new()
}

/// A consumer that takes a part, and begins in the middle.
pub(crate) fn a_filter_and_a_later_start() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    publish(&server, 0..3);
    let config = || pull::Config {
        deliver_policy: DeliverPolicy::New,
        filter_subject: "S.a".to_owned(),
        ..durable()
    };
    create(&server, config());
    let mut consumer = far_ring(&ring, 65536);
    let mut bridge = Bridge::inward(&server, &ring, "S", &["--subject", "S.a"]);
    for round in [3..6, 6..9] {
        server.block_on(async |jetstream| {
            let sent = jetstream.publish("S.b", payload(999, 64).into());
            sent.await.expect("sent").await.expect("stored");
        });
        publish(&server, round.clone());
        assert_eq!(take(&mut consumer, 3), round.collect::<Vec<_>>());
        bridge.kill();
        bridge = Bridge::inward(&server, &ring, "S", &[]);
    }
    assert!(consumer.is_empty());
    assert!(!bridge.said().contains("deleted"), "{}", bridge.said());
    // Another client has taken one, and nothing says where the consumer began.
    create(&server, config());
    publish(&server, 9..10);
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        let found = stream.get_consumer::<pull::Config>("far").await;
        let consumer = found.expect("the consumer");
        let fetch = consumer.fetch().max_messages(1);
        let mut messages = fetch.messages().await.expect("messages");
        assert!(messages.next().await.is_some_and(|message| message.is_ok()));
    });
    let other = Name::new("other");
    let said = Bridge::inward(&server, &other, "S", &[]).fails();
    assert!(
        said.contains("unknown which message is the first"),
        "{said}"
    );
    String::new()
}

/// Its stream is deleted, with it.
pub(crate) fn a_deleted_stream() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    publish(&server, 0..1);
    let mut consumer = far_ring(&ring, 4096);
    let mut bridge = Bridge::inward(&server, &ring, "S", &[]);
    assert_eq!(take(&mut consumer, 1), [0]);
    server.block_on(async |jetstream| {
        jetstream.delete_stream("S").await.expect("deleted");
    });
    bridge.wait_for("the stream S does not exist");
    eventually("the bridge ends", || bridge.has_ended());
    String::new()
}
