//! A reader of a stream, a call and a server wake ten times per second, to check their peers, and
//! not more often. `sleep` checks that for every kind of wait for records.

use std::any::Any;
use std::fs;
use std::io::Read;
use std::process;
use std::thread::sleep;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::is_asleep;
use crate::common::clock::until;
use crate::common::fork::{ending, forked, kill, succeeds};
use crate::common::naps::Naps;
use crate::common::program::signal;
use crate::common::rings::{consumer, named, producer};
use quoit::rpc::{Client, Server};
use quoit::{PopError, Ring, RingOptions};

crate::common::suite::tests! {
    a_waiting_endpoint_wakes_at_most_ten_times_per_second,
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
    ("read", |a, _| Box::new(producer(a)), |a, _| {
        drop(consumer(a).into_reader().read(&mut [0; 100]));
    }),
    ("call", |a, b| Box::new((consumer(a), producer(b))), call),
    ("server", |a, b| Box::new((producer(a), consumer(b))), serve),
    ("server without a client", |_, _| Box::new(()), serve),
    ("server whose client has closed", |a, b| {
        drop((producer(a), consumer(b)));
        Box::new(())
    }, serve),
    ("server whose client has crashed", |a, b| {
        let client = forked(|| {
            let _ends = (producer(a), consumer(b));
            signal(process::id(), libc::SIGKILL);
        });
        assert_eq!(ending(client), libc::SIGKILL);
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

fn call(requests: &Frames, replies: &Frames) {
    let mut client = Client::new(producer(requests), consumer(replies));
    let mut reply = Vec::new();
    client.call(b"hear", &mut reply, PATIENCE).expect("a reply");
    assert_eq!(reply, b"hear");
}

fn serve(requests: &Frames, replies: &Frames) {
    let mut server = Server::new(consumer(requests), producer(replies));
    let echo = |request: &[u8], reply: &mut Vec<u8>| {
        reply.extend_from_slice(request);
        Ok::<_, String>(())
    };
    let served = server.serve(echo, || false);
    assert_eq!(served, Err(PopError::Superseded));
}

fn a_waiting_endpoint_wakes_at_most_ten_times_per_second() {
    let waits = WAYS.iter().map(|(name, peers, wait)| {
        let rings = ["requests", "replies"].map(|test| named(test, &RingOptions::new(1024)));
        let [(a, a_name), (b, b_name)] = &rings;
        let peers = peers(a, b);
        let pid = forked(|| {
            let [a, b] = [a_name, b_name].map(|name| Ring::open(name).expect("a ring"));
            wait(&a, &b);
        });
        until("it sleeps", || is_asleep(pid as u32));
        (Naps::count(*name, pid as u32), pid, peers, rings)
    });
    let waits: Vec<_> = waits.collect();
    sleep(Duration::from_secs(2));
    let restless: Vec<_> = waits.iter().filter_map(|wait| wait.0.too_many()).collect();
    assert_eq!(restless, [""; 0]);
    for ((name, ..), (_, pid, _peers, [(a, name_of_a), (b, _)])) in WAYS.iter().zip(waits) {
        if !name.starts_with("server w") {
            kill(pid); // the wait has not ended
            continue;
        }
        // A server that has no client serves the next one, and ends if there can be none.
        call(&a, &b);
        fs::remove_file(name_of_a.file()).expect("a ring");
        succeeds(pid);
    }
}
