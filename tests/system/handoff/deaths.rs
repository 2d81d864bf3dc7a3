//! Workers that are killed, and their replacements.

use std::os::unix::net::UnixStream;
use std::thread;

use quoit::PopError;

use crate::common::PATIENCE;
use crate::common::fork::kill;
use crate::common::rings::{anonymous, consumer, producer};
use crate::common::worker::{Worker, hear, receive, tell};

crate::common::suite::tests! {
    a_new_worker_continues_where_the_killed_one_stopped,
    the_creator_may_die_first,
}

/// Doubles three numbers; then peeks at the next one, and waits for the kill.
fn double(socket: UnixStream) {
    let mut jobs = consumer(&receive::<u64>(&socket));
    let mut results = producer(&receive::<u64>(&socket));
    for _ in 0..3 {
        let job = jobs.pop_timeout(PATIENCE).expect("a job");
        results.push_timeout(2 * job, PATIENCE).expect("room");
    }
    let next = jobs.peek_timeout(PATIENCE).expect("a job").read();
    tell(&socket, next as u8);
    hear(&socket);
}

fn a_new_worker_continues_where_the_killed_one_stopped() {
    const WORKERS: u64 = 5;
    let [jobs, results] = [(); 2].map(|()| anonymous::<u64>(64));
    let (mut jobs_in, mut results_out) = (producer(&jobs), consumer(&results));
    let nothing = results_out.try_pop();
    assert_eq!(nothing, Err(PopError::Empty), "no process has attached yet");
    for job in 0..=3 * WORKERS {
        jobs_in.try_push(job).expect("there is room");
    }
    for number in 0..WORKERS {
        let worker = Worker::start(double);
        worker.send(&jobs);
        worker.send(&results);
        assert_eq!(u64::from(hear(&worker.socket)), 3 * number + 3);
        assert_eq!(jobs_in.peer_epoch(), number + 1);
        assert!(!jobs_in.is_abandoned() && !results_out.is_abandoned());
        thread::scope(|scope| {
            let results = scope.spawn(|| [(); 4].map(|()| results_out.pop()));
            kill(worker.pid);
            let doubled = [0, 1, 2].map(|job| Ok(2 * (3 * number + job)));
            let [first, second, third] = doubled;
            let all = [first, second, third, Err(PopError::Abandoned)];
            assert_eq!(results.join().expect("no panic"), all);
        });
        assert!(jobs_in.is_abandoned() && results_out.is_abandoned());
    }
    drop((consumer(&jobs), producer(&results)));
}

/// It creates a ring, sends it and pushes.
fn the_creator_may_die_first() {
    let worker = Worker::start(|socket| {
        let ring = anonymous::<u64>(64);
        let mut producer = producer(&ring);
        producer.try_push(1).expect("there is room");
        quoit::handoff::send(&socket, &ring).expect("it is sent");
        producer.try_push(2).expect("there is room");
        tell(&socket, 0);
        hear(&socket);
    });
    let ring = receive::<u64>(&worker.socket);
    hear(&worker.socket);
    let mut consumer = consumer(&ring);
    kill(worker.pid);
    for expected in [Ok(1), Ok(2), Err(PopError::Abandoned)] {
        assert_eq!(consumer.pop_timeout(PATIENCE), expected);
    }
    producer(&ring).try_push(3).expect("there is room");
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(3));
}
