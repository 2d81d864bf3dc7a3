//! What the system refuses is an error that says what is missing, never a
//! signal, and leaves nothing behind: memory, file size, permission. And the
//! mode bits of a ring are those that were asked for, whatever the umask.
//!
//! Limits belong to a process, so most tests have a child that lives under one.

mod common;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::child::Child;
use common::names::{RingName, files_in, shared_memory_directory};
use quoit::{Consumer, Error, Producer, Ring, RingOptions, Stale};

common::suite::suite! {
    tests: [
        a_full_file_system_is_an_error_that_says_how_much_is_missing,
        a_ring_larger_than_all_of_shared_memory_is_an_error,
        a_file_size_limit_is_an_error_and_not_a_signal,
        a_ring_of_somebody_else_is_refused,
        a_directory_of_somebody_else_is_refused,
        mode_bits_are_exact_whatever_the_umask,
    ],
    parts: [on_a_small_file_system, under_a_file_size_limit, stranger, intruder, under_umasks],
}

const HEADER: u64 = 16384;

fn a_full_file_system_is_an_error_that_says_how_much_is_missing() {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start("on_a_small_file_system", &[path]).succeeds();
}

/// With a megabyte of memory, if this process may mount one; else with all of
/// shared memory, which must do for the same promise.
fn on_a_small_file_system(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    let half = 1 << 16; // words: half a megabyte
    if mount_a_megabyte(directory).is_ok() {
        let first = directory.join("first");
        RingOptions::new(half)
            .create::<u64>(&first)
            .expect("half a megabyte is there");
        is_too_large_for(directory, half);
        assert_eq!(files_in(directory), ["first"]);
        quoit::unlink(&first).expect("nobody holds the ring");
    } else {
        is_too_large_for(directory, file_system(directory).total.next_power_of_two());
    }
    // What was reserved is there to the last byte: no SIGBUS.
    let path = directory.join("second");
    let mut producer = Producer::<u64>::create(&path, half).expect("now it fits");
    let mut consumer = Consumer::<u64>::open(&path).expect("the role is free");
    for value in 0..half {
        producer.try_push(value).expect("there is room");
    }
    assert!(consumer.drain().eq(0..half));
}

/// A ring of so many words is refused in `directory`, by all its numbers, and
/// what it had taken meanwhile is given back.
fn is_too_large_for(directory: &Path, capacity: u64) {
    let free_before = file_system(directory).free;
    let path = directory.join("too-large");
    let refusal = Producer::<u64>::create(&path, capacity).expect_err("it is too large");
    let text = refusal.to_string();
    let Error::NotEnoughMemory {
        wanted,
        available,
        hint,
    } = refusal
    else {
        panic!("not the right refusal: {refusal:?}");
    };
    assert_eq!(wanted, HEADER + capacity * 8);
    assert!(available < wanted);
    assert!(hint.contains("remount,size="));
    for number in [wanted, available] {
        assert!(
            text.contains(&number.to_string()),
            "{number} is not in {text:?}"
        );
    }
    assert!(!path.exists());
    // Others may use shared memory at the same time, but not this megabyte.
    if file_system(directory).total == 1 << 20 {
        assert_eq!(
            (available, file_system(directory).free),
            (free_before, free_before)
        );
    }
}

fn a_ring_larger_than_all_of_shared_memory_is_an_error() {
    let directory = shared_memory_directory();
    let total = file_system(directory.path()).total;
    assert!(total > 0, "shared memory has a size");
    is_too_large_for(directory.path(), total.next_power_of_two());
    assert_eq!(files_in(directory.path()), [""; 0]);
}

fn a_file_size_limit_is_an_error_and_not_a_signal() {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start("under_a_file_size_limit", &[path]).succeeds();
}

fn under_a_file_size_limit(arguments: &[String]) {
    let directory = Path::new(&arguments[0]);
    let size = HEADER + 8 * 1024;
    let create = |name| RingOptions::new(1024).create::<u64>(directory.join(name));
    limit_file_size(size - 1);
    let refusal = create("too-large").expect_err("it is too large");
    let Error::FileSizeLimit { wanted, limit } = refusal else {
        panic!("not the right refusal: {refusal:?}");
    };
    assert_eq!((wanted, limit), (size, size - 1));
    assert_eq!(files_in(directory), [""; 0]);
    limit_file_size(size);
    create("fits").expect("just within the limit");
    assert_eq!(files_in(directory), ["fits"]);
}

fn a_ring_of_somebody_else_is_refused() {
    let (private, public) = (RingName::new("private"), RingName::new("public"));
    let options = RingOptions::new(64);
    options
        .clone()
        .mode(0)
        .create::<u64>(&private)
        .expect("a ring");
    options.mode(0o666).create::<u64>(&public).expect("a ring");
    Child::start("stranger", &[private.as_str(), public.as_str()]).succeeds();
    assert!(private.file().exists());
}

