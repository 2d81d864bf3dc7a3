//! The mark `superseded`, which a process may undo, and the locks.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use quoit::{Error, Ring, RingOptions, StalePolicy};

use crate::common::child::{Child, is_asleep, say};
use crate::common::clock::until;
use crate::common::descriptors::lock_all;
use crate::common::names::RingName;
use crate::common::process::{drop_root, is_root};
use crate::common::segment_file::{SUPERSEDED, SegmentFile};

crate::common::suite::tests! {
    a_ring_whose_removal_failed_is_kept_by_a_waiting_opener,
    a_ring_is_kept_if_its_removers_have_no_permission,
    a_mark_of_a_killed_remover_blocks_no_other_user;
    parts: opener, remover, frequent_opener, stranger
}

/// A ring with an unread record.
fn with_a_record(test: &str, mode: u32) -> (RingName, Ring<u64>) {
    let name = RingName::new(test);
    let options = RingOptions::new(4).mode(mode);
    let ring = options.create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
    drop(producer);
    (name, ring)
}

/// The name still refers to the ring, and the record is in it.
fn lives(name: &RingName, ring: &Ring<u64>) {
    let found = Ring::<u64>::open(name).expect("the name refers to a ring");
    assert_eq!(found.incarnation(), ring.incarnation(), "it was replaced");
    let mut consumer = found.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7));
}

/// An open file description that holds all three locks of a ring.
fn all_locks(name: &RingName) -> File {
    let file = File::options().read(true).write(true).open(name.file());
    let file = file.expect("the segment's file opens");
    lock_all(&file);
    file
}

/// Waits until a process with one thread sleeps between two attempts to lock something. The
/// number of the system call is not compared: an emulator has other numbers.
fn until_it_retries(pid: u32) {
    until("it sleeps", || is_asleep(pid));
}

fn a_ring_whose_removal_failed_is_kept_by_a_waiting_opener() {
    for way in ["open", "open_or_create", "create", "replace"] {
        let (name, ring) = with_a_record("waited", 0o600);
        let locks = all_locks(&name);
        let file = SegmentFile::open(&name.file());
        file.write_half(SUPERSEDED, 1);
        let child = Child::start("opener", &[name.as_str(), way]);
        child.expect("begins");
        until_it_retries(child.pid());
        // The removal has failed.
        file.write_half(SUPERSEDED, 0);
        drop(locks);
        child.expect(&format!("found {}", ring.incarnation()));
        child.succeeds();
        lives(&name, &ring);
    }
}

/// Opens a ring and reports its incarnation.
fn opener(arguments: &[String]) {
    let (name, options) = (&arguments[0], RingOptions::new(4));
    say("begins");
    let incarnation = loop {
        let found = match &*arguments[1] {
            "open" => options.open::<u64>(name),
            "open_or_create" => options.open_or_create::<u64>(name),
            // A different ring would mean that the old one had been removed.
            "create" => match options.create::<u64>(name) {
                Err(Error::AlreadyExists { in_use: false, .. }) => options.open::<u64>(name),
                other => other,
            },
            // An unused ring is in use while another process holds its locks.
            _ => match options
                .clone()
                .stale(StalePolicy::Fail)
                .open_or_create(name)
            {
                Err(Error::AlreadyExists { in_use: false, .. }) => options.open::<u64>(name),
                other => other,
            },
        };
        match found {
            Ok(ring) => break ring.incarnation(),
            // For longer than an opener's attempts.
            Err(Error::Superseded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    say(format_args!("found {incarnation}"));
}

/// How often each of two processes opens the ring.
fn times() -> u64 {
    let times = env::var("QUOIT_REMOVERS").ok();
    times.map_or(200, |times| times.parse().expect("a number"))
}

fn a_ring_is_kept_if_its_removers_have_no_permission() {
    if !is_root() {
        return;
    }
    let (name, ring) = with_a_record("removers", 0o666);
    let inode = || fs::metadata(name.file()).expect("it exists").ino();
    let before = inode();
    let removers: Vec<_> = (0..3)
        .map(|_| Child::start("remover", &[name.as_str()]))
        .collect();
    for remover in &removers {
        remover.expect("refused");
    }
    let times = times().to_string();
    let openers: Vec<_> = (0..2)
        .map(|_| Child::start("frequent_opener", &[name.as_str(), &times]))
        .collect();
    for opener in &openers {
        assert_eq!(opener.says_in_the_end(), "done");
    }
    drop((removers, openers));
    assert_eq!(inode(), before, "it is a different ring");
    lives(&name, &ring);
}

/// Tries to remove a ring forever.
fn remover(arguments: &[String]) {
    drop_root();
    let mut was_refused = false;
    loop {
        match quoit::unlink(&arguments[0]) {
            Err(Error::Io {
                source,
                doing: "unlink",
                ..
            }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EPERM));
                if !was_refused {
                    say("refused");
                }
                was_refused = true;
            }
            // Other processes hold its locks.
            Err(Error::InUse { .. } | Error::Io { .. }) => {}
            other => panic!("it was removed: {other:?}"),
        }
    }
}

fn frequent_opener(arguments: &[String]) {
    let (name, times) = (&arguments[0], arguments[1].parse().expect("a number"));
    let options = RingOptions::new(4);
    let first = options.open::<u64>(name).expect("a ring").incarnation();
    let mut opened = 0;
    while opened < times {
        match options.open_or_create::<u64>(name) {
            Ok(ring) => {
                assert_eq!(ring.incarnation(), first, "it was replaced");
                // The other opener may hold it.
                opened += u64::from(ring.consumer().is_ok());
            }
            Err(Error::Superseded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    say("done");
}

fn a_mark_of_a_killed_remover_blocks_no_other_user() {
    if !is_root() {
        return;
    }
    let mode = fs::metadata("/dev/shm").expect("it exists").permissions();
    assert_eq!(mode.mode() & 0o1777, 0o1777, "/dev/shm is sticky");
    let (name, ring) = with_a_record("sticky", 0o666);
    SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
    Child::start("stranger", &[name.as_str()]).succeeds();
    lives(&name, &ring);
    // Its owner removes the marked ring.
    SegmentFile::open(&name.file()).write_half(SUPERSEDED, 1);
    let found = Ring::<u64>::open(&name);
    assert!(matches!(found, Err(Error::NotFound { .. })), "{found:?}");
}

fn stranger(arguments: &[String]) {
    drop_root();
    let name = &arguments[0];
    let ring = Ring::<u64>::open(name).expect("every user may open it");
    drop(ring.consumer().expect("the role is free"));
    let replacing = RingOptions::new(4).stale(StalePolicy::Replace);
    let refusals = [
        quoit::unlink(name).expect_err("it is another user's"),
        replacing
            .create::<u64>(name)
            .expect_err("it is another user's"),
    ];
    for (refusal, doing) in refusals.into_iter().zip(["unlink", "replace"]) {
        let text = refusal.to_string();
        for part in [doing, "its owner", "root", "quoit rm", "another name"] {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
    }
}
