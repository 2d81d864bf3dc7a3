//! Workers that are killed, and their replacements.

use quoit::{PopError, Ring, RingOptions, handoff};

use crate::common::PATIENCE;
use crate::common::child::{Child, hear, hold, say};
use crate::common::threads::while_waiting;
use crate::handoff::{socket, start};

crate::common::suite::tests! {
    the_death_of_a_worker_is_noticed,
    a_new_worker_continues_at_the_stored_positions,
    the_creator_may_die_first;
    parts: worker, creator
}

const CAPACITY: u64 = 64;

/// The worker's rings: its jobs, and their results.
struct Rings {
    jobs: Ring<u64>,
    results: Ring<u64>,
}

impl Rings {
    fn new() -> Self {
        let options = RingOptions::new(CAPACITY);
        Self {
            jobs: options.create_anonymous().expect("a ring"),
            results: options.create_anonymous().expect("a ring"),
        }
    }

    fn receive(arguments: &[String]) -> Self {
        let socket = socket(arguments);
        Self {
            jobs: handoff::receive(&socket).expect("a ring"),
            results: handoff::receive(&socket).expect("a ring"),
        }
    }

    /// Starts a worker with both.
    fn worker(&self) -> Child {
        let (child, socket) = start("worker");
        handoff::send(&socket, &self.jobs).expect("it is sent");
        handoff::send(&socket, &self.results).expect("it is sent");
        child
    }
}

/// Doubles this many numbers; then peeks at the next one.
fn worker(arguments: &[String]) {
    let Rings { jobs, results } = Rings::receive(arguments);
    let mut jobs = jobs.consumer().expect("the role is free");
    let mut results = results.producer().expect("the role is free");
    say("ready");
    let count: u64 = hear().parse().expect("a number");
    for _ in 0..count {
        let job = jobs.pop_timeout(PATIENCE).expect("a job");
        results.push_timeout(2 * job, PATIENCE).expect("room");
    }
    let next = jobs.peek_timeout(PATIENCE).map(|job| job.read());
    say(next.map_or("none".to_owned(), |job| job.to_string()));
    hear();
}

fn the_death_of_a_worker_is_noticed() {
    let rings = Rings::new();
    let mut jobs = rings.jobs.producer().expect("the role is free");
    let mut results = rings.results.consumer().expect("the role is free");
    assert_eq!(
        results.try_pop(),
        Err(PopError::Empty),
        "no process has attached yet"
    );
    let mut child = rings.worker();
    child.expect("ready");
    child.tell("1");
    jobs.try_push(21).expect("there is room");
    jobs.try_push(4).expect("there is room");
    child.expect("4");
    assert!(!jobs.is_abandoned() && !results.is_abandoned());
    let waiting = move || {
        let last = results.pop();
        (last, results.pop(), results)
    };
    let (last, none, results) = while_waiting(waiting, || child.kill());
    assert_eq!((last, none), (Ok(42), Err(PopError::Abandoned)));
    assert!(jobs.is_abandoned() && results.is_abandoned());
    drop(rings.jobs.consumer().expect("its holder has died"));
    drop(rings.results.producer().expect("its holder has died"));
}

fn a_new_worker_continues_at_the_stored_positions() {
    const WORKERS: u64 = 5;
    let rings = Rings::new();
    let mut jobs = rings.jobs.producer().expect("the role is free");
    let mut results = rings.results.consumer().expect("the role is free");
    for job in 0..=3 * WORKERS {
        jobs.try_push(job).expect("there is room");
    }
    for worker in 0..WORKERS {
        let mut child = rings.worker();
        child.expect("ready");
        assert_eq!(jobs.peer_epoch(), worker + 1);
        child.tell("3");
        child.expect(&(3 * worker + 3).to_string());
        child.kill();
    }
    for job in 0..3 * WORKERS {
        assert_eq!(results.pop_timeout(PATIENCE), Ok(2 * job));
    }
    assert_eq!(results.try_pop(), Err(PopError::Empty));
    assert_eq!(results.pop_timeout(PATIENCE), Err(PopError::Abandoned));
}

fn the_creator_may_die_first() {
    let (mut child, socket) = start("creator");
    let ring = handoff::receive::<u64>(&socket).expect("a ring");
    child.expect("ready");
    let mut consumer = ring.consumer().expect("the role is free");
    child.kill();
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(1));
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(2));
    assert_eq!(consumer.pop_timeout(PATIENCE), Err(PopError::Abandoned));
    let mut producer = ring.producer().expect("its holder has died");
    producer.try_push(3).expect("there is room");
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(3));
}

/// Creates a ring, sends it and pushes.
fn creator(arguments: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(1).expect("there is room");
    handoff::send(&socket(arguments), &ring).expect("it is sent");
    producer.try_push(2).expect("there is room");
    hold();
}
