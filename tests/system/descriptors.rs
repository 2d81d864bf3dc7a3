//! The descriptors of the library: none is kept, none has the number of a standard stream, and
//! none outlives an `exec`. With too few of them a call returns an error.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::calls::{CALLS, Place};
use crate::common::descriptors::{open_descriptors, take_all_but};
use crate::common::fork::{done, in_a_child};
use crate::common::names::{RingName, file_directory, files_in, shared_memory_directory};
use crate::common::process::set_limit;
use crate::common::refused::{in_use, is};
use crate::common::rings::{anonymous, consumer, ends, named, producer};
use crate::common::terminal::pair;
use quoit::{Error, Observer, Producer, RingOptions, Role, Select, handoff};
use rustix::process::{Resource, setsid};
use rustix::thread::{UnshareFlags, unshare_unsafe};

crate::common::suite::tests! {
    no_endpoint_keeps_a_descriptor,
    too_few_descriptors_are_an_error_at_every_call,
    a_drop_without_a_free_descriptor_removes_the_name,
    closed_standard_streams_are_not_replaced_and_nothing_outlives_an_exec,
    a_terminal_that_is_opened_becomes_no_controlling_terminal,
    a_main_thread_with_other_descriptors_or_none_disturbs_no_call,
}

/// `limits::refusals` has each call of `CALLS`, and `handoff::refusals` those with a socket.
fn no_endpoint_keeps_a_descriptor() {
    let (ring, _name) = named::<u64>("kept", &RingOptions::new(64));
    let use_it = || {
        let (_producer, mut consumer) = ends(&ring);
        let waited = Select::new().wait(&mut [&mut consumer], Duration::ZERO);
        assert!(waited.is_err());
        drop(consumer.into_pollable().expect("a descriptor"));
    };
    // The first time opens what the whole process opens once.
    use_it();
    let before = open_descriptors();
    use_it();
    assert_eq!(open_descriptors(), before);
}

fn too_few_descriptors_are_an_error_at_every_call() {
    let directory = shared_memory_directory();
    let place = Place::new(directory.path(), RingOptions::new(64));
    set_limit(Resource::Nofile, 32);
    for &(name, call) in CALLS {
        for free in 0.. {
            let taken = take_all_but(free);
            let result = call(&place);
            let still_free = take_all_but(0).len();
            drop(taken);
            if result.is_ok() {
                assert!(free > 0 || name == "heap", "{name} takes a descriptor");
                break;
            }
            let refusal = result.err();
            let text = refusal.as_ref().map(Error::to_string).unwrap_or_default();
            assert!(text.contains("ulimit -n"), "{name}: {text:?}");
            is!(refusal => Some(Error::Io { source, .. })
                if source.raw_os_error() == Some(libc::EMFILE));
            assert_eq!(still_free, free, "{name} keeps descriptors");
            assert_eq!(files_in(directory.path()), ["there"]);
        }
        let _ = fs::remove_file(place.new_name());
    }
}

fn a_drop_without_a_free_descriptor_removes_the_name() {
    let options = RingOptions::new(64).unlink_on_drop(true);
    let (ring, name) = named::<u64>("no-descriptor", &options);
    let held = producer(&ring);
    set_limit(Resource::Nofile, 32);
    let _taken = take_all_but(0);
    drop(held);
    assert!(!name.file().exists());
}

fn closed_standard_streams_are_not_replaced_and_nothing_outlives_an_exec() {
    let (memory, disk) = (shared_memory_directory(), file_directory());
    in_a_child(|| without_standard_streams([memory.path(), disk.path()]));
}

/// The output is lost, so only the exit status counts.
fn without_standard_streams(directories: [&Path; 2]) {
    for standard in 0..3 {
        // SAFETY: this process prints and reads nothing from now on.
        unsafe { libc::close(standard) };
    }
    let before = open_descriptors();
    let places = directories.map(|directory| Place::new(directory, RingOptions::new(64)));
    let calls = places.iter().flat_map(|place| {
        let calls = CALLS.iter();
        calls.flat_map(move |(_, call)| call(place))
    });
    let _kept: Vec<_> = calls.collect();
    let _pollable = consumer(&anonymous::<u64>(64)).into_pollable();
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    handoff::send(&ours, &anonymous::<u64>(64)).expect("it is sent");
    let received = handoff::receive::<u64>(&theirs).expect("it comes");
    let _ends = ends(&received);
    let name = RingName::new("standard");
    let _plain = RingOptions::new(64).create::<u64>(&name).expect("a ring");
    drop((ours, theirs));

    let mut after = open_descriptors();
    after.retain(|number| !before.contains(number));
    assert!(after.len() > 15, "{after:?}");
    for number in after {
        assert!(number > 2, "it has the number of a standard stream");
        // SAFETY: the call only reads.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC, "{number} outlives an exec");
    }
    // Restores the output. SAFETY: the number of bytes is correct.
    let printed = unsafe { libc::write(1, b"stray".as_ptr().cast(), 5) };
    assert_eq!(printed, -1);
}

fn a_terminal_that_is_opened_becomes_no_controlling_terminal() {
    in_a_child(lead_a_session);
}

/// The first terminal that such a process opens becomes its controlling terminal, which would send it SIGHUP.
fn lead_a_session() {
    setsid().expect("a child leads no group");
    let (_master, terminal) = pair(24, 80).expect("a terminal");
    let path = format!("/proc/self/fd/{}", terminal.as_raw_fd());
    let path = fs::read_link(path).expect("its path");
    is!(Producer::<u64>::open(&path) => Err(Error::NotARing { .. }));
    is!(Observer::open(&path) => Err(Error::NotARing { .. }));
    is!(RingOptions::new(64).create::<u64>(&path) => Err(Error::NotARing { .. }));
    is!(quoit::unlink(&path) => Err(Error::NotARing { .. }));
    // Nor in place of a directory.
    is!(RingOptions::new(64).create::<u64>(path.join("ring")) => Err(Error::Io { .. }));
    let own = fs::File::open("/dev/tty").expect_err("it has a controlling terminal");
    assert_eq!(own.raw_os_error(), Some(libc::ENXIO));
}

/// `/proc/self` is the main thread's.
fn a_main_thread_with_other_descriptors_or_none_disturbs_no_call() {
    for has_ended in [false, true] {
        let directory = shared_memory_directory();
        in_a_child(|| in_another_thread(directory.path(), has_ended));
    }
}

fn in_another_thread(directory: &Path, has_ended: bool) {
    let directory = directory.to_owned();
    let calls = thread::spawn(move || {
        match has_ended {
            true => while fs::read_link("/proc/self/exe").is_ok() {},
            // SAFETY: the thread uses its own descriptors alone.
            false => unsafe { unshare_unsafe(UnshareFlags::FILES) }.expect("any thread may"),
        }
        let place = Place::new(&directory, RingOptions::new(64));
        for &(name, call) in CALLS {
            let made = call(&place);
            assert!(made.is_ok(), "{name}: {:?}", made.err());
            let _ = fs::remove_file(place.new_name());
        }
        let ring = anonymous::<u64>(1);
        let _holder = ring.producer().expect("it is free");
        in_use(ring.producer(), Role::Producer);
        done();
    });
    if has_ended {
        // SAFETY: it ends this thread alone. The code is the process's if the other one panics.
        unsafe { libc::syscall(libc::SYS_exit, 1) };
    }
    calls.join().expect("no panic");
}
