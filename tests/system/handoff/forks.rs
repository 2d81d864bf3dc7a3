//! Children of `fork`: a ring without a name behaves like any other.

use quoit::{Error, PopError, PushError, Ring, RingOptions, handoff};

use crate::common::PATIENCE;
use crate::common::child::{Child, hear, say};
use crate::common::fork::{done, ending, fork};
use crate::handoff::{socket, start};

crate::common::suite::tests! {
    a_role_is_free_when_the_parent_is_killed_and_the_child_runs,
    a_child_of_fork_takes_a_free_role,
    a_child_of_fork_opens_the_ring_by_its_descriptor;
    parts: parent_to_be_killed, forker_without_roles, forker_with_a_role
}

const CAPACITY: u64 = 64;

fn a_role_is_free_when_the_parent_is_killed_and_the_child_runs() {
    let (mut child, socket) = start("parent_to_be_killed");
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    handoff::send(&socket, &ring).expect("it is sent");
    child.expect("ready");
    let mut consumer = ring.consumer().expect("the role is free");
    assert!(!consumer.is_abandoned());
    child.signal(libc::SIGKILL);
    assert_eq!(consumer.pop_timeout(PATIENCE), Err(PopError::Abandoned));
    drop(ring.producer().expect("its holder has died"));
    child.tell("there?");
    child.expect("the child runs");
}

/// Takes a role of a ring that it received, and forks a child that keeps running.
fn parent_to_be_killed(arguments: &[String]) {
    let ring = handoff::receive::<u64>(&socket(arguments)).expect("a ring");
    let _producer = ring.producer().expect("the role is free");
    if fork().is_none() {
        say("ready");
        hear();
        say("the child runs");
        done();
    }
    // SAFETY: waits for the kill.
    unsafe { libc::pause() };
}

fn a_child_of_fork_takes_a_free_role() {
    Child::start("forker_without_roles", &[]).succeeds();
}

fn forker_without_roles(_: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    let Some(child) = fork() else {
        let mut producer = ring.producer().expect("the role is free");
        producer.try_push(7).expect("there is room");
        done();
    };
    let mut consumer = ring.consumer().expect("the role is free");
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(7));
    assert_eq!(ending(child), 0);
    assert!(consumer.is_abandoned(), "the child has not closed");
}

fn a_child_of_fork_opens_the_ring_by_its_descriptor() {
    Child::start("forker_with_a_role", &[]).succeeds();
}

fn forker_with_a_role(_: &[String]) {
    let options = RingOptions::new(CAPACITY);
    let ring = options.create_anonymous::<u64>().expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let Some(child) = fork() else {
        assert!(matches!(ring.consumer(), Err(Error::Superseded { .. })));
        assert_eq!(producer.try_push(1), Err(PushError::Abandoned(1)));
        let again = open_again(&ring);
        assert!(matches!(again.producer(), Err(Error::InUse { .. })));
        let mut consumer = again.consumer().expect("the role is free");
        assert_eq!(consumer.pop_timeout(PATIENCE), Ok(7));
        done();
    };
    producer.try_push(7).expect("there is room");
    assert_eq!(ending(child), 0);
    assert!(producer.is_abandoned(), "the child has not closed");
    assert_eq!(producer.position(), 1);
}

fn open_again(ring: &Ring<u64>) -> Ring<u64> {
    let descriptor = ring.descriptor().expect("it is anonymous");
    let again = RingOptions::default().open_descriptor(descriptor);
    again.expect("the ring")
}
