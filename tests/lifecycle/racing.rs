//! Many threads of many processes at the same time: `open_or_create` returns the same ring to
//! all of them, and one gets the role. Exactly one of many `create` calls succeeds.

use std::sync::Barrier;
use std::thread;

use crate::common::child::{Child, hear, say};
use crate::common::names::RingName;
use quoit::{Error, Producer, Ring, RingOptions};

crate::common::suite::tests! {
    processes_that_open_or_create_get_one_ring,
    of_many_processes_that_create_exactly_one_wins;
    parts: opener, creator
}

const ROUNDS: usize = 50;
const PROCESSES: usize = 4;
const THREADS: usize = 4;

/// Runs each task on a thread; returns their results.
fn on_threads<R: Send>(tasks: impl Iterator<Item = impl FnOnce() -> R + Send>) -> Vec<R> {
    thread::scope(|scope| {
        let threads: Vec<_> = tasks.map(|task| scope.spawn(task)).collect();
        let results = threads.into_iter().map(|thread| thread.join());
        results.map(|result| result.expect("no panic")).collect()
    })
}

/// Runs `act` on several threads at once; returns their results.
fn together<R: Send>(act: impl Fn() -> R + Sync) -> Vec<R> {
    let barrier = Barrier::new(THREADS);
    let begin = || {
        barrier.wait();
        act()
    };
    on_threads((0..THREADS).map(|_| begin))
}

fn open_or_create(name: &str) -> Vec<Ring<u64>> {
    together(|| {
        let ring = RingOptions::new(64).open_or_create(name);
        ring.expect("every thread gets a ring")
    })
}

/// Counts the roles that are granted when all threads ask at once. With several segments
/// there would be more.
fn take_roles(rings: &[Ring<u64>]) -> Vec<Producer<u64>> {
    let take = |ring: &Ring<u64>| match ring.producer() {
        Ok(producer) => Some(producer),
        Err(Error::InUse { .. }) => None,
        Err(other) => panic!("neither taken nor in use: {other:?}"),
    };
    let taken = on_threads(rings.iter().map(|ring| || take(ring)));
    taken.into_iter().flatten().collect()
}

/// How many of the simultaneous `create` calls succeed.
fn create(name: &str) -> usize {
    let created = together(|| match RingOptions::new(64).create::<u64>(name) {
        Ok(_) => 1,
        Err(Error::AlreadyExists { .. }) => 0,
        Err(other) => panic!("neither created nor existing: {other:?}"),
    });
    created.into_iter().sum()
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

/// Opens or creates the ring of each name that it reads.
fn opener(_: &[String]) {
    loop {
        let rings = open_or_create(&hear());
        say("opened");
        assert_eq!(hear(), "take");
        let producers = take_roles(&rings);
        say(producers.len());
        assert_eq!(hear(), "done"); // every process has asked for the role
    }
}

fn of_many_processes_that_create_exactly_one_wins() {
    let mut creators = Crowd::start("creator");
    for _ in 0..ROUNDS {
        let name = RingName::new("create-processes");
        creators.tell(name.as_str());
        assert_eq!(creators.sum(), 1);
        Ring::<u64>::open(&name).expect("the created ring exists");
    }
}

/// Creates a ring of each name that it reads.
fn creator(_: &[String]) {
    loop {
        say(create(&hear()));
    }
}

/// Several processes that run the same part.
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

    /// The sum of the numbers that the children report.
    fn sum(&self) -> usize {
        let said = self.0.iter().map(Child::says);
        said.map(|number| number.parse::<usize>().expect("a number"))
            .sum()
    }
}
