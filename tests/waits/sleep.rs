//! A sleeping endpoint uses almost no CPU time, and is woken immediately when its peer
//! closes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::child::{Child, hear, hold, say};
use crate::common::clock::until;
use crate::common::deep_sleep::DeepSleeper;
use crate::common::forbid::forbid;
use crate::common::names::RingName;
use crate::common::sleep_state::{EndState, SleepPage, SleepState};
use quoit::{Consumer, DoorbellKind, Fences, PopError, Producer, PushError, Ring, RingOptions};

crate::common::suite::tests! {
    an_idle_consumer_wakes_at_most_eleven_times_a_second,
    an_idle_producer_wakes_at_most_eleven_times_a_second,
    a_close_wakes_a_sleeping_consumer,
    a_close_wakes_a_sleeping_producer,
    a_sleeper_takes_the_messages_published_before_the_close,
    a_peer_that_attaches_wakes_a_sleeper,
    wait_for_peer_sleeps_until_a_peer_attaches,
    a_batch_wakes_a_sleeper_once,
    a_sleeper_that_is_killed_costs_one_wake,
    a_ring_with_another_libraries_semaphore_is_refused;
    parts: popping, pushing, reading_when_there_is_one, writing_when_there_is_one
}

/// Every form of sleep.
const FORMS: [&str; 6] = [
    "futex",
    "symmetric futex",
    "futex without barriers",
    "semaphore",
    "symmetric semaphore",
    "semaphore without barriers",
];

/// Sleeps in this form, without spinning.
fn options(form: &str) -> RingOptions {
    let bell = match form.contains("semaphore") {
        true => DoorbellKind::Semaphore,
        false => DoorbellKind::Futex,
    };
    let fences = match form.starts_with("symmetric") {
        true => Fences::Symmetric,
        false => Fences::Asymmetric,
    };
    let options = RingOptions::new(2).doorbell(bell).fences(fences);
    options.spin(Duration::ZERO)
}

/// In a child: opens the ring, in a form that may need a kernel without barriers.
fn open(words: &[String]) -> Ring<u64> {
    if words[1].ends_with("without barriers") {
        forbid(libc::SYS_membarrier);
    }
    options(&words[1]).open(&words[0]).expect("the ring")
}

/// Pops until the producer has closed or crashed; reports the number of messages.
fn popping(words: &[String]) {
    let mut consumer = open(words).consumer().expect("the role is free");
    hold();
    let mut count = 0;
    let end = loop {
        match consumer.pop() {
            Ok(_) => count += 1,
            Err(end) => break end,
        }
    };
    assert_eq!(end, PopError::Abandoned);
    say(count);
    hear();
}

/// Pushes until the consumer has closed or crashed; reports the number of messages.
fn pushing(words: &[String]) {
    let mut producer = open(words).producer().expect("the role is free");
    hold();
    let mut count = 0;
    let end = loop {
        match producer.push(count) {
            Ok(()) => count += 1,
            Err(end) => break end,
        }
    };
    assert_eq!(end, PushError::Abandoned(count));
    say(count);
    hear();
}

/// Waits for a producer, and for each later one.
fn reading_when_there_is_one(words: &[String]) {
    let mut consumer = open(words).consumer().expect("the role is free");
    loop {
        hold();
        say(format!("{:?}", consumer.wait_for_peer()));
    }
}

/// Waits for a consumer, and for each later one.
fn writing_when_there_is_one(words: &[String]) {
    let mut producer = open(words).producer().expect("the role is free");
    loop {
        hold();
        say(format!("{:?}", producer.wait_for_peer()));
    }
}

struct Pair {
    name: RingName,
    page: SleepPage,
    child: Child,
}

/// A ring whose other endpoint is in a child that runs `part` when it gets a line.
fn idle_pair(form: &str, part: &str) -> Pair {
    let name = RingName::new("sleep");
    options(form).create::<u64>(&name).expect("a ring");
    let child = Child::start(part, &[name.as_str(), form]);
    child.expect("ready");
    let page = SleepPage::open(&name.file());
    Pair { name, page, child }
}

