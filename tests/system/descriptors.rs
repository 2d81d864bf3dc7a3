//! The descriptors of the library: every call that takes or opens a descriptor closes it,
//! whether it succeeds or fails. None has the number of a standard stream, and none
//! outlives an `exec`.
//!
//! Each call runs 500 times, or `QUOIT_DESCRIPTOR_ROUNDS` times; with a ring on a disk a fiftieth of that.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::common::descriptors::open_descriptors;
use crate::common::fork::in_a_child;
use crate::common::names::{RingName, file_directory, files_in, shared_memory_directory};
use crate::common::refused::is;
use crate::common::rings::{anonymous, consumer, ends, producer};
use crate::handoff::wire;
use quoit::{Error, Observer, Producer, RingOptions, Role, Select, StalePolicy, handoff};

crate::common::suite::tests! {
    no_call_on_a_named_ring_keeps_a_descriptor,
    no_call_on_a_ring_without_a_name_keeps_a_descriptor,
    additional_descriptors_of_a_handoff_are_closed,
    closed_standard_streams_are_not_replaced_and_nothing_outlives_an_exec,
    a_terminal_that_is_opened_becomes_no_controlling_terminal,
}

fn rounds() -> u32 {
    let rounds = std::env::var("QUOIT_DESCRIPTOR_ROUNDS");
    rounds.map_or(500, |rounds| rounds.parse().expect("a number"))
}

fn keeps_none(what: &str, call: impl FnMut()) {
    keeps_none_in(rounds(), what, call);
}

/// Makes a call many times. Afterwards the same descriptors are open as before.
fn keeps_none_in(rounds: u32, what: &str, mut call: impl FnMut()) {
    call(); // The first call opens what the whole process opens once.
    let before = open_descriptors();
    for _ in 0..rounds {
        call();
    }
    assert_eq!(open_descriptors(), before, "{what}");
}

fn no_call_on_a_named_ring_keeps_a_descriptor() {
    on_named_rings(shared_memory_directory().path(), rounds());
    // A disk is slow.
    on_named_rings(file_directory().path(), rounds().div_ceil(50));
}

fn on_named_rings(directory: &Path, rounds: u32) {
    let (name, new) = (&directory.join("ring"), &directory.join("new"));
    let options = RingOptions::new(64);
    let ring = options.create::<u64>(name).expect("a ring");
    let replace = options.clone().stale(StalePolicy::Replace);
    let text = directory.join("text");
    fs::write(&text, [7; 30_000]).expect("a file");

    keeps_none_in(rounds, "create and unlink", || {
        let ring = options.create::<u64>(new).expect("a ring");
        ring.unlink().expect("no process holds it");
    });
    keeps_none_in(rounds, "create what exists or cannot be", || {
        is!(options.create::<u64>(name) => Err(Error::AlreadyExists { .. }));
        is!(options.create::<u64>(directory.join("no/ring")) => Err(Error::Io { .. }));
        assert!(RingOptions::new(1 << 50).create::<u64>(new).is_err());
    });
    keeps_none_in(rounds, "replace", || {
        let ring = replace.create::<u64>(new).expect("a ring");
        let again = replace.create::<u64>(new).expect("no process holds it");
        assert_ne!(ring.incarnation(), again.incarnation());
    });
    keeps_none_in(rounds, "open, of the wrong type and the right one", || {
        is!(options.open::<[u8]>(name) => Err(Error::ShapeMismatch { .. }));
        is!(options.open::<u32>(name) => Err(Error::SchemaMismatch { .. }));
        let other = RingOptions::new(32).open_or_create::<u64>(name);
        is!(other => Err(Error::CapacityMismatch { .. }));
        options.open_or_create::<u64>(name).expect("it exists");
    });
    keeps_none_in(rounds, "open a file that is not a ring", || {
        is!(options.open::<u64>(&text) => Err(Error::NotARing { .. }));
        is!(options.open::<u64>(directory) => Err(Error::NotARing { .. }));
        is!(options.open::<u64>(directory.join("nothing")) => Err(Error::NotFound { .. }));
        assert!(Observer::open(&text).is_err() && quoit::unlink(&text).is_err());
    });
    keeps_none_in(rounds, "roles, free and taken", || {
        let _ends = ends(&ring);
        for refused in [ring.producer().err(), Producer::<u64>::open(name).err()] {
            is!(refused => Some(Error::InUse { .. }));
        }
        is!(quoit::unlink(name) => Err(Error::InUse { .. }));
        assert_eq!(quoit::unlink_if_stale(name).ok(), Some(false));
    });
    keeps_none_in(rounds, "a role of a ring that was replaced", || {
        let old = replace.create::<u64>(new).expect("a ring");
        quoit::unlink(new).expect("no process holds it");
        is!(old.producer() => Err(Error::Superseded { .. }));
    });
    keeps_none_in(rounds, "unlink on drop", || {
        let ring = options.clone().unlink_on_drop(true).create::<u64>(new);
        drop(ring.expect("a ring").producer());
        assert!(!new.exists());
    });
    keeps_none_in(rounds, "an observer", || {
        let observer = Observer::open(name).expect("it exists");
        is!(observer.is_alive(Role::Producer) => Ok(false));
        is!(observer.is_superseded() => Ok(false));
        is!(observer.holder(Role::Consumer) => Ok(None));
        is!(observer.unread(10, drop) => Ok(0));
    });
    keeps_none_in(rounds, "a select", || {
        let (_producer, mut consumer) = ends(&ring);
        let waited = Select::new().wait(&mut [&mut consumer], Duration::ZERO);
        assert!(waited.is_err());
    });
    keeps_none_in(rounds, "pollable", || {
        let pollable = consumer(&ring).into_pollable().expect("a descriptor");
        assert!(pollable.as_fd().as_raw_fd() > 2);
    });
    ring.sync_all().expect("the disk works");
    keeps_none_in(rounds, "sync_all", || {
        // It opens the directory once for each ring.
        let ring = options.open::<u64>(name).expect("it exists");
        ring.sync_all().expect("the disk works");
    });
}

