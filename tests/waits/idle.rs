//! A waiting endpoint wakes ten times per second, to check its peer, and not more often,
//! for every kind of wait.

use std::any::Any;
use std::io::Read;
use std::process;
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::{Child, hold, is_asleep};
use crate::common::descriptors::readable;
use crate::common::names::RingName;
use crate::common::naps::Naps;
#[cfg(feature = "futures")]
use futures_executor::block_on;
use quoit::rpc::{Client, Server};
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, PopError, Producer, Ring, RingOptions,
    Select,
};

crate::common::suite::tests! {
    a_waiting_endpoint_wakes_at_most_ten_times_per_second,
    a_server_without_a_client_serves_the_next_one,
    a_server_without_a_client_ends_when_its_ring_is_unlinked;
    parts: waiter, client
}

/// A kind of wait: its name, what creates its rings and holds the peers, which do nothing,
/// and what waits forever.
type Way = (
    &'static str,
    fn(&RingName, &RingName) -> Box<dyn Any>,
    fn(&str, &str),
);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    ("pop", |a, _| producer(a, DoorbellKind::Futex), |a, _| pop(a)),
    ("pop of a semaphore", |a, _| producer(a, DoorbellKind::Semaphore), |a, _| pop(a)),
    ("pop without a peer", |a, _| Box::new(records(a, DoorbellKind::Futex)), |a, _| pop(a)),
    ("push", |a, _| consumer(a, DoorbellKind::Futex), |a, _| push(a)),
    ("push of a semaphore", |a, _| consumer(a, DoorbellKind::Semaphore), |a, _| push(a)),
    ("peer of a producer", |a, _| Box::new(records(a, DoorbellKind::Futex)), |a, _| {
        let mut producer = Producer::<u64>::open(a).expect("a role");
        producer.wait_for_peer().expect("a consumer");
    }),
    ("frame", |a, _| Box::new(frames(a).producer().expect("a role")), |a, _| {
        drop(FrameConsumer::open(a).expect("a role").peek());
    }),
    ("room for a frame", |a, _| Box::new(frames(a).consumer().expect("a role")), |a, _| {
        let mut producer = FrameProducer::open(a).expect("a role");
        while producer.push(&[7; 100]).is_ok() {}
    }),
    ("read", |a, _| Box::new(frames(a).producer().expect("a role")), |a, _| {
        let consumer = FrameConsumer::open(a).expect("a role");
        drop(consumer.into_reader().read(&mut [0; 100]));
    }),
    ("select", |a, b| {
        Box::new([a, b].map(|name| producer(name, DoorbellKind::Futex)))
    }, |a, b| {
        let mut ends = [a, b].map(|name| Consumer::<u64>::open(name).expect("a role"));
        drop(Select::new().wait(&mut ends, PATIENCE));
    }),
    #[cfg(feature = "futures")]
    ("task", |a, _| producer(a, DoorbellKind::Futex), |a, _| {
        let consumer = Consumer::<u64>::open(a).expect("a role");
        let _ = block_on(consumer.into_async().expect("an async endpoint").pop());
    }),
    #[cfg(feature = "futures")]
    ("task of a producer", |a, _| consumer(a, DoorbellKind::Futex), |a, _| {
        let producer = Producer::<u64>::open(a).expect("a role");
        let mut producer = producer.into_async().expect("an async endpoint");
        while block_on(producer.push(1)).is_ok() {}
    }),
    ("descriptor", |a, _| producer(a, DoorbellKind::Futex), |a, _| {
        let consumer = Consumer::<u64>::open(a).expect("a role");
        readable(&consumer.into_pollable().expect("a descriptor"), PATIENCE);
    }),
    ("call", |a, b| Box::new((frames(a).consumer(), frames(b).producer())), |a, b| {
        let requests = FrameProducer::open(a).expect("a role");
        let mut client = Client::new(requests, FrameConsumer::open(b).expect("a role"));
        let _ = client.call(b"?", &mut Vec::new(), PATIENCE);
    }),
    ("server", |a, b| Box::new((frames(a).producer(), frames(b).consumer())), serve),
    ("server without a client", |a, b| Box::new([a, b].map(frames)), serve),
    ("server whose client has closed", |a, b| {
        drop((frames(a).producer(), frames(b).consumer()));
        Box::new(())
    }, serve),
    ("pop in a loop", |a, _| producer(a, DoorbellKind::Futex), |a, _| {
        let mut consumer = Consumer::<u64>::open(a).expect("a role");
        let between = Duration::from_millis(100);
        // Some time after the last liveness check.
        let first = consumer.pop_timeout(between / 4);
        assert_eq!(first, Err(PopError::TimedOut));
        while consumer.pop_timeout(between) == Err(PopError::TimedOut) {}
    }),
];

