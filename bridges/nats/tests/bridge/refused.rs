//! Messages that the far ring cannot take.

use std::io::Write as _;
use std::net::TcpStream;

use async_nats::jetstream::stream;
use quoit_nats::async_nats;

use crate::messages::{payload, publish, take};
use crate::server::Server;
use crate::world::{Bridge, Name, count, eventually, far_ring, free_address, near_ring, observer};

/// A stream of messages of 1000 bytes at most.
fn short(name: &str) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_message_size: 1000,
        ..stream::Config::default()
    }
}

pub(crate) fn what_does_not_fit() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    server.stream("DEAD", "dead.>");
    let mut consumer = far_ring(&ring, 4096);
    publish(&server, 0..3);
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("S.a", payload(3, 2041).into());
        sent.await.expect("sent").await.expect("stored");
    });
    publish(&server, 4..6);

    let said = Bridge::inward(&server, &ring, "S", &[]).fails();
    for part in [
        "message 4 of the stream S",
        "2041 bytes",
        "2040",
        "--dead-letter",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(take(&mut consumer, 3), [0, 1, 2]);
    assert!(
        consumer.is_empty(),
        "nothing comes behind what does not fit"
    );

    let said = Bridge::inward(&server, &ring, "S", &["--dead-letter", "nowhere.a"]).fails();
    assert!(
        said.contains("no stream takes the dead-letter subject nowhere.a"),
        "{said}"
    );

    server.stream_of(short("SHORT"));
    let said = Bridge::inward(&server, &ring, "S", &["--dead-letter", "SHORT.a"]).fails();
    for part in ["message 4", "SHORT.a never takes it", "use another one"] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let address = free_address();
    let metrics = address.to_string();
    let words = ["--dead-letter", "dead.letters", "--metrics", &metrics];
    let mut bridge = Bridge::inward(&server, &ring, "S", &words);
    assert_eq!(take(&mut consumer, 2), [4, 5]);
    bridge.wait_for("it goes to dead.letters");
    assert_eq!(count(address, "dead_letters", &ring, "in"), 1);
    bridge.stop();
    assert_eq!(server.count("DEAD").0, 1);
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("DEAD").await.expect("the stream");
        let letter = stream.get_raw_message(1).await.expect("a message");
        let header = |name: &str| letter.headers.get(name).expect("a header").to_string();
        assert!(header("Quoit-Reason").contains("2041 bytes"));
        assert_eq!(header("Quoit-Stream"), "S");
        assert_eq!(header("Quoit-Sequence"), "4");
        assert_eq!(header("Quoit-Subject"), "S.a");
        assert_eq!(letter.payload, payload(3, 2041));
    });
    String::new()
}

/// The near ring holds other messages than the far one, as their tags say.
pub(crate) fn another_schema() -> String {
    let server = Server::start();
    let (near, far, slots) = (Name::new("near"), Name::new("far"), Name::new("slots"));
    server.stream("S", "S.>");
    let mut producer = near_ring(&near, 4096);
    producer.try_push(&payload(0, 64)).expect("room");
    let out = Bridge::out(&server, &near, "S", &[]);
    eventually("the message is there", || near.unread() == 0);
    out.stop();

    let schema = format!("{:016x}", observer(&near).info().schema);
    let said = Bridge::inward(&server, &far, "S", &["--tag", "orders/2"]).fails();
    for part in ["the schema is", &schema, "message 1 of the stream S"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(far.unread(), 0);

    // Records of another size.
    let words = ["--records", "64:8", "--tag", "u64", "--capacity", "16"];
    let said = Bridge::inward(&server, &slots, "S", &words).fails();
    assert!(said.contains("the schema is"), "{said}");
    server.stream("T", "T.>");
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("T.a", payload(0, 63).into());
        sent.await.expect("sent").await.expect("stored");
    });
    let said = Bridge::inward(&server, &slots, "T", &words[2..4]).fails();
    assert!(
        said.contains("63 bytes, and a record of the ring 64"),
        "{said}"
    );
    String::new()
}

