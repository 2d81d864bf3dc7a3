//! A stopped process (SIGSTOP, a debugger, a paused machine) is alive: it keeps its role,
//! the peer waits until its own deadline, and no message is lost when it continues. The
//! same holds for a slow process.

mod common;

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use common::PATIENCE;
use common::child::{Child, hear, say};
use common::clock::once_within;
use common::dice::Dice;
use common::names::RingName;
use common::segment_file::{DATA, HEAD, SegmentFile, TAIL};
use common::sleep_state::SleepPage;
use common::tracer::Halted;
use quoit::{
    Consumer, DoorbellKind, Error, Holder, PopError, Producer, PushError, Ring, RingOptions, Role,
    Select, Selected, StalePolicy,
};

common::suite::suite! {
    tests: [
        the_consumer_of_a_stopped_producer_times_out_and_continues,
        the_producer_of_a_stopped_consumer_times_out_and_continues,
        nothing_is_taken_from_a_stopped_process,
        endpoints_that_are_stopped_at_work_lose_nothing,
        a_slow_peer_costs_deadlines_and_no_message,
        a_record_arrives_soon_if_the_producer_stops_before_the_wake,
        room_is_found_soon_if_the_consumer_stops_before_the_wake,
        a_producer_stopped_between_publish_and_wake_is_no_rescue,
        a_consumer_stopped_between_release_and_wake_is_no_rescue,
        a_missing_wake_is_a_rescue_unless_the_waker_is_stopped,
    ],
    parts: [pushing, popping, pushing_on_request, popping_on_request],
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
    segment: SegmentFile,
    page: SleepPage,
    child: Child,
}

impl Pair {
    fn new(bell: &'static str, part: &str, pace: &str) -> Self {
        let name = RingName::new("stopped");
        options(bell).create::<u64>(&name).expect("a ring");
        Self {
            bell,
            segment: SegmentFile::open(&name.file()),
            page: SleepPage::open(&name.file()),
            child: start(part, &name, pace),
            name,
        }
    }

    fn ring(&self) -> Ring<u64> {
        options(self.bell).open(&self.name).expect("the ring")
    }

    fn producer(&self) -> Producer<u64> {
        self.ring().producer().expect("the role is free")
    }

    fn consumer(&self) -> Consumer<u64> {
        self.ring().consumer().expect("the role is free")
    }

    fn rescues(&self) -> u64 {
        let state = self.page.read();
        state.producer.rescues + state.consumer.rescues
    }
}

fn start(part: &str, name: &RingName, pace: &str) -> Child {
    let child = Child::start(part, &[name.as_str(), pace]);
    child.expect("ready");
    child
}

fn pause(pace: &str) {
    if pace == "slow" {
        sleep(Duration::from_millis(5));
    }
}

/// Pushes positions until the consumer has closed.
fn pushing(arguments: &[String]) {
    let ring = options("any").open::<u64>(&arguments[0]);
    let mut producer = ring.expect("the ring").producer().expect("the role");
    say("ready");
    loop {
        pause(&arguments[1]);
        let position = producer.position();
        if producer.push(position).is_err() {
            break;
        }
    }
}

/// Pops positions until there are no more; reports their number.
fn popping(arguments: &[String]) {
    let ring = options("any").open::<u64>(&arguments[0]);
    let mut consumer = ring.expect("the ring").consumer().expect("the role");
    say("ready");
    loop {
        pause(&arguments[1]);
        let position = consumer.position();
        match consumer.pop() {
            Ok(found) => assert_eq!(found, position),
            Err(end) => break assert_eq!(end, PopError::Abandoned),
        }
    }
    say(consumer.position());
}

/// Pushes its position for each line that it reads.
fn pushing_on_request(arguments: &[String]) {
    let mut producer = Producer::<u64>::open(&arguments[0]).expect("the role");
    say("ready");
    loop {
        hear();
        let position = producer.position();
        producer.push(position).expect("the consumer is attached");
    }
}

/// Pops a position for each line that it reads.
fn popping_on_request(arguments: &[String]) {
    let mut consumer = Consumer::<u64>::open(&arguments[0]).expect("the role");
    say("ready");
    loop {
        hear();
        let position = consumer.position();
        assert_eq!(consumer.pop(), Ok(position));
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        sleep(Duration::from_millis(1));
    }
}

fn stop(child: &Child) {
    child.signal(libc::SIGSTOP);
    wait_until(|| child.is_stopped());
}

fn resume(child: &Child) {
    assert!(child.is_stopped(), "it was stopped during all this");
    child.signal(libc::SIGCONT);
}

