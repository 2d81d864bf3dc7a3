//! Stale rings, and endpoints whose ring has lost its name. Locks decide whether a process
//! is alive, never a duration.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use crate::common::PATIENCE;
use crate::common::child::{Child, hold};
use crate::common::names::RingName;
use crate::common::rings::{ends, named};
use crate::common::threads::while_waiting;
use quoit::{
    ClaimError, Consumer, Error, PeerError, PopError, Producer, PushError, Ring, RingOptions,
    Select, Selected, StalePolicy, unlink_if_read, unlink_if_stale,
};

crate::common::suite::tests! {
    a_stale_ring_is_reused_by_default,
    a_stale_ring_is_refused_on_demand,
    a_ring_that_is_held_or_was_never_used_is_not_stale,
    a_ring_whose_holders_were_killed_is_stale,
    threads_that_replace_a_stale_ring_get_the_same_one,
    only_stale_rings_are_unlinked_if_stale,
    unlink_if_read_keeps_a_ring_with_unread_messages,
    a_new_ring_of_the_name_has_another_incarnation,
    an_epoch_counts_the_holders_of_a_role,
    an_endpoint_without_a_peer_is_superseded,
    another_file_with_the_name_supersedes,
    unread_messages_are_read_before_superseded;
    parts: both_roles
}

const CAPACITY: u64 = 4;

fn options(stale: StalePolicy) -> RingOptions {
    RingOptions::new(CAPACITY).stale(stale)
}

/// A ring with a record, which both endpoints have closed.
fn left(name: &RingName) -> Ring<u64> {
    let ring = options(StalePolicy::Fail)
        .create::<u64>(name)
        .expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
    drop(ring.consumer().expect("the role is free"));
    ring
}

fn is_refused(result: Result<Ring<u64>, Error>, in_use_wanted: bool) {
    match result {
        Err(Error::AlreadyExists { in_use, .. }) => assert_eq!(in_use, in_use_wanted),
        other => panic!("it is not refused: {other:?}"),
    }
}

fn a_stale_ring_is_reused_by_default() {
    let name = RingName::new("taken-over");
    left(&name);
    let ring = RingOptions::new(CAPACITY).open_or_create::<u64>(&name);
    let mut consumer = ring.expect("the ring").consumer().expect("it is free");
    assert_eq!(consumer.try_pop(), Ok(7));
    drop(consumer);
    is_refused(options(StalePolicy::TakeOver).create(&name), false);
    let other = RingOptions::new(2 * CAPACITY).open_or_create::<u64>(&name);
    assert!(matches!(other, Err(Error::CapacityMismatch { .. })));
}

fn a_stale_ring_is_refused_on_demand() {
    let name = RingName::new("refused");
    let old = left(&name);
    is_refused(options(StalePolicy::Fail).open_or_create(&name), false);
    is_refused(options(StalePolicy::Fail).create(&name), false);
    let mut consumer = old.consumer().expect("it is unchanged");
    assert_eq!(consumer.try_pop(), Ok(7));
}

fn a_ring_that_is_held_or_was_never_used_is_not_stale() {
    for stale in [
        StalePolicy::TakeOver,
        StalePolicy::Replace,
        StalePolicy::Fail,
    ] {
        let (ring, name) = named::<u64>("not-stale", &options(stale));
        let same = || {
            let opened = options(stale).open_or_create::<u64>(&name);
            let opened = opened.unwrap_or_else(|error| panic!("{stale:?}: {error}"));
            assert_eq!(opened.incarnation(), ring.incarnation(), "{stale:?}");
        };
        same();
        let producer = ring.producer().expect("the role is free");
        same();
        let consumer = ring.consumer().expect("the role is free");
        drop(producer);
        same();
        is_refused(options(StalePolicy::Fail).create(&name), true);
        drop(consumer);
    }
}

/// Takes both roles and leaves a record in the ring.
fn both_roles(arguments: &[String]) {
    let ring = Ring::<u64>::open(&arguments[0]).expect("the ring");
    let (mut producer, _consumer) = ends(&ring);
    producer.try_push(7).expect("there is room");
    hold();
}

