//! The example of workers.

use std::fs;

use super::children_of;
use super::example::{Example, signal_to, wait_until};

const MEMFD: &str = "/memfd:quoit (deleted)";

/// Whether a process has mapped such memory.
fn maps(process: u32, what: &str) -> bool {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"));
    maps.is_ok_and(|maps| maps.contains(what))
}

/// Whether it has finished its `exec`: before that it has its parent's mappings.
fn is_worker(process: u32) -> bool {
    let line = fs::read(format!("/proc/{process}/cmdline"));
    line.is_ok_and(|line| line.ends_with(b"\0work\0"))
}

/// So high a limit that the count never ends.
const ENDLESS: [&str; 4] = ["--below", "1000000000000", "--workers", "2"];

/// Starts it, and waits until its workers are at work.
fn at_work() -> (Example, Vec<u32>) {
    let example = Example::start("workers", &ENDLESS);
    let process = example.pid();
    wait_until("both workers have their rings", || {
        let workers = children_of(process);
        let ready = |&&worker: &&u32| is_worker(worker) && maps(worker, MEMFD);
        workers.iter().filter(ready).count() == 2
    });
    (example, children_of(process))
}

#[test]
fn workers_count_primes() {
    for (workers, below, primes) in [("1", "0", 0), ("3", "20000", 2262), ("5", "1500", 239)] {
        let arguments = ["--below", below, "--workers", workers];
        let line = format!("{primes} primes below {below}, counted by {workers} workers");
        Example::start("workers", &arguments).says(&line);
    }
}

#[test]
fn the_workers_create_nothing_in_shared_memory() {
    let (example, workers) = at_work();
    for process in workers.into_iter().chain([example.pid()]) {
        assert!(maps(process, MEMFD));
        assert!(!maps(process, "/dev/shm"));
    }
}

#[test]
fn interrupted_workers_leave_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let (example, workers) = at_work();
        signal_to(example.pid(), signal);
        let ended = example.end();
        assert_eq!(ended.code, Some(128 + signal), "{ended:?}");
        assert_eq!(ended.errors, "interrupted\n");
        for worker in workers {
            assert!(!maps(worker, MEMFD), "a worker still runs");
        }
    }
}

#[test]
fn a_worker_that_is_killed_ends_the_count() {
    let (example, workers) = at_work();
    signal_to(workers[0], libc::SIGKILL);
    let ended = example.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.output, "");
    let ended_with = "error: work ended with signal: 9 (SIGKILL)\n";
    assert_eq!(ended.errors, ended_with);
}

#[test]
fn workers_end_with_their_killed_parent() {
    let (example, workers) = at_work();
    example.kill();
    for worker in workers {
        wait_until("the worker has ended", || !maps(worker, MEMFD));
    }
}
