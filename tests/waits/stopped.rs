//! A stopped process (SIGSTOP, a debugger, a paused machine) is alive: it keeps its role, and no
//! message is lost when it continues. `sleep` checks that its peer waits for it.

use std::thread::sleep;
use std::time::Duration;

use crate::common::child::Child;
use crate::common::clock::until;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::positions::{ROLES, other, peer, start};
use crate::common::program::stop;
use crate::common::refused::refused;
use crate::common::rings::named;
use crate::common::segment_file::{HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::assert_no_rescues;
use quoit::{
    Consumer, DoorbellKind, Error, Holder, Producer, Ring, RingOptions, Role, StalePolicy,
};

crate::common::suite::tests! {
    nothing_is_taken_from_a_stopped_process,
    endpoints_that_are_stopped_at_work_lose_nothing;
    parts: peer
}

const CAPACITY: u64 = 8;

/// A ring whose endpoints are in children.
fn created(doorbell: DoorbellKind) -> (Ring<u64>, RingName) {
    named("stopped", &RingOptions::new(CAPACITY).doorbell(doorbell))
}

fn resume(child: &Child) {
    assert!(child.is_stopped(), "it was stopped during all this");
    child.signal(libc::SIGCONT);
}

fn nothing_is_taken_from_a_stopped_process() {
    for role in ROLES {
        let (ring, name) = created(DoorbellKind::Futex);
        let child = start(role, &name, "fast");
        stop(child.pid());
        let ends = match role {
            Role::Producer => [
                Producer::<u64>::open(&name).err(),
                Producer::<u64>::open_or_create(&name, CAPACITY).err(),
                ring.producer().err(),
            ],
            Role::Consumer => [
                Consumer::<u64>::open(&name).err(),
                Consumer::<u64>::open_or_create(&name, CAPACITY).err(),
                ring.consumer().err(),
            ],
        };
        let replaced = RingOptions::new(CAPACITY)
            .stale(StalePolicy::Replace)
            .create::<u64>(&name);
        let lives = [
            replaced.err(),
            ring.unlink().err(),
            quoit::unlink(&name).err(),
        ];
        for refusal in ends.into_iter().chain(lives) {
            refused!(refusal => Error::InUse { role: found, holder });
            assert_eq!((found, holder), (role, Holder::Known(child.pid())));
        }
        let created = RingOptions::new(CAPACITY).create::<u64>(&name).err();
        let in_use = matches!(created, Some(Error::AlreadyExists { in_use: true, .. }));
        assert!(in_use, "{created:?}");
        resume(&child);
        let _other = start(other(role), &name, "fast");
        let segment = SegmentFile::open(&name.file());
        until("they continue", || segment.read(HEAD) > CAPACITY);
    }
}

fn endpoints_that_are_stopped_at_work_lose_nothing() {
    const STOPS: u64 = 200;
    let mut dice = Dice(1);
    for bell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let (_ring, name) = created(bell);
        let segment = SegmentFile::open(&name.file());
        let consumer = start(Role::Consumer, &name, "fast");
        let mut producer = start(Role::Producer, &name, "fast");
        for _ in 0..STOPS {
            sleep(Duration::from_micros(dice.roll(1000) as u64));
            let victim = [&producer, &consumer][dice.roll(2)];
            stop(victim.pid());
            // Now the other endpoint has to wait.
            sleep(Duration::from_micros(dice.roll(1000) as u64));
            let before = segment.read(HEAD);
            resume(victim);
            until("they continue", || segment.read(HEAD) > before + CAPACITY);
        }
        producer.kill();
        let published = segment.read(TAIL);
        consumer.expect(&published.to_string());
        assert_no_rescues(&name);
    }
}
