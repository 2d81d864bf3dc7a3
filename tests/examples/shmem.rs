//! The example of a ring in a `Shmem`, which needs the feature `shared_memory`.

use std::path::Path;

use super::children_of;
use super::common::names::files_in;
use super::example::{Example, wait_until};
use super::unread::{start, succeeds};

#[test]
fn numbers_go_through_a_shmem() {
    let example = Example::start("shmem", &["--count", "10000"]);
    example.says("10000 numbers went through a Shmem, and their sum is 49995000");
}

#[test]
fn a_shmem_with_a_closed_output_ends_with_success() {
    succeeds(start("shmem", &["--count", "1000"]));
}

#[test]
fn an_interrupted_shmem_leaves_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let before = files_in(Path::new("/dev/shm"));
        let example = Example::start("shmem", &["--count", "1000000000000"]);
        wait_until("its child runs", || children_of(example.pid()).len() == 1);
        example.signal(signal);
        let ended = example.end();
        assert_eq!(
            (ended.code, &*ended.errors),
            (Some(128 + signal), "interrupted\n")
        );
        let left = files_in(Path::new("/dev/shm"));
        let ours = |name: &&String| name.starts_with("shmem_") && !before.contains(*name);
        assert_eq!(left.iter().find(ours), None);
    }
}
