//! A memory control group: the kernel kills at its limit, so the library refuses a ring
//! that would not fit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

use quoit::{Error, RingOptions, StalePolicy};

use crate::common::child::Child;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::refused::refused;

crate::common::suite::tests! {
    a_ring_beyond_a_limit_that_kills_is_an_error;
    parts: under_a_memory_limit
}

const LIMIT: u64 = 64 << 20;

/// A group with a limit, and a group in it without one. Dropping this removes them.
struct Groups {
    outer: PathBuf,
    inner: PathBuf,
}

impl Groups {
    /// Of the version that this machine has; `None` if this process may not create groups.
    fn new() -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("quoit-test-{}", process::id());
        [(root.join("memory"), FILES[0]), (root.to_owned(), FILES[1])]
            .into_iter()
            .find_map(|(root, file)| {
                let outer = root.join(&name);
                let groups = Self {
                    inner: outer.join("inner"),
                    outer,
                };
                fs::create_dir(&groups.outer).ok()?;
                let limit = OpenOptions::new().write(true).open(groups.outer.join(file));
                limit.ok()?.write_all(LIMIT.to_string().as_bytes()).ok()?;
                fs::create_dir(&groups.inner).ok()?;
                Some(groups)
            })
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in [&self.inner, &self.outer] {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Of version 1 and of version 2.
const FILES: [&str; 2] = ["memory.limit_in_bytes", "memory.max"];

const USAGE: [&str; 2] = ["memory.usage_in_bytes", "memory.current"];

fn a_ring_beyond_a_limit_that_kills_is_an_error() {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    let groups = Groups::new();
    let group = groups
        .as_ref()
        .map_or("", |groups| groups.inner.to_str().expect("a path in UTF-8"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cache-{}", process::id()));
    write_uncached(&cache);
    let arguments = [path, group, cache.to_str().expect("a path in UTF-8")];
    let ended = Child::start("under_a_memory_limit", &arguments).end();
    let _ = fs::remove_file(&cache);
    assert!(ended.success(), "the child ended with {ended}");
    drop(groups);
}

/// Writes a file as large as the limit, without a copy in the cache.
fn write_uncached(path: &Path) {
    let mut file = File::create(path).expect("a file");
    for _ in 0..LIMIT >> 20 {
        file.write_all(&[1; 1 << 20])
            .expect("there is room on the disk");
    }
    file.sync_all().expect("the disk works"); // dirty pages cannot be dropped
    // SAFETY: an open file, and no pointer.
    let code = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(code, 0, "the cache is dropped");
}

fn under_a_memory_limit(arguments: &[String]) {
    let [directory, group, cache] = arguments else {
        panic!("three arguments, not {arguments:?}");
    };
    let directory = Path::new(directory);
    if group.is_empty() {
        // Without a group the machine's memory is the limit.
        let refused = RingOptions::new(1 << 50).create_anonymous::<u64>().err();
        return says(refused, &["/proc/meminfo", "make the ring smaller"]);
    }
    fs::write(
        Path::new(group).join("cgroup.procs"),
        process::id().to_string(),
    )
    .expect("this process may join");
    let outer = Path::new(group).parent().expect("the outer group");
    let set = FILES.iter().map(|file| outer.join(file));
    let file = set.into_iter().find(|file| file.exists()).expect("a limit");
    let file = file.to_str().expect("a path in UTF-8");
    let limit = LIMIT.to_string();
    let expected = [file, &limit, "make the ring smaller", "MemoryMax="];
    let large = RingOptions::new(LIMIT / 8 * 4);
    says(
        large.create::<u64>(directory.join("large")).err(),
        &expected,
    );
    says(
        large.open_or_create::<u64>(directory.join("large")).err(),
        &expected,
    );
    says(large.create_anonymous::<u64>().err(), &expected);
    says(large.heap::<u64>().err(), &expected);
    assert_eq!(files_in(directory), [""; 0]);

    // The cache of a file fills the group, and the kernel drops it: pages that were only
    // read immediately, written ones not always.
    let mut file = File::open(cache).expect("a file");
    let read = io::copy(&mut file, &mut io::sink()).expect("it can be read");
    assert_eq!(read, LIMIT);
    let used = USAGE
        .iter()
        .find_map(|file| fs::read_to_string(outer.join(file)).ok());
    let used: u64 = used.expect("a usage").trim().parse().expect("a number");
    assert!(used > LIMIT / 4 * 3, "{used} bytes are in the cache");
    let half = RingOptions::new(LIMIT / 8 / 2);
    let ring = half.create::<u64>(directory.join("half")).expect("it fits");
    // The remaining memory is not enough.
    says(
        half.create::<u64>(directory.join("second")).err(),
        &expected,
    );
    // A ring without a name is in other memory, which counts too.
    says(half.create_anonymous::<u64>().err(), &expected);
    ring.unlink().expect("no process holds it");
    drop(ring);
    locked(cache, &expected);
}

/// The kernel can drop the cache of a ring on a disk until it is locked.
fn locked(cache: &str, expected: &[&str]) {
    let name = Path::new(cache).with_extension("ring");
    let lock = |words: u64| RingOptions::new(words).lock_memory(true);
    let ring = RingOptions::new(LIMIT / 8 * 2).create::<u64>(&name);
    ring.expect("it takes no memory")
        .sync_all()
        .expect("a disk");
    says(lock(1).open::<u64>(&name).err(), expected);
    let replacing = lock(LIMIT / 8 * 2).stale(StalePolicy::Replace);
    says(replacing.create::<u64>(&name).err(), expected);
    quoit::unlink(&name).expect("no process holds it");
    // Locking it again takes no memory.
    let first = lock(LIMIT / 8 / 2).create::<u64>(&name);
    let second = lock(1).open::<u64>(&name);
    let _ = fs::remove_file(&name);
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
    let numbers = [wanted.to_string(), available.to_string()];
    for part in parts
        .iter()
        .copied()
        .chain(numbers.iter().map(String::as_str))
    {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}