fn no_call_on_a_ring_without_a_name_keeps_a_descriptor() {
    let options = RingOptions::new(64);
    let ring = anonymous::<u64>(64);
    let descriptor = ring.descriptor().expect("it is anonymous");
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    let named = tempfile::tempfile().expect("a file");
    keeps_none("create and roles", || {
        let ring = anonymous::<u64>(64);
        let _ends = ends(&ring);
        is!(ring.producer() => Err(Error::InUse { .. }));
        assert!(RingOptions::new(1 << 50).create_anonymous::<u64>().is_err());
    });
    keeps_none("a descriptor", || {
        options.open_descriptor::<u64>(descriptor).expect("a ring");
        let refused = options.open_descriptor::<u32>(descriptor);
        is!(refused => Err(Error::SchemaMismatch { .. }));
        let refused = options.open_descriptor::<u64>(&named);
        is!(refused => Err(Error::WrongDescriptor { .. }));
        let refused = options.open_descriptor::<u64>(wire::memfd(b"", libc::F_SEAL_SHRINK));
        is!(refused => Err(Error::WrongDescriptor { .. } | Error::Io { .. }));
    });
    keeps_none("a handoff", || {
        handoff::send(&ours, &ring).expect("it is sent");
        handoff::receive::<u64>(&theirs).expect("it comes");
        handoff::send(&ours, &ring).expect("it is sent");
        assert!(handoff::receive::<[u8]>(&theirs).is_err());
    });
}

/// More descriptors than one, more than there is room for, with the right message and with
/// a wrong one; and the descriptor of the sender's process.
fn additional_descriptors_of_a_handoff_are_closed() {
    const PASS_PIDFD: libc::c_int = 76; // SO_PASSPIDFD
    let null = fs::File::open("/dev/null").expect("there is one");
    for passes_process in [0, 1] {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        // An older kernel refuses, and passes none.
        let is_new = wire::set_option(&theirs, PASS_PIDFD, passes_process);
        for count in [0, 1, 2, 27, 28, 29, 253] {
            for message in [
                &wire::message(1)[..],
                &wire::message(2),
                b"something else!!",
            ] {
                keeps_none(&format!("{count} with {message:?}, {is_new:?}"), || {
                    wire::send(&ours, message, &vec![null.as_raw_fd(); count]);
                    assert!(handoff::receive::<u64>(&theirs).is_err());
                });
            }
        }
        let ring = anonymous::<u64>(64);
        keeps_none("a ring and its sender", || {
            handoff::send(&ours, &ring).expect("it is sent");
            handoff::receive::<u64>(&theirs).expect("it comes");
        });
    }
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
    let options = RingOptions::new(64);
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    for name in directories.map(|directory| directory.join("ring")) {
        let ring = options.create::<u64>(&name).expect("a ring");
        let again = options.open::<u64>(&name).expect("it exists");
        let ends = (producer(&again), consumer(&ring).into_pollable());
        let observer = Observer::open(&name).expect("it exists");
        kept.push(Box::new((ends, ring, again, observer)));
    }
    let ring = anonymous::<u64>(64);
    let again = options.open_descriptor::<u64>(ring.descriptor().expect("one"));
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    handoff::send(&ours, &ring).expect("it is sent");
    let received = handoff::receive::<u64>(&theirs).expect("it comes");
    kept.push(Box::new((
        producer(&ring),
        consumer(&received),
        ring,
        again,
        received,
    )));
    let name = RingName::new("standard");
    let plain = options.create::<u64>(&name).expect("a ring");
    let again = options.open::<u64>(&name).expect("it exists");
    kept.push(Box::new((plain, again, name)));
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
    // SAFETY: the call has no pointers.
    assert_ne!(unsafe { libc::setsid() }, -1, "a child leads no group");
    let (mut master, mut terminal) = (-1, -1);
    let null = core::ptr::null_mut();
    // SAFETY: both numbers outlive the call; the other pointers may be null.
    let made = unsafe {
        libc::openpty(
            &raw mut master,
            &raw mut terminal,
            null,
            null.cast(),
            null.cast(),
        )
    };
    assert_eq!(made, 0, "a terminal");
    let path = fs::read_link(format!("/proc/self/fd/{terminal}")).expect("its path");
    is!(Producer::<u64>::open(&path) => Err(Error::NotARing { .. }));
    is!(Observer::open(&path) => Err(Error::NotARing { .. }));
    is!(RingOptions::new(64).create::<u64>(&path) => Err(Error::NotARing { .. }));
    is!(quoit::unlink(&path) => Err(Error::NotARing { .. }));
    let own = fs::File::open("/dev/tty").expect_err("it has a controlling terminal");
    assert_eq!(own.raw_os_error(), Some(libc::ENXIO));
}
