//! Memory: of a file system, of a file, of a process.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use quoit::{Consumer, Error, Producer, RingOptions};
use rustix::process::Resource;

use crate::common::fork::{in_a_child, in_a_directory};
use crate::common::mounts::mount_a_megabyte;
use crate::common::names::{files_in, shared_memory_directory};
use crate::common::process::{drop_root, set_limit};
use crate::common::refused::{is, refused};
use crate::common::rings::ends;
use crate::limits::is_refused;

crate::common::suite::tests! {
    a_full_file_system_is_an_error_that_says_how_much_is_missing,
    a_ring_larger_than_all_of_shared_memory_is_an_error,
    a_file_size_limit_is_an_error_and_not_a_signal,
    too_little_address_space_is_an_error,
    memory_that_may_not_be_locked_is_an_error,
}

const HEADER: u64 = 16384;

fn a_full_file_system_is_an_error_that_says_how_much_is_missing() {
    in_a_directory(on_a_small_file_system);
}

/// On a tmpfs of a megabyte, if this process may mount one; otherwise with all of shared
/// memory, for the same check.
fn on_a_small_file_system(directory: &Path) {
    let half = 1 << 16; // words: half a megabyte
    let mounted = mount_a_megabyte(directory).is_ok();
    if mounted {
        let first = directory.join("first");
        let ring = RingOptions::new(half).create::<u64>(&first);
        ring.expect("half a megabyte is free");
        is_too_large_for(directory, half);
        assert_eq!(files_in(directory), ["first"]);
        quoit::unlink(&first).expect("no process holds the ring");
    } else {
        is_too_large_for(
            directory,
            size_of_file_system(directory).0.next_power_of_two(),
        );
    }
    // The reservation covers the last byte: no SIGBUS.
    let path = directory.join("second");
    let mut producer = Producer::<u64>::create(&path, half).expect("now it fits");
    let mut consumer = Consumer::<u64>::open(&path).expect("the role is free");
    if mounted {
        let rest = fs::write(directory.join("rest"), [0; 1 << 20]);
        let full = rest.expect_err("there is half a megabyte left");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }
    (0..half).for_each(|value| producer.try_push(value).expect("there is room"));
    producer.sync_all().expect("it needs no further room");
    assert!(consumer.try_iter().eq(0..half));
}

/// A ring of this many words is refused in `directory`, with all numbers in the text, and
/// what it had reserved is freed.
fn is_too_large_for(directory: &Path, capacity: u64) {
    let (_, free_before) = size_of_file_system(directory);
    let path = directory.join("too-large");
    let refusal = Producer::<u64>::create(&path, capacity).expect_err("it is too large");
    let text = refusal.to_string();
    refused!(refusal is Error::NotEnoughMemory { wanted, available, hint });
    assert_eq!(wanted, HEADER + capacity * 8);
    assert!(available < wanted && hint.contains("remount,size="));
    let says = |number: u64| text.contains(&number.to_string());
    assert!(says(wanted) && says(available), "{text:?}");
    assert!(!path.exists());
    // Other processes may use shared memory at the same time, but not this megabyte.
    if let (1_048_576, free) = size_of_file_system(directory) {
        assert_eq!((available, free), (free_before, free_before));
    }
}

fn a_ring_larger_than_all_of_shared_memory_is_an_error() {
    let directory = shared_memory_directory();
    let (total, _) = size_of_file_system(directory.path());
    assert!(total > 0, "shared memory has a size");
    is_too_large_for(directory.path(), total.next_power_of_two());
    assert_eq!(files_in(directory.path()), [""; 0]);
}

fn a_file_size_limit_is_an_error_and_not_a_signal() {
    let private = shared_memory_directory();
    let directory = private.path();
    let size = HEADER + 8 * 1024;
    let create = |name| RingOptions::new(1024).create::<u64>(directory.join(name));
    let before = dispositions();
    set_limit(Resource::Fsize, size - 1);
    let refusal = create("too-large").expect_err("it is too large");
    refused!(refusal is Error::FileSizeLimit { wanted, limit });
    assert_eq!((wanted, limit), (size, size - 1));
    assert_eq!(files_in(directory), [""; 0]);
    let anonymous = RingOptions::new(1024).create_anonymous::<u64>();
    is!(anonymous => Err(Error::FileSizeLimit { .. }));
    set_limit(Resource::Fsize, size);
    create("fits").expect("just within the limit");
    assert_eq!(files_in(directory), ["fits"]);
    assert_eq!(dispositions(), before, "signal actions are unchanged");
}

