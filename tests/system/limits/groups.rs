//! A memory control group: the kernel kills at its limit, so the library refuses a ring
//! that would not fit.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

use quoit::{Error, RingOptions, StalePolicy};

use crate::common::fork::in_a_child;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::refused::refused;

crate::common::suite::tests! {
    a_ring_beyond_a_limit_that_kills_is_an_error,
}

const LIMIT: u64 = 64 << 20;
/// Of version 1 and of version 2: the directory of all groups, the limit, and the usage.
const VERSIONS: [[&str; 3]; 2] = [
    [
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
    ],
    ["/sys/fs/cgroup", "memory.max", "memory.current"],
];

/// A group with a limit, in which a group has none. Dropping this removes both.
struct Groups {
    outer: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl Groups {
    /// Of the version that this machine has; `None` if this process may not create groups.
    fn new() -> Option<Self> {
        VERSIONS.into_iter().find_map(|[root, limit, usage]| {
            let outer = Path::new(root).join(format!("quoit-test-{}", process::id()));
            fs::create_dir(&outer).ok()?;
            let groups = Self {
                outer,
                limit,
                usage,
            };
            let file = File::options().write(true).open(groups.outer.join(limit));
            file.ok()?.write_all(LIMIT.to_string().as_bytes()).ok()?;
            fs::create_dir(groups.outer.join("inner")).ok()?;
            Some(groups)
        })
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in [&self.outer.join("inner"), &self.outer] {
            let _ = fs::remove_dir(group);
        }
    }
}

fn a_ring_beyond_a_limit_that_kills_is_an_error() {
    let directory = shared_memory_directory();
    let cache = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    write_uncached(cache.as_file());
    match Groups::new() {
        Some(groups) => in_a_child(|| under_a_limit(directory.path(), &groups, cache.path())),
        // Without a group the machine's memory is the limit.
        None => {
            let refused = RingOptions::new(1 << 50).create_anonymous::<u64>().err();
            says(refused, &["/proc/meminfo", "make the ring smaller"]);
        }
    }
}

/// Writes as much as the limit, without a copy in the cache.
fn write_uncached(mut file: &File) {
    for _ in 0..LIMIT >> 20 {
        let written = file.write_all(&[1; 1 << 20]);
        written.expect("there is room on the disk");
    }
    file.sync_all().expect("the disk works"); // dirty pages cannot be dropped
    // SAFETY: an open file, and no pointer.
    let code = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(code, 0, "the cache is dropped");
}

fn under_a_limit(directory: &Path, groups: &Groups, cache: &Path) {
    let members = groups.outer.join("inner/cgroup.procs");
    fs::write(members, process::id().to_string()).expect("this process may join");
    let file = groups.outer.join(groups.limit);
    let file = file.to_str().expect("a path in UTF-8");
    let limit = LIMIT.to_string();
    let expected = [file, &limit, "make the ring smaller", "MemoryMax="];
    let large = RingOptions::new(LIMIT / 8 * 4);
    let name = directory.join("large");
    says(large.create::<u64>(&name).err(), &expected);
    says(large.open_or_create::<u64>(&name).err(), &expected);
    says(large.create_anonymous::<u64>().err(), &expected);
    says(large.heap::<u64>().err(), &expected);
    assert_eq!(files_in(directory), [""; 0]);

    // The cache of a file fills the group, and the kernel drops it: pages that were only
    // read immediately, written ones not always.
    let mut file = File::open(cache).expect("a file");
    let read = io::copy(&mut file, &mut io::sink()).expect("it can be read");
    assert_eq!(read, LIMIT);
    let used = fs::read_to_string(groups.outer.join(groups.usage)).expect("a usage");
    let used: u64 = used.trim().parse().expect("a number");
    assert!(used > LIMIT / 4 * 3, "{used} bytes are in the cache");
    let half = RingOptions::new(LIMIT / 8 / 2);
    let ring = half.create::<u64>(directory.join("half")).expect("it fits");
    // The remaining memory is not enough.
    let second = half.create::<u64>(directory.join("second"));
    says(second.err(), &expected);
    // A ring without a name is in other memory, which counts too.
    says(half.create_anonymous::<u64>().err(), &expected);
    ring.unlink().expect("no process holds it");
    drop(ring);
    locked(&cache.with_extension("ring"), &expected);
}

/// The kernel can drop the cache of a ring on a disk until it is locked.
fn locked(name: &Path, expected: &[&str]) {
    let lock = |words: u64| RingOptions::new(words).lock_memory(true);
    let ring = RingOptions::new(LIMIT / 8 * 2).create::<u64>(name);
    let synced = ring.expect("it takes no memory").sync_all();
    synced.expect("the disk works");
    says(lock(1).open::<u64>(name).err(), expected);
    let replacing = lock(LIMIT / 8 * 2).stale(StalePolicy::Replace);
    says(replacing.create::<u64>(name).err(), expected);
    quoit::unlink(name).expect("no process holds it");
    // Locking it again takes no memory.
    let first = lock(LIMIT / 8 / 2).create::<u64>(name);
    let second = lock(1).open::<u64>(name);
    let _ = fs::remove_file(name);
    for ring in [first, second] {
        match ring {
            Ok(_) => {}
            Err(Error::Io { doing, source, .. }) => {
                assert_eq!(doing, "lock the memory of");
                eprintln!("[no memory may be locked: {source}] ");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks that there is not enough memory, and that the text says why, and what to do.
fn says(refused: Option<Error>, parts: &[&str]) {
    refused!(refused => Error::NotEnoughMemory { wanted, available, .. });
    assert!(available < wanted, "{available} {wanted}");
    let text = refused.expect("it is refused").to_string();
    let [wanted, available] = [wanted, available].map(|number| number.to_string());
    for part in [&[&*wanted, &*available], parts].concat() {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}
