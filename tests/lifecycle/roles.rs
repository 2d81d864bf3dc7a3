//! A lock of another process delays a call and blocks none, and endpoints show no payload.

use std::fs::File;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::descriptors::lock;
use crate::common::refused::in_use;
use crate::common::rings::{ends, named, producer};
use quoit::{RingOptions, Role};

crate::common::suite::tests! {
    debug_shows_positions_and_never_payload,
    a_lock_of_another_process_blocks_no_call,
    a_role_that_is_about_to_be_free_is_waited_for,
}

fn debug_shows_positions_and_never_payload() {
    let (ring, _name) = named::<u64>("shown", &RingOptions::new(4));
    let (mut producer, consumer) = ends(&ring);
    producer.try_push(987_654_321).expect("there is room");
    for shown in [format!("{producer:?}"), format!("{consumer:?}")] {
        for part in ["position", "len: 1", "capacity: 4"] {
            assert!(shown.contains(part), "{shown} has no {part}");
        }
        assert!(!shown.contains("987654321"), "{shown} shows the payload");
    }
}

/// One that is never freed, while an endpoint is dropped, a role is taken and the ring is unlinked.
fn a_lock_of_another_process_blocks_no_call() {
    const NAME_BYTE: i64 = 0;
    let options = RingOptions::new(4).unlink_on_drop(true);
    let (ring, name) = named::<u64>("locked", &options);
    let held = producer(&ring);
    let file = File::open(name.file()).expect("the segment's file");
    // As any process with read permission may.
    lock(&file, NAME_BYTE, libc::F_RDLCK);
    let (tell, told) = mpsc::channel();
    let waits = thread::spawn(move || {
        drop(held);
        drop(producer(&ring));
        tell.send(ring.unlink().is_err()).expect("it ends");
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(true), "the name is locked");
    waits.join().expect("no panic");
    assert!(name.file().exists(), "a locked name stays");
    drop(file);
    let ring = options.open::<u64>(&name).expect("the ring");
    drop(producer(&ring));
    let removed = !name.file().exists();
    assert!(removed, "a drop removes it when the lock is freed");
}

/// The lock is freed after the peer sees that the endpoint has closed.
fn a_role_that_is_about_to_be_free_is_waited_for() {
    let (ring, _name) = named::<u64>("closing", &RingOptions::new(4));
    let mut closed = producer(&ring);
    closed.close();
    let begin = Instant::now();
    in_use(ring.producer(), Role::Producer);
    assert!(begin.elapsed() >= Duration::from_millis(100));
}