/// The action of each signal in this process.
fn dispositions() -> Vec<usize> {
    let disposition = |signal| {
        // SAFETY: all zero bytes are a valid record.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        // SAFETY: the call sets nothing, and the record outlives it.
        unsafe { libc::sigaction(signal, core::ptr::null(), &raw mut action) };
        action.sa_sigaction
    };
    (1..=libc::SIGRTMAX()).map(disposition).collect()
}

/// With four megabytes less than the ring needs, and with enough.
fn too_little_address_space_is_an_error() {
    let private = shared_memory_directory();
    let directory = private.path();
    let (there, new) = (directory.join("there"), directory.join("new"));
    let options = RingOptions::new(1 << 20); // words: eight megabytes
    drop(options.create::<u64>(&there).expect("a ring"));
    let pages = fs::read_to_string("/proc/self/statm").expect("this process's memory");
    let (pages, _) = pages.split_once(' ').expect("several numbers");
    let used = pages.parse::<u64>().expect("a number") * 4096;
    set_limit(Resource::As, used + (4 << 20));
    let refused = |result| is_refused(result, libc::ENOMEM, ["map", "ulimit -v"]);
    refused(options.create::<u64>(&new));
    refused(options.open_or_create::<u64>(&new));
    refused(options.open::<u64>(&there));
    refused(options.open_or_create::<u64>(&there));
    assert_eq!(files_in(directory), ["there"]);
    set_limit(Resource::As, used + (32 << 20));
    options.create::<u64>(&new).expect("there is room");
    options.open::<u64>(&there).expect("there is room");
}

/// With a limit of zero, with a limit that is too low, and where all mappings are locked.
fn memory_that_may_not_be_locked_is_an_error() {
    let private = shared_memory_directory();
    let directory = private.path();
    fs::set_permissions(directory, Permissions::from_mode(0o777)).expect("our directory");
    let (there, new) = (directory.join("there"), directory.join("new"));
    let options = RingOptions::new(1024);
    let public = options.clone().mode(0o666).create::<u64>(&there);
    public.expect("a ring");
    in_a_child(|| {
        drop_root();
        let locked = options.clone().lock_memory(true);
        for (most, reason) in [(0, libc::EPERM), (4096, libc::ENOMEM)] {
            set_limit(Resource::Memlock, most);
            let refused = |result| is_refused(result, reason, ["lock the memory", "ulimit -l"]);
            refused(locked.create::<u64>(&new));
            refused(locked.open_or_create::<u64>(&new));
            refused(locked.open::<u64>(&there));
            assert_eq!(files_in(directory), ["there"]);
        }
        let unlocked = options.open_or_create::<u64>(&new);
        unlocked.expect("unlocked memory has no limit");
        everything_is_locked(&directory.join("locked"));
    });
}

/// In a process that locks all its mappings.
fn everything_is_locked(name: &Path) {
    set_limit(Resource::Memlock, 8 << 20);
    // SAFETY: no pointer.
    let locks = unsafe { libc::mlockall(libc::MCL_FUTURE) };
    assert_eq!(locks, 0, "{}", io::Error::last_os_error());
    let large = RingOptions::new(2 << 20);
    let says = ["mlockall", "ulimit -l"];
    is_refused(large.create::<u64>(name), libc::EAGAIN, says);
    is_refused(large.open_or_create::<u64>(name), libc::EAGAIN, says);
    is_refused(large.create_anonymous::<u64>(), libc::EAGAIN, says);
    is_refused(large.heap::<u64>(), libc::ENOMEM, says);
    assert!(!name.exists());
    let small = RingOptions::new(1024).create::<u64>(name);
    let (mut producer, mut consumer) = ends(&small.expect("this much may be locked"));
    producer.try_push(1).expect("there is room");
    assert_eq!(consumer.try_pop(), Ok(1));
}

/// The total and free bytes of a file system.
fn size_of_file_system(directory: &Path) -> (u64, u64) {
    let stat = rustix::fs::statvfs(directory).expect("the directory is there");
    (stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize)
}
