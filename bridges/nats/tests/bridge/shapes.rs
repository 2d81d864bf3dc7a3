//! Frames, records, and several rings in a process.

use std::fs;

use quoit::RingOptions;

use crate::messages::{payload, take};
use crate::server::{HANG, Server};
use crate::world::{Bridge, Name, eventually, far_ring, free_address, metrics, near_ring};

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

/// The file that README.md shows, with this server, and with rings of this test.
pub(crate) fn the_file_of_the_page() -> String {
    let server = Server::start();
    let (near, far) = (Name::new("near"), Name::new("far"));
    for (stream, subject) in [
        ("TICKS", "ticks.>"),
        ("ORDERS", "orders.>"),
        ("DEAD", "dead.>"),
    ] {
        server.stream(stream, subject);
    }
    let page = include_str!("../../README.md");
    let block = page.split("```toml\n").nth(1);
    let block = block.and_then(|block| block.split("```").next());
    let block = block.expect("a block");
    let path = server.directory().join("rings.toml");
    let words = ["run", path.to_str().expect("a path")];
    fs::write(&path, block).expect("a file");
    let said = Bridge::start(&server, &words).fails();
    assert!(
        said.contains("/etc/quoit/"),
        "its files are not there: {said}"
    );

    let (_, rings) = block
        .split_once("[[out]]")
        .expect("a server, and then rings");
    let rings = rings.replace("\"ticks\"", &format!("{:?}", near.0));
    let rings = rings.replace("\"orders\"", &format!("{:?}", far.0));
    let text = format!("[server]\nserver = \"{}\"\n[[out]]{rings}", server.url());
    fs::write(&path, text).expect("a file");
    let bridge = Bridge::start(&server, &words);
    let options = RingOptions::new(65536).schema_tag("tick/3");
    let ring = options.open_or_create::<Tick>(&near.0).expect("a ring");
    let mut producer = ring.producer().expect("the producer");
    for at in 0..100 {
        producer.push_timeout(Tick::new(at), HANG).expect("room");
    }
    eventually("all are stored", || server.count("TICKS").0 == 100);
    let order = payload(0, 64);
    server.block_on(async |jetstream| {
        let sent = jetstream.publish("orders.new", order.into()).await;
        sent.expect("it is sent").await.expect("it is stored");
    });
    eventually("the bridge creates the ring", || {
        RingOptions::default().open::<[u8]>(&far.0).is_ok()
    });
    let ring = RingOptions::default().open::<[u8]>(&far.0).expect("a ring");
    let mut consumer = ring.consumer().expect("the consumer");
    assert_eq!(take(&mut consumer, 1), [0]);
    bridge.stop();
    String::new()
}
