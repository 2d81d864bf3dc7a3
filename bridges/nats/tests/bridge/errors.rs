//! Errors that say what is wrong and what to do.

use std::fs;

use quoit::RingOptions;

use crate::messages::{publish, take};
use crate::server::Server;
use crate::world::{Bridge, Name, eventually, far_ring, near_ring};

fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

pub(crate) fn errors_say_what_to_do() -> String {
    let mut server = Server::start();
    let ring = Name::new("near");
    let url = server.url();
    drop(near_ring(&ring, 4096));

    // The stream.
    let said = Bridge::out(&server, &ring, "S", &[]).fails();
    says(&said, &["the stream S does not exist", "create it"]);
    let said = Bridge::inward(&server, &ring, "S", &[]).fails();
    says(&said, &["the stream S does not exist"]);
    server.stream("S", "S.>");
    server.stream("T", "T.>");
    let words = ["out", &ring.0, "--stream", "S", "--subject", "T.a"];
    let said = Bridge::start(&server, &words).fails();
    says(
        &said,
        &["the stream S does not take the subject T.a", "it takes S.>"],
    );

    for subject in ["S.*", "S.>", "S..a", "S.a b", "S.a\r\nPING"] {
        let words = ["out", &ring.0, "--stream", "S", "--subject", subject];
        let said = Bridge::start(&server, &words).fails();
        says(&said, &["is not the subject of a message"]);
        let said = Bridge::inward(&server, &ring, "S", &["--dead-letter", subject]).fails();
        says(&said, &["is not the subject of a message"]);
    }

    // The address is shown, and not the password in it.
    let secret = url.replace("//", "//bob:secret@");
    let said = Bridge::out(&server, &ring, "Nix", &["--server", &secret]).fails();
    says(&said, &["the stream Nix does not exist", &url]);
    assert!(!said.contains("secret"), "{said}");

    // The ring.
    let held = near_ring(&ring, 4096);
    let said = Bridge::inward(&server, &ring, "S", &[]).fails();
    says(
        &said,
        &[&ring.0, "producer", &std::process::id().to_string()],
    );
    drop(held);
    let records = Name::new("records");
    let made = RingOptions::new(16)
        .create::<u64>(&records.0)
        .expect("a ring");
    let said = Bridge::out(&server, &records, "S", &[]).fails();
    says(&said, &["holds records", "--tag"]);
    let said = Bridge::out(&server, &records, "S", &["--tag", "other"]).fails();
    says(&said, &["schema"]);
    drop(made);

    // The file.
    let path = server.directory().join("rings.toml");
    let path_text = path.to_str().expect("a path").to_owned();
    for (text, part) in [
        ("", "no ring in it"),
        (
            "[[out]]\nring = \"a\"\nstream = \"S\"\n",
            "missing field `subject`",
        ),
        (
            "[[out]]\nring = \"a\"\nstream = \"S\"\nsubject = \"S.a\"\nwidow = 3\n",
            "widow",
        ),
        (
            "[[in]]\nring = \"a\"\nstream = \"S\"\nconsumer = \"c\"\nrecords = \"0\"\n",
            "as in 24:8",
        ),
        (
            "[[in]]\nring = \"a\"\nstream = \"S\"\nconsumer = \"c\"\ncapacities = 8\n",
            "capacities",
        ),
        (
            "[[in]]\nstream = \"S\"\nconsumer = \"c\"\n",
            "missing field `ring`",
        ),
        (
            "[[out]]\nring = \"a\"\nstream = \"S\"\nsubject = \"S.a\"\ncapacity = \"8\"\n",
            "expected u64",
        ),
        (
            "[[out]]\nring = \"a\"\nstream = \"S\"\nsubject = \"S.a\"\n[server]\nserver = \"x:y:z\"\n",
            "is not the address",
        ),
        (
            "[[out]]\nring = \"a\"\nstream = \"S\"\nsubject = \"S.a\"\n[server]\ntls-cert = \"x\"\n",
            "need each other",
        ),
    ] {
        fs::write(&path, text).expect("a file");
        let said = Bridge::start(&server, &["run", &path_text]).fails();
        says(&said, &[part]);
        let is_of_toml = !part.contains("address") && !part.contains("each other");
        assert!(!is_of_toml || said.contains("rings.toml"), "{said}");
    }
    let words = ["run", &path_text, "--server", &url];
    let said = Bridge::start(&server, &words).fails();
    says(
        &said,
        &["rings.toml has a [server]", "--server", "choose one"],
    );

    // The journal.
    let other = server.directory().join("server.conf");
    let other = other.to_str().expect("a path");
    let said = Bridge::inward(&server, &ring, "S", &["--journal", other]).fails();
    says(&said, &["server.conf is not a journal of quoit-nats"]);

    // JetStream.
    let plain = Server::without_jetstream();
    let said = Bridge::out(&plain, &ring, "S", &[]).fails();
    says(
        &said,
        &["JetStream does not answer", "check that it is enabled"],
    );

    // A request that the server never answers is repeated, with a note.
    let deny = "publish: { deny: \"$JS.API.CONSUMER.INFO.>\" }";
    let user = format!("user: a, password: b, permissions: {{ {deny} }}");
    let lines = format!("authorization {{ users = [{{ {user} }}] }}\nno_auth_user: a");
    let closed = Server::with_config(&lines);
    closed.stream("S", "S.>");
    let far = Name::new("far");
    let mut bridge = Bridge::inward(&closed, &far, "S", &[]);
    bridge.wait_for("cannot ask for the consumer far of the stream S: ");
    assert!(!bridge.has_ended());
    drop(bridge);

    // A stream that is deleted under a bridge.
    let mut producer = near_ring(&ring, 4096);
    let mut bridge = Bridge::out(&server, &ring, "S", &[]);
    producer.try_push(b"one").expect("room");
    eventually("the message is there", || ring.unread() == 0);
    server.block_on(async |jetstream| {
        jetstream.delete_stream("S").await.expect("deleted");
    });
    producer.try_push(b"two").expect("room");
    bridge.wait_for("the stream S does not exist");
    eventually("the bridge ends", || bridge.has_ended());
    assert_eq!(ring.unread(), 16, "the message stays in the ring");

    // The server.
    server.kill();
    let said = Bridge::out(&server, &ring, "S", &[]).fails();
    says(
        &said,
        &[
            "no connection to the NATS server",
            &url,
            "check that it runs",
        ],
    );
    let said = Bridge::out(&server, &ring, "S", &["--server", &secret]).fails();
    says(&said, &["no connection to the NATS server", &url]);
    assert!(!said.contains("secret"), "{said}");
    String::new()
}

