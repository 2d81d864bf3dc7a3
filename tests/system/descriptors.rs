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

use crate::common::child::Child;
use crate::common::names::{file_directory, shared_memory_directory};
use crate::common::refused::is;
use crate::handoff::wire;
use quoit::{Error, Observer, Producer, RingOptions, Role, Select, StalePolicy, handoff};

crate::common::suite::tests! {
    no_call_on_a_named_ring_keeps_a_descriptor,
    no_call_on_a_ring_without_a_name_keeps_a_descriptor,
    additional_descriptors_of_a_handoff_are_closed,
    closed_standard_streams_are_not_replaced_and_nothing_outlives_an_exec,
    a_terminal_that_is_opened_becomes_no_controlling_terminal;
    parts: without_standard_streams, leader_of_a_session
}

/// The numbers of the open descriptors.
fn open() -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").expect("the descriptors");
    let numbers = entries.map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.to_str()
            .and_then(|name| name.parse().ok())
            .expect("a number")
    });
    let mut numbers: Vec<RawFd> = numbers.collect();
    // The descriptor of the list itself is closed now. SAFETY: the call only reads.
    numbers.retain(|&number| unsafe { libc::fcntl(number, libc::F_GETFD) } != -1);
    numbers.sort_unstable();
    numbers
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
    let before = open();
    for _ in 0..rounds {
        call();
    }
    assert_eq!(open(), before, "{what}");
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
    keeps_none_in(rounds, "create what exists", || {
        let refused = options.create::<u64>(name);
        assert!(matches!(refused, Err(Error::AlreadyExists { .. })));
    });
    keeps_none_in(rounds, "create without a directory", || {
        let refused = options.create::<u64>(directory.join("no/ring"));
        assert!(matches!(refused, Err(Error::Io { .. })));
    });
    keeps_none_in(rounds, "create a ring that is too large", || {
        let refused = RingOptions::new(1 << 50).create::<u64>(new);
        assert!(refused.is_err());
    });
    keeps_none_in(rounds, "replace", || {
        let ring = replace.create::<u64>(new).expect("a ring");
        let again = replace.create::<u64>(new).expect("no process holds it");
        assert_ne!(ring.incarnation(), again.incarnation());
    });
    keeps_none_in(rounds, "open, of the wrong type and the right one", || {
        let refused = options.open::<[u8]>(name);
        assert!(matches!(refused, Err(Error::ShapeMismatch { .. })));
        let refused = options.open::<u32>(name);
        assert!(matches!(refused, Err(Error::SchemaMismatch { .. })));
        let other = RingOptions::new(32).open_or_create::<u64>(name);
        assert!(matches!(other, Err(Error::CapacityMismatch { .. })));
        options.open_or_create::<u64>(name).expect("it exists");
    });
    keeps_none_in(rounds, "open a file that is not a ring", || {
        let refused = options.open::<u64>(&text);
        assert!(matches!(refused, Err(Error::NotARing { .. })));
        let refused = options.open::<u64>(directory);
        assert!(matches!(refused, Err(Error::NotARing { .. })));
        let refused = options.open::<u64>(directory.join("nothing"));
        assert!(matches!(refused, Err(Error::NotFound { .. })));
        assert!(Observer::open(&text).is_err() && quoit::unlink(&text).is_err());
    });
    keeps_none_in(rounds, "roles, free and taken", || {
        let (producer, consumer) = (ring.producer(), ring.consumer());
        let refused = [ring.producer().err(), Producer::<u64>::open(name).err()];
        let are_in_use = refused
            .iter()
            .all(|refused| matches!(refused, Some(Error::InUse { .. })));
        assert!(are_in_use && producer.is_ok() && consumer.is_ok());
        assert!(matches!(quoit::unlink(name), Err(Error::InUse { .. })));
        assert_eq!(quoit::unlink_if_stale(name).ok(), Some(false));
    });
    keeps_none_in(rounds, "a role of a ring that was replaced", || {
        let old = replace.create::<u64>(new).expect("a ring");
        quoit::unlink(new).expect("no process holds it");
        assert!(matches!(old.producer(), Err(Error::Superseded { .. })));
    });
    keeps_none_in(rounds, "unlink on drop", || {
        let ring = options.clone().unlink_on_drop(true).create::<u64>(new);
        drop(ring.expect("a ring").producer());
        assert!(!new.exists());
    });
    keeps_none_in(rounds, "an observer", || {
        let observer = Observer::open(name).expect("it exists");
        let asked = (observer.is_alive(Role::Producer), observer.is_superseded());
        assert!(matches!(asked, (Ok(false), Ok(false))));
        assert_eq!(observer.holder(Role::Consumer).ok(), Some(None));
        assert_eq!(observer.unread(10, drop).ok(), Some(0));
    });
    keeps_none_in(rounds, "a select", || {
        let (_producer, mut consumer) = (
            ring.producer().expect("a role"),
            ring.consumer().expect("a role"),
        );
        let waited = Select::new().wait(&mut [&mut consumer], Duration::ZERO);
        assert!(waited.is_err());
    });
    keeps_none_in(rounds, "pollable", || {
        let consumer = ring.consumer().expect("a role");
        let pollable = consumer.into_pollable().expect("a descriptor");
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
    let ring = options.create_anonymous::<u64>().expect("a ring");
    let descriptor = ring.descriptor().expect("it is anonymous");
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    let named = tempfile::tempfile().expect("a file");
    keeps_none("create and roles", || {
        let ring = options.create_anonymous::<u64>().expect("a ring");
        let ends = (ring.producer(), ring.consumer());
        assert!(matches!(ring.producer(), Err(Error::InUse { .. })));
        assert!(ends.0.is_ok() && ends.1.is_ok());
    });
    keeps_none("a ring that is too large", || {
        assert!(RingOptions::new(1 << 50).create_anonymous::<u64>().is_err());
    });
    keeps_none("a descriptor", || {
        options.open_descriptor::<u64>(descriptor).expect("a ring");
        let refused = options.open_descriptor::<u32>(descriptor);
        assert!(matches!(refused, Err(Error::SchemaMismatch { .. })));
        let refused = options.open_descriptor::<u64>(&named);
        assert!(matches!(refused, Err(Error::WrongDescriptor { .. })));
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
        // SAFETY: the value outlives the call. An older kernel refuses, and passes none.
        let set = unsafe {
            libc::setsockopt(
                theirs.as_raw_fd(),
                libc::SOL_SOCKET,
                PASS_PIDFD,
                (&raw const passes_process).cast(),
                size_of_val(&passes_process) as libc::socklen_t,
            )
        };
        let is_old = set == -1;
        for count in [0, 1, 2, 27, 28, 29, 253] {
            for message in [
                wire::message(1),
                wire::message(2),
                b"something else!!".to_vec(),
            ] {
                keeps_none(
                    &format!("{count} with {} bytes, {is_old}", message.len()),
                    || {
                        wire::send(&ours, &message, &vec![null.as_raw_fd(); count]);
                        assert!(handoff::receive::<u64>(&theirs).is_err());
                    },
                );
            }
        }
        let ring = RingOptions::new(64)
            .create_anonymous::<u64>()
            .expect("a ring");
        keeps_none("a ring and its sender", || {
            handoff::send(&ours, &ring).expect("it is sent");
            handoff::receive::<u64>(&theirs).expect("it comes");
        });
    }
}

fn closed_standard_streams_are_not_replaced_and_nothing_outlives_an_exec() {
    let (memory, disk) = (shared_memory_directory(), file_directory());
    let paths = [memory.path(), disk.path()].map(|path| path.to_str().expect("UTF-8"));
    Child::start("without_standard_streams", &paths).succeeds();
}

/// The output of this part is lost, so only the exit status counts.
fn without_standard_streams(arguments: &[String]) {
    for standard in 0..3 {
        // SAFETY: this process prints and reads nothing from now on.
        unsafe { libc::close(standard) };
    }
    let before = open();
    let options = RingOptions::new(64);
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    for directory in arguments {
        let name = Path::new(directory).join("ring");
        let ring = options.create::<u64>(&name).expect("a ring");
        let again = options.open::<u64>(&name).expect("it exists");
        let consumer = ring.consumer().expect("a role").into_pollable();
        let observer = Observer::open(&name).expect("it exists");
        kept.push(Box::new((
            again.producer(),
            consumer,
            ring,
            again,
            observer,
        )));
    }
    let ring = options.create_anonymous::<u64>().expect("a ring");
    let again = options.open_descriptor::<u64>(ring.descriptor().expect("one"));
    kept.push(Box::new((ring.producer(), ring, again)));
    let name = format!("quoit-test-{}-standard", std::process::id());
    let plain = options.create::<u64>(&name).expect("a ring");
    let again = options.open::<u64>(&name).expect("it exists");
    quoit::unlink(&name).expect("no process holds it");
    kept.push(Box::new((plain, again)));

    let mut after = open();
    after.retain(|number| !before.contains(number));
    assert!(after.len() > 15, "{after:?}");
    for number in after {
        assert!(
            number > 2,
            "the library has the number of a standard stream"
        );
        // SAFETY: the call only reads.
        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
        assert_eq!(flags, libc::FD_CLOEXEC, "{number} outlives an exec");
    }
    // Restores the output. SAFETY: the number of bytes is correct.
    let printed = unsafe { libc::write(1, b"stray".as_ptr().cast(), 5) };
    assert_eq!(printed, -1);
}

fn a_terminal_that_is_opened_becomes_no_controlling_terminal() {
    Child::start("leader_of_a_session", &[]).succeeds();
}

/// The first terminal that such a process opens becomes its controlling terminal, which would send it SIGHUP.
fn leader_of_a_session(_: &[String]) {
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
    let is_no_ring = |refused: Option<Error>| {
        is!(refused => Some(Error::NotARing { .. }));
    };
    is_no_ring(Producer::<u64>::open(&path).err());
    is_no_ring(Observer::open(&path).err());
    is_no_ring(RingOptions::new(64).create::<u64>(&path).err());
    is_no_ring(quoit::unlink(&path).err());
    let own = fs::File::open("/dev/tty").expect_err("it has a controlling terminal");
    assert_eq!(own.raw_os_error(), Some(libc::ENXIO));
}