/// A ring whose other endpoint is in a child that runs `part`.
fn pair(form: &str, part: &str) -> Pair {
    let mut pair = idle_pair(form, part);
    pair.child.tell("go");
    pair
}

impl Pair {
    fn producer(&self, form: &str) -> Producer<u64> {
        let ring = options(form).open::<u64>(&self.name).expect("the ring");
        ring.producer().expect("the role is free")
    }

    fn consumer(&self, form: &str) -> Consumer<u64> {
        let ring = options(form).open::<u64>(&self.name).expect("the ring");
        ring.consumer().expect("the role is free")
    }

    /// Starts the child's part; it then sleeps until it is woken.
    fn sleeper(&mut self) -> DeepSleeper {
        let sleeper = DeepSleeper::new(self.child.pid());
        self.child.tell("go");
        sleeper
    }

    fn wait_until(&self, is_so: impl Fn(&SleepPage) -> bool) {
        until("it sleeps", || is_so(&self.page));
    }
}

/// Ten liveness checks per second, and one more.
fn wakes_seldom(parks: impl Fn() -> u64) {
    let (start, before) = (Instant::now(), parks());
    sleep(Duration::from_secs(3));
    let wakes = parks() - before;
    let most = 11.0 * start.elapsed().as_secs_f64();
    print!("[{wakes}, of {most:.0} at most] ");
    assert!(wakes > 0, "no endpoint sleeps");
    assert!(wakes as f64 <= most, "{wakes} wake-ups");
}

fn an_idle_consumer_wakes_at_most_eleven_times_a_second() {
    let pair = pair("futex", "popping");
    let _producer = pair.producer("futex");
    pair.wait_until(SleepPage::consumer_is_parked);
    wakes_seldom(|| pair.page.read().consumer.parks);
}

fn an_idle_producer_wakes_at_most_eleven_times_a_second() {
    let pair = pair("futex", "pushing");
    let _consumer = pair.consumer("futex");
    pair.wait_until(SleepPage::producer_is_parked);
    wakes_seldom(|| pair.page.read().producer.parks);
}

/// Closes many times while the peer sleeps until a wake.
fn closes<E>(part: &str, peer: fn(&Pair, &str) -> E, sleeper: fn(SleepState) -> EndState) {
    const ROUNDS: usize = 10;
    for form in FORMS {
        for _ in 0..ROUNDS {
            let mut pair = idle_pair(form, part);
            let peer = peer(&pair, form);
            let mut child = pair.sleeper();
            child.runs_into_sleep();
            drop(peer);
            assert_eq!(child.woken(), Some(0), "{form}: a close wakes");
            drop(child);
            pair.child.says();
            let state = sleeper(pair.page.read());
            assert_eq!((state.parks, state.rescues), (1, 0), "{form}: one sleep");
            assert_eq!(state.registered, !form.contains(' '), "{form}: barriers");
        }
        print!("[{form}: {ROUNDS} woken] ");
    }
}

fn a_close_wakes_a_sleeping_consumer() {
    closes("popping", Pair::producer, |state| state.consumer);
}

fn a_close_wakes_a_sleeping_producer() {
    closes("pushing", Pair::consumer, |state| state.producer);
}

fn a_sleeper_takes_the_messages_published_before_the_close() {
    for form in FORMS {
        let pair = pair(form, "popping");
        let mut producer = pair.producer(form);
        pair.wait_until(SleepPage::consumer_is_parked);
        for number in 0..100 {
            producer.push(number).expect("the consumer is attached");
        }
        drop(producer);
        assert_eq!(pair.child.says(), "100", "{form}");
    }
}

fn a_peer_that_attaches_wakes_a_sleeper() {
    for form in FORMS {
        let mut pair = idle_pair(form, "popping");
        let mut child = pair.sleeper();
        child.runs_into_sleep();
        let producer = pair.producer(form);
        assert_eq!(child.woken(), Some(0), "{form}");
        drop(producer);
    }
}