fn records(name: &RingName, doorbell: DoorbellKind) -> Ring<u64> {
    let options = RingOptions::new(4).doorbell(doorbell);
    options.create(name).expect("a ring")
}

fn frames(name: &RingName) -> Ring<[u8]> {
    RingOptions::new(1024).create(name).expect("a ring")
}

fn producer(name: &RingName, doorbell: DoorbellKind) -> Box<dyn Any> {
    Box::new(records(name, doorbell).producer().expect("a role"))
}

fn consumer(name: &RingName, doorbell: DoorbellKind) -> Box<dyn Any> {
    Box::new(records(name, doorbell).consumer().expect("a role"))
}

/// Waits for a producer, and then for its messages.
fn pop(name: &str) {
    let mut consumer = Consumer::<u64>::open(name).expect("a role");
    consumer.wait_for_peer().expect("a producer");
    let _ = consumer.pop();
}

fn push(name: &str) {
    let mut producer = Producer::<u64>::open(name).expect("a role");
    while producer.push(1).is_ok() {}
}

/// Ends when its ring is unlinked.
fn serve(requests: &str, replies: &str) {
    let requests = FrameConsumer::open(requests).expect("a role");
    let mut server = Server::new(requests, FrameProducer::open(replies).expect("a role"));
    let echo = |request: &[u8], reply: &mut Vec<u8>| {
        reply.extend_from_slice(request);
        Ok::<_, String>(())
    };
    let served = server.serve(echo, || false);
    assert_eq!(served, Err(PopError::Superseded));
    process::exit(0);
}

fn way(name: &str) -> &'static Way {
    WAYS.iter().find(|way| way.0 == name).expect("a way")
}

fn peers(way: &Way, names: &[RingName; 2]) -> Box<dyn Any> {
    (way.1)(&names[0], &names[1])
}

fn waiter(arguments: &[String]) {
    let [name, a, b] = arguments else {
        panic!("{arguments:?}");
    };
    (way(name).2)(a, b);
    panic!("the wait of {name} has ended");
}

fn start(way: &Way, [a, b]: &[RingName; 2]) -> Child {
    Child::start("waiter", &[way.0, a.as_str(), b.as_str()])
}

fn a_waiting_endpoint_wakes_at_most_ten_times_per_second() {
    let names = WAYS
        .iter()
        .map(|_| [RingName::new("idle"), RingName::new("idle")]);
    let names: Vec<_> = names.collect();
    let ways = WAYS.iter().zip(&names);
    let peers: Vec<_> = ways.clone().map(|(way, names)| peers(way, names)).collect();
    let mut waiters: Vec<_> = ways.map(|(way, names)| start(way, names)).collect();
    // Until all wait.
    thread::sleep(Duration::from_secs(1));
    for (way, waiter) in WAYS.iter().zip(&mut waiters) {
        assert!(!waiter.has_ended(), "{}", way.0);
    }
    let naps = WAYS.iter().zip(&waiters);
    let naps: Vec<_> = naps
        .map(|(way, waiter)| Naps::count(way.0, waiter.pid()))
        .collect();
    thread::sleep(Duration::from_secs(2));
    let restless: Vec<_> = naps.iter().filter_map(Naps::too_many).collect();
    assert_eq!(restless, [""; 0]);
    for (way, waiter) in WAYS.iter().zip(&mut waiters) {
        assert!(!waiter.has_ended(), "{}", way.0);
    }
    // Waits whose peer has closed or crashed would end.
    drop(waiters);
    drop(peers);
}

/// Makes one call.
fn client(names: &[String]) {
    let requests = FrameProducer::open(&names[0]).expect("a role");
    let mut client = Client::new(requests, FrameConsumer::open(&names[1]).expect("a role"));
    let mut reply = Vec::new();
    client.call(b"hear", &mut reply, PATIENCE).expect("a reply");
    assert_eq!(reply, b"hear");
    hold();
}

fn a_server_without_a_client_serves_the_next_one() {
    let names = [RingName::new("requests"), RingName::new("replies")];
    let _rings = peers(way("server without a client"), &names);
    let server = start(way("server without a client"), &names);
    for killed in [false, true, false] {
        while !is_asleep(server.pid()) {
            thread::yield_now();
        }
        let mut client = Child::start("client", &[names[0].as_str(), names[1].as_str()]);
        client.expect("ready");
        if killed {
            client.kill();
        }
    }
}

fn a_server_without_a_client_ends_when_its_ring_is_unlinked() {
    let names = [RingName::new("requests"), RingName::new("replies")];
    drop(peers(way("server without a client"), &names));
    let server = start(way("server without a client"), &names);
    while !is_asleep(server.pid()) {
        thread::yield_now();
    }
    std::fs::remove_file(names[0].file()).expect("a ring");
    server.succeeds();
}
