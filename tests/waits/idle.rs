//! A reader of a stream, a call and a server wake ten times per second, to check their peers, and
//! not more often. `sleep` checks that for every kind of wait for records.

use std::any::Any;
use std::fs;
use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::is_asleep;
use crate::common::clock::until;
use crate::common::fork::{forked, kill, succeeds};
use crate::common::naps::Naps;
use crate::common::rings::{consumer, named, producer};
use quoit::rpc::{Client, Server};
use quoit::{PopError, Ring, RingOptions};

crate::common::suite::tests! {
    a_waiting_endpoint_wakes_at_most_ten_times_per_second,
}

type Frames = Ring<[u8]>;

/// A kind of wait: its name, what holds the peers, which do nothing, and what waits until the name
/// of the first ring is removed, if no peer is attached then.
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
    ("call", |a, b| Box::new((consumer(a), producer(b))), |a, b| {
        let mut client = Client::new(producer(a), consumer(b));
        drop(client.call(b"hear", &mut Vec::new(), PATIENCE));
    }),
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

fn serve(requests: &Frames, replies: &Frames) {
    let mut server = Server::new(consumer(requests), producer(replies));
    let served = server.serve(|_, _| Ok::<_, String>(()), || false);
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
    for ((name, ..), (_, pid, _peers, [(_, requests), _])) in WAYS.iter().zip(waits) {
        fs::remove_file(requests.file()).expect("a ring");
        match name.starts_with("server w") {
            true => succeeds(pid),
            false => kill(pid), // no other wait has ended
        }
    }
}