fn a_ring_whose_holders_were_killed_is_stale() {
    let (ring, name) = named::<u64>("killed", &options(StalePolicy::Fail));
    let mut child = Child::start("both_roles", &[name.as_str()]);
    child.expect("ready");
    child.signal(libc::SIGSTOP);
    // A stopped process holds its roles.
    let opened = options(StalePolicy::Replace).open_or_create::<u64>(&name);
    let opened = opened.expect("the ring");
    assert_eq!(opened.incarnation(), ring.incarnation());
    child.kill();
    is_refused(options(StalePolicy::Fail).open_or_create(&name), false);
    let replaced = options(StalePolicy::Replace).open_or_create::<u64>(&name);
    let replaced = replaced.expect("a new ring");
    assert_ne!(replaced.incarnation(), ring.incarnation());
    let mut child = Child::start("both_roles", &[name.as_str()]);
    child.expect("ready");
    child.kill();
    quoit::unlink(&name).expect("no process holds the ring");
}

fn threads_that_replace_a_stale_ring_get_the_same_one() {
    const THREADS: usize = 4;
    for _ in 0..100 {
        let name = RingName::new("replace-at-once");
        let old = left(&name).incarnation();
        let barrier = Barrier::new(THREADS);
        let replace = || {
            barrier.wait();
            let ring = options(StalePolicy::Replace).open_or_create::<u64>(&name);
            ring.expect("a ring").incarnation()
        };
        let found: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(replace)).collect();
            let found = threads.into_iter().map(|thread| thread.join());
            found.map(|found| found.expect("no panic")).collect()
        });
        assert!(found.iter().all(|&new| new == found[0] && new != old));
    }
}

fn only_stale_rings_are_unlinked_if_stale() {
    let name = RingName::new("unlink-stale");
    let unlinked = || unlink_if_stale(&name);
    assert!(matches!(unlinked(), Err(Error::NotFound { .. })));
    let ring = options(StalePolicy::Fail)
        .create::<u64>(&name)
        .expect("a ring");
    assert!(!unlinked().expect("a ring"), "no process has used it yet");
    let producer = ring.producer().expect("the role is free");
    assert!(!unlinked().expect("a ring"), "there is a producer");
    let consumer = ring.consumer().expect("the role is free");
    drop(producer);
    assert!(!unlinked().expect("a ring"), "there is a consumer");
    drop(consumer);
    assert!(unlinked().expect("a ring"), "both endpoints have closed");
    assert!(matches!(unlinked(), Err(Error::NotFound { .. })));
    fs::write(name.file(), "something else").expect("it can be written");
    assert!(matches!(unlinked(), Err(Error::NotARing { .. })));
    assert!(name.file().exists());
}

fn unlink_if_read_keeps_a_ring_with_unread_messages() {
    let name = RingName::new("unlink-read");
    let unlinked = || unlink_if_read(&name);
    assert!(matches!(unlinked(), Err(Error::NotFound { .. })));
    let ring = options(StalePolicy::Fail)
        .create::<u64>(&name)
        .expect("a ring");
    assert!(!unlinked().expect("a ring"), "no process has used it yet");
    let mut consumer = ring.consumer().expect("the role is free");
    assert!(!unlinked().expect("a ring"), "there is a consumer");
    let mut producer = ring.producer().expect("the role is free");
    producer.try_push(7).expect("there is room");
    drop((consumer, producer));
    assert!(!unlinked().expect("a ring"), "a record is unread");
    consumer = ring.consumer().expect("the role is free");
    assert_eq!(consumer.try_pop(), Ok(7));
    drop(consumer);
    assert!(unlinked().expect("a ring"), "all is read");
    assert!(matches!(ring.producer(), Err(Error::Superseded { .. })));
}

