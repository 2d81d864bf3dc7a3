//! The memory of a ring without a name, and its lifetime.

use std::io::ErrorKind;
use std::time::Duration;

use crate::common::refused::is;
use crate::common::rings::{anonymous, consumer, producer};
use crate::handoff::wire::file;
use quoit::{Error, PopError, PushError, RingOptions};
use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::io::Errno;

crate::common::suite::tests! {
    it_is_never_superseded,
    unlink_supersedes_it,
    it_cannot_change_its_size,
}

/// Longer than several liveness checks of a wait.
const SOME_CHECKS: Duration = Duration::from_millis(350);

fn it_is_never_superseded() {
    // It has no name that a drop could remove.
    let options = RingOptions::new(1).unlink_on_drop(true);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    assert_eq!(ring.name(), "anonymous");
    let timed_out = consumer(&ring).pop_timeout(SOME_CHECKS);
    assert_eq!(timed_out, Err(PopError::TimedOut));
    let mut producer = producer(&ring);
    producer.try_push(1).expect("there is room");
    let left = producer.push_timeout(2, SOME_CHECKS);
    assert_eq!(left, Err(PushError::Abandoned(2)));
    ring.sync_all().expect("it needs no disk");
}

fn unlink_supersedes_it() {
    let ring = anonymous::<u64>(64);
    let held = producer(&ring);
    is!(ring.unlink() => Err(Error::InUse { .. }));
    drop(held);
    ring.unlink().expect("no process holds it");
    let descriptor = ring.descriptor().expect("it is anonymous");
    let again = RingOptions::default().open_descriptor::<u64>(descriptor);
    for refusal in [ring.producer().err(), ring.consumer().err(), again.err()] {
        is!(refusal => Some(Error::Superseded { .. }));
    }
}

fn it_cannot_change_its_size() {
    let ring = anonymous::<u64>(64);
    let file = file(&ring);
    let length = file.metadata().expect("a length").len();
    assert_eq!(length % 4096, 0);
    for other in [0, 4096, length - 1, length + 1, 2 * length] {
        let refused = file.set_len(other).expect_err("it is sealed");
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
    for seal in [SealFlags::WRITE, SealFlags::FUTURE_WRITE] {
        let refused = fcntl_add_seals(&file, seal);
        assert_eq!(refused, Err(Errno::PERM), "no process has sealed the seals");
    }
    assert_eq!(file.metadata().expect("a length").len(), length);
}
