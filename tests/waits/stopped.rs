//! A stopped process (SIGSTOP, a debugger, a paused machine) is alive: it keeps its role,
//! the peer waits until its own deadline, and no message is lost when it continues. The
//! same holds for a slow process.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::child::Child;
use crate::common::clock::{once_within, until};
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::positions::{End, ROLES, other, peer, start};
use crate::common::refused::refused;
use crate::common::segment_file::{DATA, HEAD, SegmentFile, TAIL};
use crate::common::sleep_state::SleepPage;
use crate::common::tracer::Halted;
use quoit::{
    Consumer, Deadline, DoorbellKind, Error, Holder, PopError, Producer, Ring, RingOptions, Role,
    Select, Selected, StalePolicy,
};

crate::common::suite::tests! {
    the_peer_of_a_stopped_process_times_out_and_continues,
    nothing_is_taken_from_a_stopped_process,
    endpoints_that_are_stopped_at_work_lose_nothing,
    a_slow_peer_costs_deadlines_and_no_message,
    a_wait_ends_soon_if_the_peer_stops_before_the_wake,
    a_peer_stopped_before_the_wake_is_no_rescue,
    a_missing_wake_is_a_rescue_unless_the_waker_is_stopped;
    parts: peer
}

const BELLS: [&str; 2] = ["futex", "semaphore"];
const CAPACITY: u64 = 8;
/// Longer than three liveness checks.
const LOOKS: Duration = Duration::from_millis(350);
/// Two liveness checks, and time for a wake that may be in progress.
const SOON: Duration = Duration::from_millis(250);
/// The time limit of an attempt.
const AGES: Duration = Duration::from_secs(2);

/// Endpoints that sleep without spinning.
fn options(bell: &str) -> RingOptions {
    let options = RingOptions::new(CAPACITY).spin(Duration::ZERO);
    options.doorbell(match bell {
        "futex" => DoorbellKind::Futex,
        _ => DoorbellKind::Semaphore,
    })
}

/// A ring whose other endpoint is in a child.
struct Pair {
    name: RingName,
    bell: &'static str,
    /// The child's role.
    role: Role,
    segment: SegmentFile,
    page: SleepPage,
    child: Child,
}

impl Pair {
    fn new(bell: &'static str, role: Role, pace: &str) -> Self {
        let name = RingName::new("stopped");
        options(bell).create::<u64>(&name).expect("a ring");
        Self {
            bell,
            role,
            segment: SegmentFile::open(&name.file()),
            page: SleepPage::open(&name.file()),
            child: start(role, &name, pace),
            name,
        }
    }

    fn ring(&self) -> Ring<u64> {
        options(self.bell).open(&self.name).expect("the ring")
    }

    /// The endpoint of this process.
    fn end(&self) -> End {
        End::of(&self.ring(), other(self.role))
    }

    fn rescues(&self) -> u64 {
        ROLES.map(|role| self.page.of(role).rescues).iter().sum()
    }