fn a_new_ring_of_the_name_has_another_incarnation() {
    let name = RingName::new("incarnation");
    let old = left(&name);
    let same = Ring::<u64>::open(&name).expect("the ring");
    assert_eq!(old.incarnation(), same.incarnation());
    old.unlink().expect("no process holds it");
    assert_ne!(old.incarnation(), left(&name).incarnation());
}

fn an_epoch_counts_the_holders_of_a_role() {
    let (ring, _name) = named::<u64>("epoch", &options(StalePolicy::Fail));
    let first = ring.producer().expect("the role is free");
    assert_eq!(first.peer_epoch(), 0, "no consumer has attached");
    let consumer = ring.consumer().expect("the role is free");
    assert_eq!((first.peer_epoch(), consumer.peer_epoch()), (1, 1));
    drop(first);
    assert_eq!(consumer.peer_epoch(), 1, "closing does not count");
    let second = ring.producer().expect("the role is free");
    assert_eq!((second.peer_epoch(), consumer.peer_epoch()), (1, 2));
}

/// With any history of the peer, and for a removed name and a name of another ring.
fn an_endpoint_without_a_peer_is_superseded() {
    for (attached, again) in [(false, false), (false, true), (true, false), (true, true)] {
        let (ring, name) = named::<u64>("superseded", &options(StalePolicy::Fail));
        let mut consumer = ring.consumer().expect("the role is free");
        if attached {
            drop(ring.producer().expect("the role is free"));
        }
        assert!(!consumer.is_superseded());
        let new = || {
            fs::remove_file(name.file()).expect("the name exists");
            again.then(|| Producer::<u64>::create(&name, CAPACITY).expect("a new ring"))
        };
        if attached {
            drop(new());
            assert_eq!(consumer.try_pop(), Err(PopError::Abandoned), "no syscall");
            assert_eq!(consumer.pop(), Err(PopError::Superseded));
        } else {
            let wait = move || (consumer.pop(), consumer);
            let (popped, back) = while_waiting(wait, || drop(new()));
            assert_eq!(popped, Err(PopError::Superseded), "{attached} {again}");
            consumer = back;
        }
        assert!(consumer.is_superseded());
        assert_eq!(consumer.pop(), Err(PopError::Superseded));
        assert_eq!(consumer.wait_for_peer(), Err(PeerError::Superseded));
        let gone = Select::new().wait(&mut [consumer.interest()], Some(PATIENCE));
        assert_eq!(gone.expect("an answer"), Selected::Abandoned(0));
    }
}

fn another_file_with_the_name_supersedes() {
    let link = |path: &Path| symlink("/dev/null", path).is_ok();
    let directory = |path: &Path| fs::create_dir(path).is_ok();
    let file = |path: &Path| fs::write(path, "notes").is_ok();
    for make in [link, directory, file] {
        let (ring, name) = named::<u64>("no-ring", &options(StalePolicy::Fail));
        let mut consumer = ring.consumer().expect("the role is free");
        fs::remove_file(name.file()).expect("the name exists");
        assert!(make(&name.file()));
        assert!(consumer.is_superseded());
        assert_eq!(consumer.pop(), Err(PopError::Superseded));
        assert!(matches!(ring.producer(), Err(Error::Superseded { .. })));
    }
}

fn unread_messages_are_read_before_superseded() {
    let (ring, name) = named::<u64>("left", &options(StalePolicy::Fail));
    let (mut producer, mut consumer) = ends(&ring);
    while producer.try_push(7).is_ok() {}
    fs::remove_file(name.file()).expect("the name exists");
    drop(consumer);
    assert_eq!(producer.push(8), Err(PushError::Superseded(8)));
    let claimed = producer.claim_timeout(PATIENCE).map(drop);
    assert_eq!(claimed, Err(ClaimError::Superseded));
    // The same ring under another name, to read its messages.
    let name = RingName::new("left-too");
    left(&name);
    consumer = Consumer::open(&name).expect("the ring");
    fs::remove_file(name.file()).expect("the name exists");
    assert_eq!(consumer.pop(), Ok(7));
    assert_eq!(consumer.pop(), Err(PopError::Superseded));
}
