//! The process of an endpoint was killed or has exited: its role is free, its position is
//! kept, and a waiting peer is notified.

use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::child::{Child, hear, hold, say};
use crate::common::names::RingName;
use crate::common::positions::{ROLES, peer, start};
use crate::common::refused::{is, refused};
use crate::common::rings::named;
use crate::common::threads::while_waiting;
use quoit::{
    Consumer, Error, FrameConsumer, FrameProducer, Holder, PopError, Popped, Producer, PushError,
    RingOptions, Role, Select, SelectError, Selected, StalePolicy, WaitStrategy,
};

crate::common::suite::tests! {
    a_role_held_elsewhere_names_the_process_that_holds_it,
    a_role_is_free_after_kill_9_of_its_holder,
    a_role_is_free_after_its_holder_has_exited_without_dropping_it,
    a_restarted_producer_continues_where_the_killed_one_stopped,
    a_restarted_consumer_gets_again_what_was_not_released,
    a_pop_ends_when_the_producer_is_killed,
    a_push_ends_when_the_consumer_is_killed,
    short_waits_notice_a_death_as_soon_as_long_ones,
    what_a_killed_producer_had_published_is_read_first,
    the_ring_of_killed_processes_can_be_replaced_and_unlinked,
    the_peer_of_a_killed_process_removes_the_ring;
    parts:
    peer,
    leaking_producer,
    counting_producer,
    peeking_consumer,
    dying_producer,
}

const CAPACITY: u64 = 64;

/// The name of a new ring.
fn created(test: &str) -> RingName {
    let options = RingOptions::new(CAPACITY);
    named::<u64>(test, &options).1
}

/// A child that has taken its role.
fn attached(part: &str, name: &RingName) -> Child {
    let child = Child::start(part, &[name.as_str()]);
    child.expect("ready");
    child
}

/// A child that has taken this role and does nothing.
fn idle(role: Role, name: &RingName) -> Child {
    start(role, name, "0")
}

fn a_role_held_elsewhere_names_the_process_that_holds_it() {
    let name = created("held-elsewhere");
    let producer = idle(Role::Producer, &name);
    let consumer = idle(Role::Consumer, &name);
    let refusals = [
        (
            Producer::<u64>::open(&name).err(),
            Role::Producer,
            &producer,
        ),
        (
            Consumer::<u64>::open(&name).err(),
            Role::Consumer,
            &consumer,
        ),
    ];
    for (refusal, expected, child) in refusals {
        refused!(refusal => Error::InUse { role, holder });
        assert_eq!((role, holder), (expected, Holder::Known(child.pid())));
    }
    let refusal = RingOptions::new(CAPACITY).create::<u64>(&name).err();
    is!(refusal => Some(Error::AlreadyExists { in_use: true, .. }));
}

fn a_role_is_free_after_kill_9_of_its_holder() {
    let name = created("killed-holder");
    let mut producer = idle(Role::Producer, &name);
    let mut consumer = idle(Role::Consumer, &name);
    producer.kill();
    let _producer = Producer::<u64>::open(&name).expect("its holder has died");
    consumer.kill();
    let _consumer = Consumer::<u64>::open(&name).expect("its holder has died");
}

fn a_role_is_free_after_its_holder_has_exited_without_dropping_it() {
    let name = created("leaked");
    Child::start("leaking_producer", &[name.as_str()]).succeeds();
    let mut consumer = Consumer::<u64>::open(&name).expect("the role is free");
    assert!(consumer.is_abandoned());
    assert_eq!(consumer.pop_timeout(PATIENCE), Ok(7));
    assert_eq!(consumer.pop_timeout(PATIENCE), Err(PopError::Abandoned));
    let _producer = Producer::<u64>::open(&name).expect("its holder has exited");
    assert!(!consumer.is_abandoned());
}

/// Exits without closing.
fn leaking_producer(arguments: &[String]) {
    let mut producer = Producer::<u64>::open(&arguments[0]).expect("the role is free");
    producer.try_push(7).expect("there is room");
    std::mem::forget(producer);
}

