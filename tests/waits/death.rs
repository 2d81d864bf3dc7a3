//! The process of an endpoint was killed: each call of its peer notices that. `sleep` checks what
//! a sleeping peer reports, and that another process can take the role; `tests/torture` and
//! `tests/kill_every_instruction` kill and restart both at work.

use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::calls::{Calls, Wait, fill, ways};
use crate::common::child::Child;
use crate::common::clock::until;
use crate::common::ends::End as _;
use crate::common::fork::{forked, kill, pause};
use crate::common::names::RingName;
use crate::common::positions::{End, ROLES, other, peer, start};
use crate::common::rings::{consumer, named, producer};
use crate::common::threads::while_waiting;
use quoit::WaitStrategy::{Adaptive, Park, Spin, Yield};
use quoit::{ClaimError, PopError, Ring, RingOptions, Role, Select, SelectError, Selected};

crate::common::suite::tests! {
    a_wait_ends_when_the_peer_is_killed,
    short_waits_notice_a_death_as_soon_as_long_ones,
    the_peer_of_a_killed_process_removes_the_ring;
    parts: peer
}

const CAPACITY: u64 = 64;

/// The name of a new ring.
fn created(test: &str) -> RingName {
    let options = RingOptions::new(CAPACITY);
    named::<u64>(test, &options).1
}

/// A child that has taken this role and does nothing.
fn idle(role: Role, name: &RingName) -> Child {
    start(role, name, "0")
}

fn a_wait_ends_when_the_peer_is_killed() {
    waits_end::<u64>();
    waits_end::<[u8]>();
}

/// Every call that waits.
fn waits_end<T: Calls + ?Sized>() {
    let waits = [Wait::Forever, Wait::Until(PATIENCE.into())];
    for read in ways(T::READS, &waits) {
        let (ring, name) = named::<T>("read-alone", &RingOptions::new(CAPACITY));
        let peer = attached(&name, producer::<T>);
        let mut consumer = consumer(&ring);
        until("it is attached", || consumer.peer_epoch() == 1);
        let taken = |message| panic!("there is {message:?}");
        let wait = move || (read.call)(&mut consumer, 1, read.wait, 0, &mut { taken });
        let ended = while_waiting(wait, || kill(peer));
        let expected = match &*read.name() {
            "iter" => PopError::Empty, // an iterator has no error
            _ => PopError::Abandoned,
        };
        assert_eq!(ended, Err(expected), "{}", read.name());
    }
    for write in ways(T::WRITES, &waits) {
        let (ring, name) = named::<T>("write-alone", &RingOptions::new(CAPACITY));
        let peer = attached(&name, consumer::<T>);
        let mut producer = producer(&ring);
        until("it is attached", || producer.peer_epoch() == 1);
        let message = T::message(fill::<T>(&mut producer));
        let wait = move || (write.call)(&mut producer, &[message], write.wait, 0);
        let ended = while_waiting(wait, || kill(peer));
        assert_eq!(ended, Err(ClaimError::Abandoned), "{}", write.name());
    }
}

/// Starts a child that takes a role and does nothing.
fn attached<T: Calls + ?Sized, E>(name: &RingName, take: fn(&Ring<T>) -> E) -> libc::pid_t {
    forked(|| {
        let _end = take(&Ring::open(name).expect("the ring"));
        pause();
    })
}

/// Waits of a tenth of the interval each. The wait that is active after the interval checks
/// the peer, so at most ten waits end before.
fn short_waits_notice_a_death_as_soon_as_long_ones() {
    for milliseconds in [100, 5] {
        for strategy in [Spin, Yield, Park, Adaptive] {
            for role in ROLES {
                for selects in [false, true] {
                    let peer_check = Duration::from_millis(milliseconds);
                    let options = RingOptions::default().wait_strategy(strategy);
                    short_waits_notice_a_death(role, &options, peer_check, selects);
                }
            }
        }
    }
}

fn short_waits_notice_a_death(
    role: Role,
    options: &RingOptions,
    peer_check: Duration,
    selects: bool,
) {
    let name = created("short-waits");
    let mut child = idle(role, &name);
    let options = options.clone().peer_check(peer_check);
    let mut end = End::of(&options.open(&name).expect("the ring"), other(role));
    while end.moves(Duration::ZERO).is_ok() {}
    let (short, mut select) = (peer_check / 10, Select::new());
    // Whether the wait has noticed that the peer has crashed, and has not timed out.
    let mut is_gone = || match selects {
        false => match end.moves(short) {
            Err(PopError::TimedOut) => false,
            ended => ended == Err(PopError::Abandoned),
        },
        true => match select.wait(&mut [end.interest()], Some(short)) {
            Err(SelectError::TimedOut) => false,
            selected => selected.expect("an answer") == Selected::Abandoned(0),
        },
    };
    assert!(!is_gone(), "the peer lives");
    child.kill();
    let waits = (0..100).take_while(|_| !is_gone()).count();
    assert!(waits <= 10, "{role}, {options:?}: {waits} waits too many");
    // A `Select` reports `Abandoned` once.
    assert_eq!(is_gone(), !selects, "{role}, {options:?}: before any wait");
}

fn the_peer_of_a_killed_process_removes_the_ring() {
    let name = RingName::new("peer");
    let options = RingOptions::new(CAPACITY).unlink_on_drop(true);
    let ring = options.create::<u64>(&name).expect("a ring");
    let mut child = idle(Role::Consumer, &name);
    drop(ring.producer().expect("the role is free"));
    assert!(name.file().exists(), "the consumer is still attached");
    let producer = ring.producer().expect("the role is free");
    child.kill();
    drop(producer);
    assert!(!name.file().exists());
}
