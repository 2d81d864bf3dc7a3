//! A waiting endpoint wakes ten times per second, to check its peer, and not more often,
//! for every kind of wait.

use std::any::Any;
use std::io::Read;
use std::thread;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::{Child, hold, is_asleep};
use crate::common::descriptors::readable;
use crate::common::names::RingName;
use crate::common::naps::Naps;
use futures_executor::block_on;
use quoit::rpc::{Client, Server};
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, PopError, Producer, RingOptions, Select,
};

crate::common::suite::tests! {
    a_waiting_endpoint_wakes_at_most_ten_times_per_second,
    a_server_without_a_client_serves_the_next_one,
    a_server_without_a_client_ends_when_its_ring_is_unlinked;
    parts: waiter, client
}

/// The kinds of wait.
const WAYS: [&str; 18] = [
    "pop",
    "pop of a semaphore",
    "pop without a peer",
    "push",
    "push of a semaphore",
    "peer of a producer",
    "frame",
    "room for a frame",
    "read",
    "select",
    "task",
    "task of a producer",
    "descriptor",
    "call",
    "server",
    "server without a client",
    "server whose client has closed",
    "pop in a loop",
];

/// Creates the rings of a kind of wait, and holds the peers, which do nothing.
fn peers(way: &str, [a, b]: &[RingName; 2]) -> Box<dyn Any> {
    let ring = |doorbell| RingOptions::new(4).doorbell(doorbell);
    let doorbell = match way.ends_with("of a semaphore") {
        true => DoorbellKind::Semaphore,
        false => DoorbellKind::Futex,
    };
    let records = |name| ring(doorbell).create::<u64>(name).expect("a ring");
    let frames = |name| RingOptions::new(1024).create::<[u8]>(name).expect("a ring");
    match way {
        "pop" | "pop of a semaphore" | "pop in a loop" | "task" | "descriptor" => {
            Box::new(records(a).producer().expect("a role"))
        }
        "push" | "push of a semaphore" | "task of a producer" => {
            Box::new(records(a).consumer().expect("a role"))
        }
        "pop without a peer" | "peer of a producer" => Box::new(records(a)),
        "frame" | "read" => Box::new(frames(a).producer().expect("a role")),
        "room for a frame" => Box::new(frames(a).consumer().expect("a role")),
        "select" => {
            let producers = [a, b].map(|name| records(name).producer().expect("a role"));
            Box::new(producers)
        }
        "call" => {
            let requests = frames(a).consumer().expect("a role");
            Box::new((requests, frames(b).producer().expect("a role")))
        }
        "server" => {
            let requests = frames(a).producer().expect("a role");
            Box::new((requests, frames(b).consumer().expect("a role")))
        }
        "server without a client" => Box::new([a, b].map(frames)),
        "server whose client has closed" => {
            drop((frames(a).producer(), frames(b).consumer()));
            Box::new(())
        }
        _ => panic!("{way}"),
    }
}

/// Waits forever.
fn waiter(arguments: &[String]) {
    let [way, a, b] = arguments else {
        panic!("{arguments:?}");
    };
    match &**way {
        "pop" | "pop of a semaphore" | "pop without a peer" => {
            let mut consumer = Consumer::<u64>::open(a).expect("a role");
            // Waits for a producer, and then for its messages.
            consumer.wait_for_peer().expect("a producer");
            let _ = consumer.pop();
        }
        "pop in a loop" => {
            let mut consumer = Consumer::<u64>::open(a).expect("a role");
            let between = Duration::from_millis(100);
            // Some time after the last liveness check.
            let first = consumer.pop_timeout(between / 4);
            assert_eq!(first, Err(PopError::TimedOut));
            while consumer.pop_timeout(between) == Err(PopError::TimedOut) {}
        }
        "push" | "push of a semaphore" => {
            let mut producer = Producer::<u64>::open(a).expect("a role");
            while producer.push(1).is_ok() {}
        }
        "peer of a producer" => {
            let mut producer = Producer::<u64>::open(a).expect("a role");
            producer.wait_for_peer().expect("a consumer");
        }
        "frame" => drop(FrameConsumer::open(a).expect("a role").peek()),
        "room for a frame" => {
            let mut producer = FrameProducer::open(a).expect("a role");
            while producer.push(&[7; 100]).is_ok() {}
        }
        "read" => {
            let consumer = FrameConsumer::open(a).expect("a role");
            drop(consumer.into_reader().read(&mut [0; 100]));
        }
        "select" => {
            let mut ends = [a, b].map(|name| Consumer::<u64>::open(name).expect("a role"));
            drop(Select::new().wait(&mut ends, PATIENCE));
        }
        "task" => {
            let consumer = Consumer::<u64>::open(a).expect("a role");
            let _ = block_on(consumer.into_async().expect("an async endpoint").pop());
        }
        "task of a producer" => {
            let producer = Producer::<u64>::open(a).expect("a role");
            let mut producer = producer.into_async().expect("an async endpoint");
            while block_on(producer.push(1)).is_ok() {}
        }
        "descriptor" => {
            let consumer = Consumer::<u64>::open(a).expect("a role");
            let pollable = consumer.into_pollable().expect("a descriptor");
            readable(&pollable, PATIENCE);
        }
        "call" => {
            let requests = FrameProducer::open(a).expect("a role");
            let mut client = Client::new(requests, FrameConsumer::open(b).expect("a role"));
            let _ = client.call(b"?", &mut Vec::new(), PATIENCE);
        }
        "server" | "server without a client" | "server whose client has closed" => {
            let requests = FrameConsumer::open(a).expect("a role");
            let mut server = Server::new(requests, FrameProducer::open(b).expect("a role"));
            let echo = |request: &[u8], reply: &mut Vec<u8>| {
                reply.extend_from_slice(request);
                Ok::<_, String>(())
            };
            let served = server.serve(echo, || false);
            assert_eq!(served, Err(PopError::Superseded));
            return;
        }
        _ => panic!("{way}"),
    }
    panic!("the wait of {way} has ended");
}

fn start(way: &str, [a, b]: &[RingName; 2]) -> Child {
    Child::start("waiter", &[way, a.as_str(), b.as_str()])
}

fn a_waiting_endpoint_wakes_at_most_ten_times_per_second() {
    let names = WAYS.map(|_| [RingName::new("idle"), RingName::new("idle")]);
    let ways = WAYS.iter().zip(&names);
    let peers: Vec<_> = ways.clone().map(|(way, names)| peers(way, names)).collect();
    let mut waiters: Vec<_> = ways.map(|(way, names)| start(way, names)).collect();
    // Until all wait.
    thread::sleep(Duration::from_secs(1));
    for (way, waiter) in WAYS.iter().zip(&mut waiters) {
        assert!(!waiter.has_ended(), "{way}");
    }
    let naps = WAYS.iter().zip(&waiters);
    let naps: Vec<_> = naps
        .map(|(&way, waiter)| Naps::count(way, waiter.pid()))
        .collect();
    thread::sleep(Duration::from_secs(2));
    let restless: Vec<_> = naps.iter().filter_map(Naps::too_many).collect();
    assert_eq!(restless, [""; 0]);
    for (way, waiter) in WAYS.iter().zip(&mut waiters) {
        assert!(!waiter.has_ended(), "{way}");
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
    let _rings = peers("server without a client", &names);
    let server = start("server without a client", &names);
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
    drop(peers("server without a client", &names));
    let server = start("server without a client", &names);
    while !is_asleep(server.pid()) {
        thread::yield_now();
    }
    std::fs::remove_file(names[0].file()).expect("a ring");
    server.succeeds();
}
