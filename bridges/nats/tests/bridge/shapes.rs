//! Frames, records, several rings, TLS, and streams of other kinds.

use std::fs;
use std::process::Command;

use async_nats::jetstream::stream;
use quoit::RingOptions;
use quoit_nats::async_nats::{self, ConnectOptions};

use crate::once::{far_ring, near_ring, take};
use crate::server::{HANG, Server};
use crate::world::{Bridge, Name, eventually, free_address, metrics, number, payload};

pub(crate) fn frames_cross_in_order() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let (mut producer, mut consumer) = (near_ring(&near, 4096), far_ring(&far, 4096));
    let _out = Bridge::out(&server, &near, "S", &[]);
    let _in = Bridge::inward(&server, &far, "S", &[]);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Of every length that a ring of 4096 bytes takes, so that each padding is met.
            for number in 0..2000_u64 {
                let bytes = payload(number, 16 + (number as usize * 7) % 2000);
                producer
                    .push_kind_timeout(number as u32, &bytes, HANG)
                    .expect("room");
            }
            producer.push_timeout(&[], HANG).expect("room"); // an empty one
        });
        let mut bytes = Vec::new();
        for expected in 0..2000_u64 {
            bytes.clear();
            let kind = consumer
                .pop_into_timeout(&mut bytes, HANG)
                .expect("a frame");
            assert_eq!(u64::from(kind), expected);
            assert_eq!(
                bytes,
                payload(expected, 16 + (expected as usize * 7) % 2000)
            );
        }
        bytes.clear();
        assert_eq!(consumer.pop_into_timeout(&mut bytes, HANG), Ok(0));
        assert!(bytes.is_empty());
    });
    String::new()
}

#[derive(
    Clone, Copy, Debug, PartialEq, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable,
)]
#[repr(C)]
struct Tick {
    at: u64,
    price: u64,
    size: u32,
    side: u32,
}

impl Tick {
    fn new(at: u64) -> Self {
        Self {
            at,
            price: at.wrapping_mul(31),
            size: at as u32,
            side: 7,
        }
    }
}

pub(crate) fn records_cross() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    let ring = RingOptions::new(64)
        .schema_tag("tick/3")
        .create::<Tick>(&near.0);
    let mut producer = ring.expect("a ring").producer().expect("the producer");
    let _out = Bridge::out(&server, &near, "S", &["--tag", "tick/3"]);
    // The bridge creates this one.
    let words = ["--records", "24:8", "--tag", "tick/3", "--capacity", "32"];
    let _in = Bridge::inward(&server, &far, "S", &words);
    let options = RingOptions::new(32).schema_tag("tick/3");
    let ring = options.open_or_create::<Tick>(&far.0).expect("a ring");
    let mut consumer = ring.consumer().expect("the consumer");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for at in 0..5000 {
                producer.push_timeout(Tick::new(at), HANG).expect("room");
            }
        });
        for at in 0..5000 {
            assert_eq!(consumer.pop_timeout(HANG), Ok(Tick::new(at)));
        }
    });
    String::new()
}

pub(crate) fn several_rings_by_a_file() -> String {
    let server = Server::start();
    let (near, far, other) = (Name::new("near"), Name::new("far"), Name::new("other"));
    server.stream("S", "S.>");
    server.stream("T", "T.>");
    let path = server.directory().join("rings.toml");
    let text = format!(
        "[server]\nserver = \"{}\"\n\n\
         [[out]]\nring = \"{}\"\nstream = \"S\"\nsubject = \"S.a\"\nwindow = 16\n\n\
         [[out]]\nring = \"{}\"\nstream = \"T\"\nsubject = \"T.a\"\ncapacity = 8192\nmode = \"660\"\n\n\
         [[in]]\nring = \"{}\"\nstream = \"S\"\nconsumer = \"far\"\nsubject = \"S.a\"\n",
        server.url(),
        near.0,
        other.0,
        far.0
    );
    fs::write(&path, text).expect("a file");
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    let address = free_address();
    let words = [
        "run",
        path.to_str().expect("a path"),
        "--metrics",
        &address.to_string(),
    ];
    let bridge = Bridge::start(&server, &words);
    for number in 0..100 {
        producer
            .push_timeout(&payload(number, 64), HANG)
            .expect("room");
    }
    assert_eq!(take(&mut consumer, 100), (0..100).collect::<Vec<_>>());
    eventually("metrics", || {
        let text = metrics(address);
        let messages = |ring: &Name, direction| {
            let (ring, direction) = (&ring.0, direction);
            format!("quoit_nats_messages_total{{ring=\"{ring}\",direction=\"{direction}\"}}")
        };
        text.contains(&format!("{} 100\n", messages(&near, "out")))
            && text.contains(&format!("{} 100\n", messages(&far, "in")))
            && text.contains(&format!("{} 0\n", messages(&other, "out")))
            && text.ends_with("# EOF\n")
    });
    bridge.stop();
    String::new()
}

/// A certificate for 127.0.0.1, that signs itself.
fn certificate(server: &std::path::Path) {
    let made = Command::new("openssl")
        .current_dir(server)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=quoit"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .output()
        .expect("openssl starts");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

pub(crate) fn tls_and_a_user() -> String {
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let file = |name: &str| directory.path().join(name);
    let text = |name: &str| file(name).display().to_string();
    let server = Server::with_config(&format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n\
         authorization {{ user: bridge, password: secret }}",
        text("cert.pem"),
        text("key.pem")
    ));
    let options = ConnectOptions::new()
        .user_and_password("bridge".to_owned(), "secret".to_owned())
        .add_root_certificates(file("cert.pem"));
    let config = stream::Config {
        name: "S".to_owned(),
        subjects: vec!["S.>".to_owned()],
        ..stream::Config::default()
    };
    server.block_on_with(options, async |jetstream| {
        jetstream.create_stream(config).await.expect("a stream");
    });
    let ring = Name::new("near");
    let mut producer = near_ring(&ring, 4096);
    producer.try_push(&payload(1, 64)).expect("room");
    let ca = text("cert.pem");
    let said = Bridge::out(&server, &ring, "S", &["--user", "bridge", "--tls-ca", &ca]).fails();
    assert!(said.contains("credentials"), "no password: {said}");
    let path = file("rings.toml");
    let text = format!(
        "[server]\nserver = \"{}\"\nuser = \"bridge\"\npassword = \"secret\"\ntls-ca = \"{ca}\"\ntls = \
         true\n[[out]]\nring = \"{}\"\nstream = \"S\"\nsubject = \"S.a\"\n",
        server.url(),
        ring.0
    );
    fs::write(&path, text).expect("a file");
    let bridge = Bridge::start(&server, &["run", path.to_str().expect("a path")]);
    eventually("the message is there", || ring.unread() == 0);
    bridge.stop();
    String::new()
}

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