fn a_restarted_producer_continues_where_the_killed_one_stopped() {
    let name = created("killed-producer");
    let mut consumer = Consumer::<u64>::open(&name).expect("the role is free");
    let mut expected = 0;
    for _ in 0..10 {
        let mut child = attached("counting_producer", &name);
        for _ in 0..1000 {
            assert_eq!(consumer.pop_timeout(PATIENCE), Ok(expected));
            expected += 1;
        }
        child.kill(); // at any instruction of a push
        let end = loop {
            match consumer.pop_timeout(PATIENCE) {
                Ok(value) => assert_eq!(value, expected),
                Err(end) => break end,
            }
            expected += 1;
        };
        assert_eq!(end, PopError::Abandoned);
    }
}

/// Pushes positions, from the one where the previous holder stopped.
fn counting_producer(arguments: &[String]) {
    let mut producer = Producer::<u64>::open(&arguments[0]).expect("the role is free");
    say("ready");
    loop {
        let position = producer.position();
        producer.push(position).expect("the consumer is attached");
    }
}

fn a_restarted_consumer_gets_again_what_was_not_released() {
    let name = created("killed-consumer");
    let mut producer = Producer::<u64>::open(&name).expect("the role is free");
    assert_eq!(producer.try_push_slice(&[1, 2, 3]), Ok(3));
    let mut child = Child::start("peeking_consumer", &[name.as_str()]);
    child.expect("1 popped, 2 seen");
    child.kill();
    let mut consumer = Consumer::<u64>::open(&name).expect("its holder has died");
    assert_eq!(consumer.position(), 1);
    assert_eq!(consumer.try_iter().collect::<Vec<_>>(), [2, 3]);
}

fn peeking_consumer(arguments: &[String]) {
    let mut consumer = Consumer::<u64>::open(&arguments[0]).expect("the role is free");
    let popped = consumer.pop().expect("there is a record");
    let seen = consumer.peek().expect("there is a record");
    say(format_args!("{popped} popped, {} seen", seen.read()));
    hear();
}

fn a_pop_ends_when_the_producer_is_killed() {
    type Wait = fn(&mut Consumer<u64>) -> Result<u64, PopError>;
    let waits: [Wait; 3] = [
        |consumer| consumer.pop(),
        |consumer| consumer.pop_timeout(PATIENCE),
        |consumer| consumer.peek().map(|peek| peek.read()),
    ];
    for wait in waits {
        let name = created("pop-alone");
        let mut child = idle(Role::Producer, &name);
        let mut consumer = Consumer::<u64>::open(&name).expect("the role is free");
        let result = while_waiting(move || wait(&mut consumer), || child.kill());
        assert_eq!(result, Err(PopError::Abandoned));
    }
}

fn a_push_ends_when_the_consumer_is_killed() {
    type Wait = fn(&mut Producer<u64>) -> Result<(), PushError<u64>>;
    let waits: [Wait; 2] = [
        |producer| producer.push(7),
        |producer| producer.push_timeout(7, PATIENCE),
    ];
    for wait in waits {
        let name = created("push-alone");
        let mut child = idle(Role::Consumer, &name);
        let mut producer = Producer::<u64>::open(&name).expect("the role is free");
        while producer.try_push(0).is_ok() {}
        let result = while_waiting(move || wait(&mut producer), || child.kill());
        assert_eq!(result, Err(PushError::Abandoned(7)));
    }
}

/// Waits of a tenth of the interval each. The wait that is active after the interval checks
/// the peer, so at most ten waits end before.
fn short_waits_notice_a_death_as_soon_as_long_ones() {
    for milliseconds in [100, 5] {
        short_waits_notice_a_death(Duration::from_millis(milliseconds));
    }
}

