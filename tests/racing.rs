//! Many who come at once, from threads and from processes: `open_or_create`
//! gives all of them one ring, of which one gets the role, and of many
//! `create`s exactly one wins.

mod common;

use std::sync::Barrier;
use std::thread;

use common::child::{Child, hear, say};
use common::names::RingName;
use quoit::{Error, Producer, Ring, RingOptions};

common::suite::suite! {
    tests: [
        threads_that_open_or_create_get_one_ring,
        processes_that_open_or_create_get_one_ring,
        of_many_threads_that_create_exactly_one_wins,
        of_many_processes_that_create_exactly_one_wins,
    ],
    parts: [opener, creator],
}

const ROUNDS: usize = 50;
const PROCESSES: usize = 4;
const THREADS: usize = 4;

/// What each of some threads returns that all do `act` at once.
fn together<R: Send>(act: impl Fn() -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(THREADS);
    let begin = || {
        barrier.wait();
        act()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(begin)).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results
            .map(|result| result.expect("no thread panics"))
            .collect()
    })
}

fn open_or_create(name: &str) -> Vec<Ring<u64>> {
    together(|| {
        let ring = RingOptions::new(64).open_or_create(name);
        ring.expect("there is a ring for everybody")
    })
}

/// The roles that are given out when all ask at once. If these were rings of
/// several segments, there would be several, or names that were removed.
fn take_roles(rings: &[Ring<u64>]) -> Vec<Producer<u64>> {
    let take = |ring: &Ring<u64>| match ring.producer() {
        Ok(producer) => Some(producer),
        Err(Error::InUse { .. }) => None,
        Err(other) => panic!("neither taken nor in use: {other:?}"),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = rings
            .iter()
            .map(|ring| scope.spawn(|| take(ring)))
            .collect();
        let taken = threads.into_iter().map(|thread| thread.join());
        taken
            .filter_map(|taken| taken.expect("no thread panics"))
            .collect()
    })
}

/// How many of those that all create at once succeed.
fn create(name: &str) -> usize {
    let created = together(|| match RingOptions::new(64).create::<u64>(name) {
        Ok(_) => 1,
        Err(Error::AlreadyExists { .. }) => 0,
        Err(other) => panic!("neither created nor there: {other:?}"),
    });
    created.into_iter().sum()
}

fn threads_that_open_or_create_get_one_ring() {
    for _ in 0..ROUNDS {
        let name = RingName::new("open-threads");
        let rings = open_or_create(name.as_str());
        assert_eq!(take_roles(&rings).len(), 1);
    }
}

fn processes_that_open_or_create_get_one_ring() {
    let mut openers = Crowd::start("opener");
    for _ in 0..ROUNDS {
        let name = RingName::new("open-processes");
        openers.tell(name.as_str());
        openers.expect("opened");
        openers.tell("take");
        assert_eq!(openers.sum(), 1);
        openers.tell("done");
    }
}

/// Opens or creates the ring of each name that it hears.
fn opener(_: &[String]) {
    loop {
        let rings = open_or_create(&hear());
        say("opened");
        assert_eq!(hear(), "take");
        let producers = take_roles(&rings);
        say(producers.len());
        assert_eq!(hear(), "done"); // everybody has asked for the role
    }
}

fn of_many_threads_that_create_exactly_one_wins() {
    for _ in 0..ROUNDS {
        let name = RingName::new("create-threads");
        assert_eq!(create(name.as_str()), 1);
        Ring::<u64>::open(&name).expect("the winner's ring is there");
    }
}

fn of_many_processes_that_create_exactly_one_wins() {
    let mut creators = Crowd::start("creator");
    for _ in 0..ROUNDS {
        let name = RingName::new("create-processes");
        creators.tell(name.as_str());
        assert_eq!(creators.sum(), 1);
        Ring::<u64>::open(&name).expect("the winner's ring is there");
    }
}

/// Creates a ring of each name that it hears.
fn creator(_: &[String]) {
    loop {
        say(create(&hear()));
    }
}

/// Some processes that play the same part.
struct Crowd(Vec<Child>);

impl Crowd {
    fn start(part: &str) -> Self {
        Self((0..PROCESSES).map(|_| Child::start(part, &[])).collect())
    }

    fn tell(&mut self, line: &str) {
        for child in &mut self.0 {
            child.tell(line);
        }
    }

    fn expect(&self, line: &str) {
        for child in &self.0 {
            child.expect(line);
        }
    }

    /// The sum of the numbers that the children say.
    fn sum(&self) -> usize {
        let said = self.0.iter().map(Child::says);
        said.map(|number| number.parse::<usize>().expect("a number"))
            .sum()
    }
}
