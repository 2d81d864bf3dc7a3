//! The example of workers.

use std::fs;

use super::example::*;

/// The memory of a ring without a name.
pub(crate) const MEMFD: &str = "/memfd:quoit (deleted)";

#[test]
fn workers_create_nothing_in_shared_memory_and_end_with_their_killed_parent() {
    let mut example = begun("workers --workers 2 --below", 0, 2);
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
    for &process in workers.iter().chain([&example.pid()]) {
        assert!(maps(process, MEMFD) && !maps(process, "/dev/shm"));
    }
    example.kill();
    for worker in workers {
        until("the worker has ended", || !maps(worker, MEMFD));
    }
}
