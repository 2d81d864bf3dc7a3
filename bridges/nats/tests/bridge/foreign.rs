//! A client in another language: `nats-py`.

use std::env;
use std::process::Command;

use crate::messages::payload;
use crate::server::{HANG, Server};
use crate::world::{Bridge, Name, far_ring, near_ring, observer};

/// Python reads what `out` publishes, and feeds what `in` takes.
pub(crate) fn python_reads_and_feeds() -> String {
    let Some(python) = env::var_os("QUOIT_NATS_PYTHON") else {
        return ": SKIPPED, QUOIT_NATS_PYTHON names no Python with nats-py (test.sh makes one)"
            .to_owned();
    };
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    server.stream("S", "S.>");
    server.stream("T", "T.>");
    let (mut producer, mut consumer) = (near_ring(&near, 65536), far_ring(&far, 65536));
    let _out = Bridge::out(&server, &near, "S", &[]);
    let _in = Bridge::inward(&server, &far, "T", &[]);
    let mut positions = Vec::new();
    for number in 0..50 {
        positions.push(producer.position().to_string());
        producer
            .push_kind_timeout(number as u32, &payload(number, 64), HANG)
            .expect("room");
    }
    let info = observer(&near).info();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign.py"))
        .arg(server.url())
        .arg(format!("{:016x}", info.incarnation))
        .arg(format!("{:016x}", info.schema))
        .arg(positions.join(","))
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut bytes = Vec::new();
    for number in 0..50_u64 {
        bytes.clear();
        let kind = consumer
            .pop_into_timeout(&mut bytes, HANG)
            .expect("a frame");
        // Every second one has a kind.
        assert_eq!(
            u64::from(kind),
            if number % 2 == 1 { number + 100 } else { 0 }
        );
        assert_eq!(bytes, format!("from Python {number}").as_bytes());
    }
    assert!(consumer.is_empty());
    String::new()
}