/// Waits for a first peer, and for a peer after others have closed or were killed.
fn awaited<E>(part: &str, peer: fn(&Pair, &str) -> E, sleeper: fn(SleepState) -> EndState) {
    const ROUNDS: u64 = 3;
    for form in FORMS {
        let mut pair = idle_pair(form, part);
        for round in 0..ROUNDS {
            let mut child = pair.sleeper();
            child.runs_into_sleep();
            let peer = peer(&pair, form);
            assert_eq!(child.woken(), Some(0), "{form}: round {round}");
            drop(child);
            pair.child.expect("Ok(())");
            pair.child.expect("ready");
            pair.child.tell("go");
            pair.child.expect("Ok(())"); // it is attached
            pair.child.expect("ready");
            drop(peer);
        }
        let state = sleeper(pair.page.read());
        assert_eq!((state.parks, state.rescues), (ROUNDS, 0), "{form}");
    }
}

fn wait_for_peer_sleeps_until_a_peer_attaches() {
    let (reading, writing) = ("reading_when_there_is_one", "writing_when_there_is_one");
    awaited(reading, Pair::producer, |state| state.consumer);
    awaited(writing, Pair::consumer, |state| state.producer);
}

fn a_batch_wakes_a_sleeper_once() {
    for form in FORMS {
        let mut pair = idle_pair(form, "popping");
        let mut producer = pair.producer(form);
        let mut child = pair.sleeper();
        for _ in 0..20 {
            child.runs_into_sleep();
            let before = pair.page.read().producer.wakes;
            assert_eq!(producer.try_push_slice(&[1, 2]), Ok(2), "{form}");
            assert_eq!(child.woken(), Some(0), "{form}");
            let wakes = pair.page.read().producer.wakes - before;
            assert_eq!(wakes, 1, "{form}: wakes for one batch");
        }
        drop(child);
        drop(producer);
        assert_eq!(pair.child.says(), "40", "{form}");
        let consumer = pair.page.read().consumer;
        assert_eq!(consumer.rescues, 0, "{form}");
    }
}

fn a_sleeper_that_is_killed_costs_one_wake() {
    for bell in ["futex", "semaphore"] {
        let mut pair = pair(bell, "popping");
        let mut producer = pair.producer(bell);
        pair.wait_until(SleepPage::consumer_is_parked);
        pair.child.kill();
        assert!(
            pair.page.consumer_is_parked(),
            "{bell}: it was killed during its sleep"
        );
        let before = pair.page.read().producer.wakes;
        producer.try_push(1).expect("there is room");
        producer.try_push(2).expect("there is room");
        let wakes = pair.page.read().producer.wakes - before;
        assert_eq!(wakes, 1, "{bell}: one wake without a sleeper, and no more");
        let mut successor = pair.consumer(bell);
        assert_eq!(successor.pop(), Ok(1), "{bell}");
    }
}

fn a_ring_with_another_libraries_semaphore_is_refused() {
    let name = RingName::new("doorbell");
    let options = RingOptions::new(2).doorbell(DoorbellKind::Semaphore);
    options.create::<u64>(&name).expect("a ring");
    let file = crate::common::segment_file::SegmentFile::open(&name.file());
    let field = crate::common::segment_file::DOORBELL;
    let ours = file.read(field) as u32;
    for other in [ours ^ 0x300, ours + 0x10000, 7] {
        file.write_half(field, other);
        let refused = options.open::<u64>(&name);
        assert!(
            matches!(refused, Err(quoit::Error::DoorbellMismatch { found }) if found == other),
            "{other:#x}: {refused:?}"
        );
    }
    file.write_half(field, ours);
    // The opener requests a futex, and sleeps on the ring's doorbell.
    RingOptions::new(2).open::<u64>(&name).expect("the ring");
}
