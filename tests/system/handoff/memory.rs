//! A ring without a name: its messages, its memory, and its lifetime.

use std::io::ErrorKind;
use std::time::Duration;

use crate::common::exchange::{answers, asks};
use crate::common::fork::succeeds;
use crate::common::refused::is;
use crate::common::rings::{anonymous, consumer, heap, producer};
use crate::common::sample::Words;
use crate::common::worker::Worker;
use crate::handoff::wire::file;
use quoit::{Error, PopError, PushError, RingOptions, handoff};
use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::io::Errno;

crate::common::suite::tests! {
    messages_are_sent_in_both_directions,
    it_is_never_superseded,
    unlink_supersedes_it,
    it_cannot_change_its_size,
}

/// Sends both rings to a child, which answers records with frames.
fn messages_are_sent_in_both_directions() {
    let tagged = |options: RingOptions| options.schema_tag("lines/1");
    let worker = Worker::start(|socket| {
        let options = tagged(RingOptions::default());
        let there = handoff::receive_with::<Words<4>>(&socket, &options).expect("a ring");
        let back = handoff::receive_with::<[u8]>(&socket, &options).expect("a ring");
        answers::<Words<4>, [u8]>(consumer(&there), producer(&back));
    });
    let options = tagged(RingOptions::new(4096));
    let there = options.create_anonymous::<Words<4>>().expect("a ring");
    let back = options.create_anonymous::<[u8]>().expect("a ring");
    handoff::send(&worker.socket, &there).expect("it is sent");
    handoff::send(&worker.socket, &back).expect("it is sent");
    asks::<Words<4>, [u8]>(producer(&there), consumer(&back));
    succeeds(worker.pid);
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
    let on_the_heap = heap::<u64>(64).0;
    on_the_heap.sync_all().expect("it needs no disk");
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
