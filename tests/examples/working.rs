//! The example of workers.

use std::fs;

use super::example::*;

const MEMFD: &str = "/memfd:quoit (deleted)";

/// Whether a process has mapped such memory.
fn maps(process: u32, what: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"));
    maps.is_ok_and(|maps| maps.contains(what))
}

/// Starts it, and waits until its workers are at work.
fn at_work() -> (Program, Vec<u32>) {
    let example = begun("workers --workers 2 --below", 0, 2);
    let workers = children(example.pid());
    // Before its `exec` a worker has its parent's mappings.
    let is_worker = |worker| {
        let line = fs::read(format!("/proc/{worker}/cmdline"));
        line.is_ok_and(|line| line.windows(6).any(|word| word == b"\0work\0"))
            && maps(worker, MEMFD)
    };
    until("both have their rings", || {
        workers.iter().all(|&worker| is_worker(worker))
    });
    (example, workers)
}

#[test]
fn the_workers_create_nothing_in_shared_memory() {
    let (example, workers) = at_work();
    for process in workers.into_iter().chain([example.pid()]) {
        assert!(maps(process, MEMFD) && !maps(process, "/dev/shm"));
    }
}

#[test]
fn interrupted_workers_leave_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let (example, workers) = at_work();
        example.signal(signal);
        example.end().is(128 + signal, "", "interrupted\n");
        let left = workers.iter().any(|&worker| maps(worker, MEMFD));
        assert!(!left, "a worker still runs");
    }
}

#[test]
fn a_worker_that_is_killed_ends_the_count() {
    let (example, workers) = at_work();
    signal(workers[0], libc::SIGKILL);
    let why = "error: work ended with signal: 9 (SIGKILL)\n";
    example.end().is(1, "", why);
}

#[test]
fn workers_end_with_their_killed_parent() {
    let (mut example, workers) = at_work();
    example.kill();
    for worker in workers {
        until("the worker has ended", || !maps(worker, MEMFD));
    }
}