fn short_waits_notice_a_death(peer_check: Duration) {
    let short = peer_check / 10;
    /// Whether the wait has noticed that the peer has closed or crashed, and not timed out.
    type Wait = fn(&mut Producer<u64>, &mut Consumer<u64>, &mut Select, Duration) -> bool;
    let waits: [(Role, Wait); 3] = [
        (Role::Producer, |_, consumer, _, short| {
            let end = consumer.pop_timeout(short).expect_err("an empty ring");
            assert!(matches!(end, PopError::TimedOut | PopError::Abandoned));
            end == PopError::Abandoned
        }),
        (Role::Consumer, |producer, _, _, short| {
            let end = producer.push_timeout(7, short).expect_err("a full ring");
            let expected = [PushError::TimedOut(7), PushError::Abandoned(7)];
            assert!(expected.contains(&end));
            end == PushError::Abandoned(7)
        }),
        (Role::Producer, |_, consumer, select, short| {
            match select.wait(&mut [consumer.interest()], Some(short)) {
                Ok(selected) => selected == Selected::Gone(0),
                Err(SelectError::TimedOut) => false,
                Err(error) => panic!("{error}"),
            }
        }),
    ];
    for strategy in [
        WaitStrategy::Spin,
        WaitStrategy::Yield,
        WaitStrategy::Park,
        WaitStrategy::Adaptive,
    ] {
        for (number, (role, wait)) in waits.into_iter().enumerate() {
            let name = created("short-waits");
            let mut child = idle(role, &name);
            let ring = RingOptions::default().wait_strategy(strategy);
            let ring = ring
                .peer_check(peer_check)
                .open::<u64>(&name)
                .expect("the ring");
            let (mut full, mut empty) = RingOptions::new(1).heap::<u64>().expect("a ring");
            if role == Role::Consumer {
                full = ring.producer().expect("the role is free");
                while full.try_push(0).is_ok() {}
            } else {
                empty = ring.consumer().expect("the role is free");
            }
            let mut select = Select::new();
            let mut is_gone = || wait(&mut full, &mut empty, &mut select, short);
            assert!(!is_gone(), "the peer lives");
            child.kill();
            let waits = (0..100).take_while(|_| !is_gone()).count();
            assert!(waits <= 10, "{role}, {strategy:?}: {waits} waits too many");
            let is_select = number == 2; // which reports `Gone` once
            assert_eq!(
                is_gone(),
                !is_select,
                "{role}, {strategy:?}: before any wait"
            );
        }
    }
}

fn what_a_killed_producer_had_published_is_read_first() {
    let name = RingName::new("last-words");
    RingOptions::new(CAPACITY)
        .create::<[u8]>(&name)
        .expect("a ring");
    let mut consumer = FrameConsumer::open(&name).expect("the role is free");
    let mut child = attached("dying_producer", &name);
    child.kill();
    assert!(consumer.is_abandoned());
    let mut buffer = [0; 8];
    for word in ["last", "words"] {
        let (len, kind) = (word.len(), 0);
        let popped = consumer.pop_timeout(&mut buffer, PATIENCE);
        assert_eq!(popped, Ok(Popped { len, kind }));
        assert_eq!(&buffer[..len], word.as_bytes());
    }
    // A call that never waits makes no system call; one that waits checks the lock.
    assert_eq!(consumer.try_pop(&mut buffer), Err(PopError::Empty));
    let popped = consumer.pop_timeout(&mut buffer, PATIENCE);
    assert_eq!(popped, Err(PopError::Abandoned));
    let peeked = consumer.peek_timeout(PATIENCE).map(drop);
    assert_eq!(peeked, Err(PopError::Abandoned));
}

/// Publishes two frames, and begins a third.
fn dying_producer(arguments: &[String]) {
    let mut producer = FrameProducer::open(&arguments[0]).expect("the role is free");
    producer.try_push(b"last").expect("there is room");
    producer.try_push(b"words").expect("there is room");
    let mut claim = producer.try_claim(8).expect("there is room");
    claim.copy_from_slice(b"unheard.");
    hold();
}

fn the_ring_of_killed_processes_can_be_replaced_and_unlinked() {
    let name = created("killed-both");
    let kill_both = || {
        for role in ROLES {
            idle(role, &name).kill();
        }
    };
    kill_both();
    let options = RingOptions::new(CAPACITY).stale(StalePolicy::Replace);
    options
        .create::<u64>(&name)
        .expect("no process holds the ring");
    kill_both();
    quoit::unlink(&name).expect("no process holds the ring");
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