fn the_consumer_of_a_stopped_producer_times_out_and_continues() {
    for bell in BELLS {
        let pair = Pair::new(bell, "pushing", "fast");
        wait_until(|| pair.segment.read(TAIL) == CAPACITY);
        stop(&pair.child);
        let mut consumer = pair.consumer();
        assert!(consumer.try_iter().eq(0..CAPACITY), "{bell}");
        let parks = || pair.page.read().consumer.parks;
        let before = parks();
        // On a busy machine its timeout may pass before it sleeps.
        let mut tries = 0;
        while parks() == before {
            tries += 1;
            assert!(tries < 50, "{bell}: it never sleeps");
            let end = consumer.pop_timeout(LOOKS);
            assert_eq!(end, Err(PopError::TimedOut), "{bell}");
        }
        assert!(!consumer.is_abandoned(), "{bell}");
        resume(&pair.child);
        for position in CAPACITY..100 {
            assert_eq!(consumer.pop(), Ok(position), "{bell}");
        }
        assert_eq!(pair.rescues(), 0, "{bell}");
        drop(consumer);
        pair.child.succeeds();
    }
}

fn the_producer_of_a_stopped_consumer_times_out_and_continues() {
    for bell in BELLS {
        let pair = Pair::new(bell, "popping", "fast");
        wait_until(|| pair.page.consumer_is_parked());
        stop(&pair.child);
        let mut producer = pair.producer();
        for position in 0..CAPACITY {
            producer.push(position).expect("there is room");
        }
        let parks = || pair.page.read().producer.parks;
        let before = parks();
        let mut tries = 0;
        while parks() == before {
            tries += 1;
            assert!(tries < 50, "{bell}: it never sleeps");
            let end = producer.push_timeout(CAPACITY, LOOKS);
            assert_eq!(end, Err(PushError::TimedOut(CAPACITY)), "{bell}");
        }
        assert!(!producer.is_abandoned(), "{bell}");
        resume(&pair.child);
        for position in CAPACITY..100 {
            producer.push(position).expect("the consumer is attached");
        }
        drop(producer);
        pair.child.expect("100");
        assert_eq!(pair.rescues(), 0, "{bell}");
    }
}

fn nothing_is_taken_from_a_stopped_process() {
    for (part, role) in [("pushing", Role::Producer), ("popping", Role::Consumer)] {
        let pair = Pair::new("futex", part, "fast");
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
            let Some(Error::InUse {
                role: found,
                holder,
            }) = refusal
            else {
                panic!("the {role} lost something: {refusal:?}");
            };
            assert_eq!((found, holder), (role, Holder::Known(pair.child.pid())));
        }
        let created = RingOptions::new(CAPACITY).create::<u64>(name).err();
        let in_use = matches!(created, Some(Error::AlreadyExists { in_use: true, .. }));
        assert!(in_use, "{created:?}");
        resume(&pair.child);
        let other = match role {
            Role::Producer => start("popping", name, "fast"),
            Role::Consumer => start("pushing", name, "fast"),
        };
        wait_until(|| pair.segment.read(HEAD) > CAPACITY);
        drop(other);
    }
}