    /// Lets the child move one record while this process waits, and stops it before the wake.
    fn stops_before_the_wake(&mut self) {
        wait_until(|| self.page.is_parked(other(self.role)));
        let halted = Halted::new(self.child.pid());
        self.child.tell("go");
        let position = match self.role {
            Role::Producer => TAIL,
            Role::Consumer => HEAD,
        };
        halted.stop_when(|| self.segment.read(position) == 1);
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    until("the other process does it", is_so);
}

fn stop(child: &Child) {
    child.signal(libc::SIGSTOP);
    wait_until(|| child.is_stopped());
}

fn resume(child: &Child) {
    assert!(child.is_stopped(), "it was stopped during all this");
    child.signal(libc::SIGCONT);
}

/// Every doorbell with every role of the child.
fn forms() -> impl Iterator<Item = (&'static str, Role)> {
    let bells = BELLS.into_iter();
    bells.flat_map(|bell| ROLES.map(|role| (bell, role)))
}

fn the_peer_of_a_stopped_process_times_out_and_continues() {
    for (bell, role) in forms() {
        let pair = Pair::new(bell, role, "fast");
        wait_until(|| pair.page.is_parked(role));
        stop(&pair.child);
        let mut end = pair.end();
        for _ in 0..CAPACITY {
            assert_eq!(end.moves(Duration::ZERO), Ok(()), "{bell} {role}");
        }
        let parks = || pair.page.of(other(role)).parks;
        let before = parks();
        // On a busy machine its timeout may pass before it sleeps.
        let mut tries = 0;
        while parks() == before {
            tries += 1;
            assert!(tries < 50, "{bell} {role}: it never sleeps");
            assert_eq!(end.moves(LOOKS), Err(PopError::TimedOut), "{bell} {role}");
        }
        assert!(!end.is_abandoned(), "{bell} {role}");
        resume(&pair.child);
        for _ in CAPACITY..100 {
            assert_eq!(end.moves(Deadline::NEVER), Ok(()), "{bell} {role}");
        }
        assert_eq!(pair.rescues(), 0, "{bell} {role}");
        drop(end);
        if role == Role::Consumer {
            pair.child.expect("100");
        }
        pair.child.succeeds();
    }
}

fn nothing_is_taken_from_a_stopped_process() {
    for role in ROLES {
        let pair = Pair::new("futex", role, "fast");
        stop(&pair.child);
        let (name, ring) = (&pair.name, pair.ring());
        let ends = match role {
            Role::Producer => [
                Producer::<u64>::open(name).err(),
                Producer::<u64>::open_or_create(name, CAPACITY).err(),
                ring.producer().err(),
            ],
            Role::Consumer => [
                Consumer::<u64>::open(name).err(),
                Consumer::<u64>::open_or_create(name, CAPACITY).err(),
                ring.consumer().err(),
            ],
        };
        let replaced = RingOptions::new(CAPACITY)
            .stale(StalePolicy::Replace)
            .create::<u64>(name);
        let lives = [
            replaced.err(),
            ring.unlink().err(),
            quoit::unlink(name).err(),
        ];
        for refusal in ends.into_iter().chain(lives) {
            refused!(refusal => Error::InUse { role: found, holder });
            assert_eq!((found, holder), (role, Holder::Known(pair.child.pid())));
        }
        let created = RingOptions::new(CAPACITY).create::<u64>(name).err();
        let in_use = matches!(created, Some(Error::AlreadyExists { in_use: true, .. }));
        assert!(in_use, "{created:?}");
        resume(&pair.child);
        let other = start(other(role), name, "fast");
        wait_until(|| pair.segment.read(HEAD) > CAPACITY);
        drop(other);
    }
}

fn endpoints_that_are_stopped_at_work_lose_nothing() {
    const STOPS: u64 = 200;
    let mut dice = Dice(1);
    for bell in BELLS {
        let pair = Pair::new(bell, Role::Consumer, "fast");
        let mut producer = start(Role::Producer, &pair.name, "fast");
        for _ in 0..STOPS {
            sleep(Duration::from_micros(dice.roll(1000) as u64));
            let victim = [&producer, &pair.child][dice.roll(2)];
            stop(victim);
            // Now the other endpoint has to wait.
            sleep(Duration::from_micros(dice.roll(1000) as u64));
            let before = pair.segment.read(HEAD);
            resume(victim);
            wait_until(|| pair.segment.read(HEAD) > before + CAPACITY);
        }
        producer.kill();
        let published = pair.segment.read(TAIL);
        pair.child.expect(&published.to_string());
        assert_eq!(pair.rescues(), 0, "{bell}");
    }
}

fn a_slow_peer_costs_deadlines_and_no_message() {
    const MESSAGES: u64 = 50;
    for (bell, role) in forms() {
        let pair = Pair::new(bell, role, "slow");
        let mut end = pair.end();
        let (mut moved, mut deadlines) = (0, 0);
        // The peer is slow only if this process is not slower.
        while moved < MESSAGES || deadlines == 0 {
            match end.moves(Duration::from_millis(1)) {
                Ok(()) => moved += 1,
                Err(PopError::TimedOut) => deadlines += 1,
                Err(other) => panic!("{other}"),
            }
        }
        drop(end);
        if role == Role::Consumer {
            pair.child.expect(&moved.to_string());
        }
        pair.child.succeeds();
    }
}

/// An endpoint's plain wait, or a `Select` together with an idle ring.
#[derive(Debug, Clone, Copy)]
enum Wait {
    Alone,
    Select,
}

/// Which doorbell supports which wait.
const WAITS: [(&str, Wait); 3] = [
    ("futex", Wait::Alone),
    ("semaphore", Wait::Alone),
    ("futex", Wait::Select),
];

fn a_wait_ends_soon_if_the_peer_stops_before_the_wake() {
    for (role, (bell, wait)) in ROLES
        .into_iter()
        .flat_map(|role| WAITS.map(|wait| (role, wait)))
    {
        once_within(SOON, || {
            let mut pair = Pair::new(bell, role, "on request");
            let mut end = pair.end();
            while end.moves(Duration::ZERO).is_ok() {}
            let (_producer, mut idle) = options(bell).heap::<u64>().expect("a ring");
            let before = pair.page.of(role).wakes;
            let (moved, time) = scope(|scope| {
                let waits = scope.spawn(|| {
                    let ended = match wait {
                        Wait::Alone => end.moves(AGES),
                        Wait::Select => {
                            let ends = &mut [idle.interest(), end.interest()];
                            match Select::new().wait(ends, Some(AGES)).expect("futexes") {
                                Selected::Ready(1) => end.moves(Duration::ZERO),
                                _ => Err(PopError::TimedOut),
                            }
                        }
                    };
                    (ended.is_ok(), Instant::now())
                });
                pair.stops_before_the_wake();
                let since = Instant::now();
                let (moved, until) = waits.join().expect("no thread panics");
                (moved, until.saturating_duration_since(since))
            });
            let wakes = pair.page.of(role).wakes;
            assert_eq!(wakes, before, "{bell}, {role}, {wait:?}: no wake");
            if moved { time } else { AGES }
        });
    }
}

fn a_peer_stopped_before_the_wake_is_no_rescue() {
    for (bell, role) in forms() {
        let mut pair = Pair::new(bell, role, "on request");
        let mut end = pair.end();
        while end.moves(Duration::ZERO).is_ok() {}
        let before = pair.page.of(role).wakes;
        let moved = scope(|scope| {
            let waits = scope.spawn(|| end.moves(Deadline::NEVER));
            pair.stops_before_the_wake();
            wait_until(|| pair.child.is_stopped());
            waits.join().expect("no thread panics")
        });
        assert_eq!(moved, Ok(()), "{bell} {role}");
        assert_eq!(pair.page.of(role).wakes, before, "{bell} {role}: no wake");
        assert_eq!(pair.rescues(), 0, "{bell} {role}");
        resume(&pair.child);
        pair.child.tell("go");
        assert_eq!(end.moves(PATIENCE), Ok(()), "{bell} {role}");
    }
}

/// The test publishes by writing to the segment while the producer is idle, and wakes no one.
fn a_missing_wake_is_a_rescue_unless_the_waker_is_stopped() {
    const ROUNDS: u64 = 4;
    for bell in BELLS {
        for stopped in [false, true] {
            let pair = Pair::new(bell, Role::Producer, "on request");
            let mut consumer = pair.ring().consumer().expect("the role is free");
            if stopped {
                stop(&pair.child);
            }
            for round in 0..ROUNDS {
                let popped = scope(|scope| {
                    let waits = scope.spawn(|| consumer.pop());
                    wait_until(|| pair.page.consumer_is_parked());
                    pair.segment.write(DATA + round * 8, round);
                    pair.segment.write(TAIL, round + 1);
                    waits.join().expect("no thread panics")
                });
                assert_eq!(popped, Ok(round), "{bell}");
            }
            // A liveness check may end a sleep at that moment, but not in each round.
            assert_eq!(pair.rescues() > 0, !stopped, "{bell}: {}", pair.rescues());
        }
    }
}