pub(crate) fn a_deleted_consumer() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    let mut consumer = far_ring(&ring, 65536);
    let mut bridge = Bridge::inward(&server, &ring, "S", &[]);
    publish(&server, 0..5);
    assert_eq!(take(&mut consumer, 5), [0, 1, 2, 3, 4]);
    server.block_on(async |jetstream| {
        let stream = jetstream.get_stream("S").await.expect("the stream");
        stream.delete_consumer("far").await.expect("deleted");
    });
    bridge.wait_for("the consumer far of the stream S was deleted");
    eventually("the bridge ends", || bridge.has_ended());
    publish(&server, 5..8);
    // A new one continues where the ring is, with any window.
    let most = usize::MAX.to_string();
    let _bridge = Bridge::inward(&server, &ring, "S", &["--window", &most]);
    assert_eq!(take(&mut consumer, 3), [5, 6, 7]);
    assert!(consumer.is_empty());
    String::new()
}

/// A note for which standard error is closed ends nothing.
pub(crate) fn notes_that_no_process_reads() -> String {
    let server = Server::start();
    let ring = Name::new("far");
    server.stream("S", "S.>");
    server.stream("D", "dead.>");
    let mut consumer = far_ring(&ring, 4096);
    let mut words = vec!["in", &ring.0, "--stream", "S", "--consumer", "far"];
    words.extend(["--dead-letter", "dead.far"]);
    let mut bridge = Bridge::unread(&server, &words);
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("S.a", vec![0; 3000].into()).await;
        sent.expect("sent").await.expect("stored");
    });
    publish(&server, 0..2);
    assert_eq!(take(&mut consumer, 2), [0, 1]);
    assert_eq!(server.count("D").0, 1, "with a note that it is too long");
    assert!(!bridge.has_ended());
    // That of an error that ends a bridge: the exit code stays.
    assert_eq!(Bridge::unread(&server, &words).fails(), "");
    String::new()
}
