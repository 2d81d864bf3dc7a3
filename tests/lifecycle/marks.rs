//! The mark `superseded`, which a process may undo, and the locks: no process removes a ring in
//! use because of an outdated check.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use quoit::{Error, Ring, RingOptions, StalePolicy};

use crate::common::child::is_asleep;
use crate::common::clock::until;
use crate::common::descriptors::lock_all;
use crate::common::fork::{kill, succeeds, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::process::{drop_root, is_root};
use crate::common::rings::{named, producer};
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::common::worker::{Worker, hear, tell};

crate::common::suite::tests! {
    a_ring_whose_removal_failed_is_kept_by_a_waiting_opener,
    a_ring_is_kept_if_its_removers_have_no_permission,
}

/// A ring with an unread record.
fn with_a_record(test: &str, mode: u32) -> (Ring<u64>, RingName) {
    let (ring, name) = named(test, &RingOptions::new(4).mode(mode));
    producer::<u64>(&ring).try_push(7).expect("there is room");
    (ring, name)
}

/// The name still refers to the ring, and the record is in it.
fn lives(name: &RingName, ring: &Ring<u64>) {
    let found = Ring::<u64>::open(name).expect("the name refers to a ring");
    assert_eq!(found.incarnation(), ring.incarnation(), "it was replaced");
    let mut consumer = found.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7));
}

type Open = fn(&RingOptions, &RingName) -> Result<Ring<u64>, Error>;

fn a_ring_whose_removal_failed_is_kept_by_a_waiting_opener() {
    // A call that creates nothing; a different ring would mean that the old one had been removed.
    let ways: [(Open, StalePolicy); 4] = [
        (|options, name| options.open(name), StalePolicy::TakeOver),
        (|options, name| options.create(name), StalePolicy::TakeOver),
        (
            |options, name| options.open_or_create(name),
            StalePolicy::TakeOver,
        ),
        // An unused ring is in use while another process holds its locks.
        (
            |options, name| options.open_or_create(name),
            StalePolicy::Fail,
        ),
    ];
    for (open, stale) in ways {
        let (ring, name) = with_a_record("waited", 0o600);
        let worker = Worker::start(|socket| {
            let options = RingOptions::new(4).stale(stale);
            hear(&socket);
            tell(&socket, 0);
            let found = loop {
                match open(&options, &name) {
                    Err(Error::AlreadyExists { in_use: false, .. }) => break Ring::open(&name),
                    // For longer than an opener's attempts.
                    Err(Error::Superseded { .. }) => {}
                    found => break found,
                }
            };
            let found = found.expect("the ring");
            assert_eq!(found.incarnation(), ring.incarnation());
        });
        let locks = File::options().read(true).write(true).open(name.file());
        let locks = locks.expect("the segment's file opens");
        lock_all(&locks);
        let file = SegmentFile::open(&name.file());
        file.write_half(SUPERSEDED, 1);
        tell(&worker.socket, 0);
        hear(&worker.socket);
        // Between two attempts to lock something.
        until("it sleeps", || is_asleep(worker.pid as u32));
        // The removal has failed.
        file.write_half(SUPERSEDED, 0);
        drop(locks);
        succeeds(worker.pid);
        lives(&name, &ring);
    }
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
    let (ring, name) = with_a_record("removers", 0o666);
    let inode = || fs::metadata(name.file()).expect("it exists").ino();
    let before = inode();
    let removers = [(); 3].map(|()| {
        Worker::start(|socket| {
            drop_root();
            work_as_long_as_the_parent();
            remove_forever(&name, || tell(&socket, 0));
        })
    });
    for remover in &removers {
        hear(&remover.socket);
    }
    let openers = [(); 2].map(|()| {
        Worker::start(|_| {
            work_as_long_as_the_parent();
            open_often(&name, ring.incarnation());
        })
    });
    openers.iter().for_each(|opener| succeeds(opener.pid));
    removers.iter().for_each(|remover| kill(remover.pid));
    assert_eq!(inode(), before, "it is a different ring");
    lives(&name, &ring);
}

/// Tries to remove a ring, and reports that it is refused.
fn remove_forever(name: &RingName, refused: impl Fn()) {
    let mut was_refused = false;
    loop {
        match quoit::unlink(name) {
            Err(Error::Io {
                source,
                doing: "unlink",
                ..
            }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EPERM));
                if !was_refused {
                    refused();
                }
                was_refused = true;
            }
            // Other processes hold its locks.
            Err(Error::InUse { .. } | Error::Io { .. }) => {}
            other => panic!("it was removed: {other:?}"),
        }
    }
}

fn open_often(name: &RingName, incarnation: u64) {
    let mut opened = 0;
    while opened < times() {
        match RingOptions::new(4).open_or_create::<u64>(name) {
            Ok(ring) => {
                assert_eq!(ring.incarnation(), incarnation, "it was replaced");
                // The other opener may hold it.
                opened += u64::from(ring.consumer().is_ok());
            }
            Err(Error::Superseded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