fn endpoints_that_are_stopped_at_work_lose_nothing() {
    const STOPS: u64 = 200;
    let mut dice = Dice(1);
    for bell in BELLS {
        let pair = Pair::new(bell, "popping", "fast");
        let mut producer = start("pushing", &pair.name, "fast");
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
    let timeout = Duration::from_millis(1);
    for bell in BELLS {
        let pair = Pair::new(bell, "pushing", "slow");
        let mut consumer = pair.consumer();
        let (mut position, mut deadlines) = (0, 0);
        // The peer is slow only if this process is not slower.
        while position < MESSAGES || deadlines == 0 {
            match consumer.pop_timeout(timeout) {
                Ok(found) => {
                    assert_eq!(found, position, "{bell}");
                    position += 1;
                }
                Err(PopError::TimedOut) => deadlines += 1,
                Err(other) => panic!("{other}"),
            }
        }
        drop(consumer);
        pair.child.succeeds();

        let pair = Pair::new(bell, "popping", "slow");
        let mut producer = pair.producer();
        let (mut position, mut deadlines) = (0, 0);
        while position < MESSAGES || deadlines == 0 {
            match producer.push_timeout(position, timeout) {
                Ok(()) => position += 1,
                Err(PushError::TimedOut(value)) => {
                    assert_eq!(value, position, "{bell}");
                    deadlines += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        drop(producer);
        pair.child.expect(&position.to_string());
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

fn a_record_arrives_soon_if_the_producer_stops_before_the_wake() {
    for (bell, wait) in WAITS {
        once_within(SOON, || {
            let mut pair = Pair::new(bell, "pushing_on_request", "fast");
            let mut consumer = pair.consumer();
            let (_producer, mut other) = options(bell).heap::<u64>().expect("a ring");
            let before = pair.page.read().producer.wakes;
            let (popped, time) = scope(|scope| {
                let waits = scope.spawn(|| {
                    if let Wait::Select = wait {
                        let ends = &mut [other.interest(), consumer.interest()];
                        let selected = Select::new().wait(ends, Some(AGES)).expect("futexes");
                        let is_there = matches!(selected, Selected::Ready(1));
                        let popped = is_there.then(|| consumer.try_pop().expect("a record"));
                        return (popped, Instant::now());
                    }
                    (consumer.pop_timeout(AGES).ok(), Instant::now())
                });
                wait_until(|| pair.page.consumer_is_parked());
                let halted = Halted::new(pair.child.pid());
                pair.child.tell("push");
                halted.stop_when(|| pair.segment.read(TAIL) == 1);
                let since = Instant::now();
                let (popped, until) = waits.join().expect("no thread panics");
                (popped, until.saturating_duration_since(since))
            });
            let wakes = pair.page.read().producer.wakes;
            assert_eq!(wakes, before, "{bell}, {wait:?}: no wake");
            assert!(
                matches!(popped, None | Some(0)),
                "{bell}, {wait:?}: {popped:?}"
            );
            popped.map_or(AGES, |_| time)
        });
    }
}

fn room_is_found_soon_if_the_consumer_stops_before_the_wake() {
    for (bell, wait) in WAITS {
        once_within(SOON, || {
            let mut pair = Pair::new(bell, "popping_on_request", "fast");
            let mut producer = pair.producer();
            for position in 0..CAPACITY {
                producer.push(position).expect("there is room");
            }
            let (_producer, mut other) = options(bell).heap::<u64>().expect("a ring");
            let before = pair.page.read().consumer.wakes;
            let (has_room, time) = scope(|scope| {
                let waits = scope.spawn(|| {
                    if let Wait::Select = wait {
                        let ends = &mut [other.interest(), producer.interest()];
                        let selected = Select::new().wait(ends, Some(AGES)).expect("futexes");
                        let has_room = matches!(selected, Selected::Ready(1));
                        return (has_room, Instant::now());
                    }
                    let pushed = producer.push_timeout(CAPACITY, AGES);
                    (pushed.is_ok(), Instant::now())
                });
                wait_until(|| pair.page.producer_is_parked());
                let halted = Halted::new(pair.child.pid());
                pair.child.tell("pop");
                halted.stop_when(|| pair.segment.read(HEAD) == 1);
                let since = Instant::now();
                let (has_room, until) = waits.join().expect("no thread panics");
                (has_room, until.saturating_duration_since(since))
            });
            let wakes = pair.page.read().consumer.wakes;
            assert_eq!(wakes, before, "{bell}, {wait:?}: no wake");
            if has_room { time } else { AGES }
        });
    }
}

fn a_producer_stopped_between_publish_and_wake_is_no_rescue() {
    for bell in BELLS {
        let mut pair = Pair::new(bell, "pushing_on_request", "fast");
        let mut consumer = pair.consumer();
        let before = pair.page.read().producer.wakes;
        let popped = scope(|scope| {
            let waits = scope.spawn(|| consumer.pop());
            wait_until(|| pair.page.consumer_is_parked());
            let halted = Halted::new(pair.child.pid());
            pair.child.tell("push");
            halted.stop_when(|| pair.segment.read(TAIL) == 1);
            wait_until(|| pair.child.is_stopped());
            waits.join().expect("no thread panics")
        });
        assert_eq!(popped, Ok(0), "{bell}");
        assert_eq!(pair.page.read().producer.wakes, before, "{bell}: no wake");
        assert_eq!(pair.rescues(), 0, "{bell}");
        resume(&pair.child);
        pair.child.tell("push");
        assert_eq!(consumer.pop(), Ok(1), "{bell}");
    }
}

fn a_consumer_stopped_between_release_and_wake_is_no_rescue() {
    for bell in BELLS {
        let mut pair = Pair::new(bell, "popping_on_request", "fast");
        let mut producer = pair.producer();
        for position in 0..CAPACITY {
            producer.push(position).expect("there is room");
        }
        let before = pair.page.read().consumer.wakes;
        let pushed = scope(|scope| {
            let waits = scope.spawn(|| producer.push(CAPACITY));
            wait_until(|| pair.page.producer_is_parked());
            let halted = Halted::new(pair.child.pid());
            pair.child.tell("pop");
            halted.stop_when(|| pair.segment.read(HEAD) == 1);
            wait_until(|| pair.child.is_stopped());
            waits.join().expect("no thread panics")
        });
        assert_eq!(pushed, Ok(()), "{bell}");
        assert_eq!(pair.page.read().consumer.wakes, before, "{bell}: no wake");
        assert_eq!(pair.rescues(), 0, "{bell}");
        resume(&pair.child);
        pair.child.tell("pop");
        let pushed = producer.push_timeout(CAPACITY + 1, PATIENCE);
        assert_eq!(pushed, Ok(()), "{bell}");
    }
}

/// The test publishes by writing to the segment while the producer is idle, and wakes no one.
fn a_missing_wake_is_a_rescue_unless_the_waker_is_stopped() {
    const ROUNDS: u64 = 4;
    for bell in BELLS {
        for stopped in [false, true] {
            let pair = Pair::new(bell, "pushing_on_request", "fast");
            let mut consumer = pair.consumer();
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
