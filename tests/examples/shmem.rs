//! The example of a ring in a `Shmem`, which needs the feature `shared_memory`.

use std::path::Path;

use super::common::names::files_in;
use super::example::begun;

#[test]
fn an_interrupted_shmem_leaves_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let before = files_in(Path::new("/dev/shm"));
        let example = begun("shmem --count", 0, 1);
        example.signal(signal);
        example.end().is(128 + signal, "", "interrupted\n");
        let left = files_in(Path::new("/dev/shm"));
        let ours = |name: &&String| name.starts_with("shmem_") && !before.contains(*name);
        assert_eq!(left.iter().find(ours), None);
    }
}
