//! The mark `superseded`, which a process may undo, and the locks: no process removes a ring in
//! use because of an outdated check.

use std::fs::File;

use quoit::{Error, Ring, RingOptions};

use crate::common::child::is_asleep;
use crate::common::clock::until;
use crate::common::descriptors::lock_all;
use crate::common::fork::succeeds;
use crate::common::rings::{named, producer};
use crate::common::segment_file::{SUPERSEDED, SegmentFile};
use crate::common::worker::{Worker, hear, tell};

crate::common::suite::tests! {
    a_ring_whose_removal_failed_is_kept_by_a_waiting_opener,
}

fn a_ring_whose_removal_failed_is_kept_by_a_waiting_opener() {
    let (ring, name) = named::<u64>("waited", &RingOptions::new(4));
    drop(producer(&ring));
    let is_it = |found: Result<Ring<u64>, Error>| {
        let found = found.expect("the ring");
        assert_eq!(found.incarnation(), ring.incarnation());
    };
    let worker = Worker::start(|socket| {
        hear(&socket);
        tell(&socket, 0);
        // For longer than an opener's attempts.
        let mut opens = std::iter::repeat_with(|| Ring::open(&name));
        let found = opens.find(|found| !matches!(found, Err(Error::Superseded { .. })));
        is_it(found.expect("an answer"));
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
    is_it(Ring::open(&name));
    ring.unlink().expect("no process holds it");
    assert_eq!(file.read(SUPERSEDED), 1, "other clients read it");
}