fn stranger(arguments: &[String]) {
    become_nobody();
    let [private, public] = arguments else {
        panic!("two names are expected");
    };
    let options = RingOptions::new(64);
    let refusals = [
        Ring::<u64>::open(private).err(),
        Producer::<u64>::open(private).err(),
        Consumer::<u64>::open_or_create(private, 64).err(),
        options.create::<u64>(private).err(),
        options.stale(Stale::Replace).create::<u64>(private).err(),
        quoit::unlink(private).err(),
    ];
    for refusal in refusals {
        let Some(Error::Io {
            doing: "open",
            name,
            source,
        }) = refusal
        else {
            panic!("not the right refusal: {refusal:?}");
        };
        assert_eq!(
            (&name, source.kind()),
            (private, io::ErrorKind::PermissionDenied)
        );
    }
    let mut producer = Producer::<u64>::open(public).expect("anybody may");
    producer.try_push(7).expect("there is room");
}

fn a_directory_of_somebody_else_is_refused() {
    let directory = shared_memory_directory();
    let path = directory.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o555)).expect("our directory");
    Child::start("intruder", &[path.to_str().expect("a path in UTF-8")]).succeeds();
    assert_eq!(files_in(path), [""; 0]);
}

fn intruder(arguments: &[String]) {
    become_nobody();
    let path = Path::new(&arguments[0]).join("ring");
    let refusals = [
        Producer::<u64>::create(&path, 64).err(),
        Producer::<u64>::open_or_create(&path, 64).err(),
    ];
    for refusal in refusals {
        let error = io::Error::from(refusal.expect("it may not write there"));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

fn mode_bits_are_exact_whatever_the_umask() {
    let directory = shared_memory_directory();
    let path = directory.path().to_str().expect("a path in UTF-8");
    Child::start("under_umasks", &[path]).succeeds();
}

fn under_umasks(arguments: &[String]) {
    let path = Path::new(&arguments[0]).join("ring");
    let mode = || {
        let metadata = fs::metadata(&path).expect("the file is there");
        metadata.permissions().mode() & 0o7777
    };
    for umask in [0, 0o022, 0o077, 0o777] {
        // SAFETY: the call only changes this process's umask.
        unsafe { libc::umask(umask) };
        for wanted in [0o600, 0o640, 0o660, 0o666, 0o606] {
            let options = RingOptions::new(64).stale(Stale::Replace).mode(wanted);
            options.create::<u64>(&path).expect("a ring");
            assert_eq!(mode(), wanted);
            // A ring that is there keeps its bits.
            let other = RingOptions::new(64).mode(0o644);
            other.open_or_create::<u64>(&path).expect("it opens");
            assert_eq!(mode(), wanted);
        }
        RingOptions::new(64)
            .stale(Stale::Replace)
            .create::<u64>(&path)
            .expect("a ring");
        assert_eq!(mode(), 0o600, "the default");
    }
}

/// Bytes of a file system.
struct FileSystem {
    total: u64,
    free: u64,
}

fn file_system(directory: &Path) -> FileSystem {
    let path = c_string(directory);
    // SAFETY: all zero bytes are a `statvfs`.
    let mut stat: libc::statvfs = unsafe { core::mem::zeroed() };
    // SAFETY: the path is a C string, and `stat` lives through the call.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut stat) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    FileSystem {
        total: stat.f_blocks * stat.f_frsize,
        free: stat.f_bavail * stat.f_frsize,
    }
}

/// Mounts a megabyte of memory on `directory`, which only this process sees.
fn mount_a_megabyte(directory: &Path) -> io::Result<()> {
    let done = |result| match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the process has a single thread, and gets mounts of its own.
    let moved = done(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    moved.or_else(|_| move_among_own_users())?;
    let (none, root) = (c"none".as_ptr(), c"/".as_ptr());
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: all are C strings, and a change of propagation has no data.
    done(unsafe { libc::mount(none, root, none, private, core::ptr::null()) })?;
    let (directory, size) = (c_string(directory), c"size=1m".as_ptr().cast());
    // SAFETY: all are C strings, the options too.
    done(unsafe { libc::mount(none, directory.as_ptr(), c"tmpfs".as_ptr(), 0, size) })
}

/// Moves among users of its own, where anybody may mount, and stays who it is.
fn move_among_own_users() -> io::Result<()> {
    // SAFETY: the call only asks.
    let user = unsafe { libc::getuid() };
    // SAFETY: the call only asks.
    let group = unsafe { libc::getgid() };
    // SAFETY: the process has a single thread, and gets users of its own.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) } == -1 {
        return Err(io::Error::last_os_error());
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

fn limit_file_size(bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: `limit` lives through the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Gives up root's rights, for which mode bits do not count. Anybody else's
/// rights are few enough.
fn become_nobody() {
    const NOBODY: u32 = 65534;
    // SAFETY: the call only asks.
    if unsafe { libc::geteuid() } == 0 {
        // SAFETY: no list is given, and so none is read.
        let groups = unsafe { libc::setgroups(0, core::ptr::null()) };
        // SAFETY: the call changes nothing but this process's group.
        let group = unsafe { libc::setgid(NOBODY) };
        // SAFETY: the call changes nothing but this process's user.
        let user = unsafe { libc::setuid(NOBODY) };
        assert_eq!((groups, group, user), (0, 0, 0));
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero byte")
}
