//! A waiting endpoint of frames, a call and a server wake ten times per second, to check their
//! peers, and not more often. `sleep` checks that for every kind of wait for records.

use std::any::Any;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::is_asleep;
use crate::common::clock::until;
use crate::common::fork::{ending, forked, kill, succeeds};
use crate::common::names::RingName;
use crate::common::naps::Naps;
use crate::common::rings::{consumer, named, producer};
use quoit::rpc::{Client, Server};
use quoit::{PopError, Ring, RingOptions};

crate::common::suite::tests! {
    a_waiting_endpoint_wakes_at_most_ten_times_per_second,
    a_server_without_a_client_serves_the_next_one,
    a_server_without_a_client_ends_when_its_ring_is_unlinked,
}

type Frames = Ring<[u8]>;

/// A kind of wait: its name, what holds the peers, which do nothing, and what waits forever.
type Way = (
    &'static str,
    fn(&Frames, &Frames) -> Box<dyn Any>,
    fn(&Frames, &Frames),
);

#[rustfmt::skip]
const WAYS: &[Way] = &[
    ("room for a frame", |a, _| Box::new(consumer(a)), |a, _| {
        let mut producer = producer(a);
        while producer.push(&[7; 100]).is_ok() {}
    }),
    ("read", |a, _| Box::new(producer(a)), |a, _| {
        drop(consumer(a).into_reader().read(&mut [0; 100]));
    }),
    ("call", |a, b| Box::new((consumer(a), producer(b))), |a, b| drop(call(a, b))),
    ("server", |a, b| Box::new((producer(a), consumer(b))), serve),
    ("server without a client", |_, _| Box::new(()), serve),
    ("server whose client has closed", |a, b| {
        drop((producer(a), consumer(b)));
        Box::new(())
    }, serve),
    ("pop in a loop", |a, _| Box::new(producer(a)), |a, _| {
        let (mut consumer, mut buffer) = (consumer(a), [0; 100]);
        let between = Duration::from_millis(100);
        // Some time after the last liveness check.
        let first = consumer.pop_timeout(&mut buffer, between / 4);
        assert_eq!(first, Err(PopError::TimedOut));
        while consumer.pop_timeout(&mut buffer, between) == Err(PopError::TimedOut) {}
    }),
];

/// Makes one call.
fn call(requests: &Frames, replies: &Frames) -> Client {
    let mut client = Client::new(producer(requests), consumer(replies));
    let mut reply = Vec::new();
    client.call(b"hear", &mut reply, PATIENCE).expect("a reply");
    assert_eq!(reply, b"hear");
    client
}

/// Ends when its ring is unlinked.
fn serve(requests: &Frames, replies: &Frames) {
    let mut server = Server::new(consumer(requests), producer(replies));
    let echo = |request: &[u8], reply: &mut Vec<u8>| {
        reply.extend_from_slice(request);
        Ok::<_, String>(())
    };
    let served = server.serve(echo, || false);
    assert_eq!(served, Err(PopError::Superseded));
}

fn rings() -> [(Frames, RingName); 2] {
    ["requests", "replies"].map(|test| named(test, &RingOptions::new(1024)))
}

/// Starts a child that does this with both rings.
fn start<R>(names: [&RingName; 2], wait: impl FnOnce(&Frames, &Frames) -> R) -> libc::pid_t {
    forked(|| {
        let [a, b] = names.map(|name| Ring::open(name).expect("a ring"));
        wait(&a, &b);
    })
}

fn sleeps(pid: libc::pid_t) {
    until("it sleeps", || is_asleep(pid as u32));
}

fn a_waiting_endpoint_wakes_at_most_ten_times_per_second() {
    let waits = WAYS.iter().map(|(name, peers, wait)| {
        let rings = rings();
        let [(a, a_name), (b, b_name)] = &rings;
        let peers = peers(a, b);
        let pid = start([a_name, b_name], wait);
        sleeps(pid);
        (Naps::count(*name, pid as u32), pid, peers, rings)
    });
    let waits: Vec<_> = waits.collect();
    sleep(Duration::from_secs(2));
    let restless: Vec<_> = waits.iter().filter_map(|wait| wait.0.too_many()).collect();
    assert_eq!(restless, [""; 0]);
    // No wait has ended.
    waits.into_iter().for_each(|(_, pid, ..)| kill(pid));
}

fn a_server_without_a_client_serves_the_next_one() {
    let [(_, requests), (_, replies)] = rings();
    let server = start([&requests, &replies], serve);
    for is_killed in [false, true, false] {
        sleeps(server);
        let client = start([&requests, &replies], |requests, replies| {
            let _client = call(requests, replies);
            if is_killed {
                // SAFETY: the call has no pointers.
                unsafe { libc::raise(libc::SIGKILL) };
            }
        });
        let expected = if is_killed { libc::SIGKILL } else { 0 };
        assert_eq!(ending(client), expected);
    }
}

fn a_server_without_a_client_ends_when_its_ring_is_unlinked() {
    let [(_, requests), (_, replies)] = rings();
    let server = start([&requests, &replies], serve);
    sleeps(server);
    std::fs::remove_file(requests.file()).expect("a ring");
    succeeds(server);
}