/// A message that the stream never takes ends `out`, which says so; the ring keeps it.
pub(crate) fn the_stream_refuses() -> String {
    let server = Server::start();
    let ring = Name::new("near");
    server.stream_of(short("S"));
    let mut producer = near_ring(&ring, 1 << 22);
    producer.try_push(&payload(0, 64)).expect("room");
    producer.try_push(&payload(1, 1500)).expect("room");
    producer.try_push(&payload(2, 64)).expect("room");
    let said = Bridge::out(&server, &ring, "S", &[]).fails();
    for part in [
        "the stream S refuses the message at position 72",
        "max_msg_size",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(server.count("S").0, 1, "nothing is stored behind it");
    assert!(ring.unread() > 1500, "the ring keeps it");

    // Without acknowledgements a window of messages is sent, and then none.
    server.stream_of(stream::Config {
        no_ack: true,
        ..short("SILENT")
    });
    let said = Bridge::out(&server, &ring, "SILENT", &[]).fails();
    let text = "the stream SILENT acknowledges no message (no_ack)";
    assert!(said.contains(text), "{said}");

    // Longer than the server takes.
    let long = Name::new("long");
    server.stream("T", "T.>");
    let mut producer = near_ring(&long, 1 << 22);
    producer.try_push(&payload(0, 1 << 20)).expect("room");
    let said = Bridge::out(&server, &long, "T", &[]).fails();
    for part in ["the message of 1048576 bytes at position 0", "max_payload"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    String::new()
}

/// Headers that the client of the bridge cannot read end it: its request for them would be repeated
/// forever. A kind that is no number is shown as it is.
pub(crate) fn strange_headers() -> String {
    let server = Server::start();
    for (index, header) in [&b"X: \xff"[..], b"A name: x", b"Quoit-Kind: -1"]
        .iter()
        .enumerate()
    {
        let (near, far, stream) = (Name::new("near"), Name::new("far"), format!("S{index}"));
        server.stream(&stream, &format!("{stream}.>"));
        let header = [b"NATS/1.0\r\n", *header, b"\r\n\r\n"].concat();
        let mut socket = TcpStream::connect(&server.url()[7..]).expect("a connection");
        let lengths = format!("{} {}", header.len(), header.len() + 1);
        let begin = format!("CONNECT {{\"headers\":true}}\r\nHPUB {stream}.a {lengths}\r\n");
        let sent = socket.write_all(&[begin.as_bytes(), &header, b"x\r\n"].concat());
        sent.expect("sent");
        eventually("it is stored", || server.count(&stream).0 == 1);
        let said = Bridge::inward(&server, &far, &stream, &[]).fails();
        if index == 2 {
            assert!(said.contains("Quoit-Kind is \"-1\""), "{said}");
            continue;
        }
        let text = "cannot be read, the first of > after sequence 0";
        assert!(said.contains(text), "{said}");
        drop(near_ring(&near, 4096));
        let said = Bridge::out(&server, &near, &stream, &[]).fails();
        let text = format!("cannot be read, the last of {stream}.a");
        assert!(said.contains(&text), "{said}");
    }
    String::new()
}

/// A dead letter that would arrive again and again.
pub(crate) fn a_dead_letter_that_returns() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    let mut consumer = far_ring(&ring, 4096);
    let said = Bridge::inward(&server, &ring, "S", &["--dead-letter", "S.dead"]).fails();
    assert!(said.contains("would arrive here again"), "{said}");
    // The consumer does not take it.
    let words = [
        "--consumer",
        "part",
        "--subject",
        "S.a",
        "--dead-letter",
        "S.dead",
    ];
    let words = [&["in", &ring.0, "--stream", "S"], &words[..]].concat();
    let _bridge = Bridge::start(&server, &words);
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("S.a", payload(0, 3000).into());
        sent.await.expect("sent").await.expect("stored");
    });
    publish(&server, 1..2);
    assert_eq!(take(&mut consumer, 1), [1]);
    assert_eq!(
        server.count("S").0,
        3,
        "the long one, its dead letter, and the other"
    );
    String::new()
}
