//! An end that sleeps costs next to nothing, and is told at once when its peer
//! leaves.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use common::child::{Child, hear, say};
use common::names::RingName;
use common::sleep_state::{EndState, SleepPage, SleepState};
use quoit::{Consumer, DoorbellKind, Fences, PopError, Producer, PushError, RingOptions};

common::suite::suite! {
    tests: [
        an_idle_consumer_wakes_at_most_eleven_times_a_second,
        an_idle_producer_wakes_at_most_eleven_times_a_second,
        a_goodbye_wakes_a_sleeping_consumer,
        a_goodbye_wakes_a_sleeping_producer,
        a_sleeper_takes_what_was_published_before_the_goodbye,
        a_newcomer_wakes_a_sleeper,
        a_batch_wakes_a_sleeper_once,
        a_sleeper_that_is_killed_costs_one_wake,
        a_ring_with_another_libraries_semaphore_is_refused,
    ],
    parts: [popping, pushing],
}

const BELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];

/// Every way to sleep, at once and without spinning.
fn forms() -> impl Iterator<Item = (&'static str, RingOptions)> {
    let fences = [Fences::Asymmetric, Fences::Symmetric];
    BELLS.into_iter().flat_map(move |bell| {
        fences.into_iter().map(move |fences| {
            let options = RingOptions::new(2).doorbell(bell).fences(fences);
            let name = match (bell, fences) {
                (DoorbellKind::Futex, Fences::Asymmetric) => "futex",
                (DoorbellKind::Futex, _) => "symmetric futex",
                (_, Fences::Asymmetric) => "semaphore",
                _ => "symmetric semaphore",
            };
            (name, options.spin(Duration::ZERO))
        })
    })
}

fn options(form: &str) -> RingOptions {
    let (_, options) = forms().find(|(name, _)| *name == form).expect("a form");
    options
}

/// Pops until the producer is gone; says how many there were.
fn popping(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let mut consumer = ring.consumer().expect("the role is free");
    say("ready");
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

/// Pushes until the consumer is gone; says how many went in.
fn pushing(words: &[String]) {
    let ring = options(&words[1]).open::<u64>(&words[0]).expect("the ring");
    let mut producer = ring.producer().expect("the role is free");
    say("ready");
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

struct Pair {
    name: RingName,
    page: SleepPage,
    child: Child,
}

/// A ring whose other end is a child that plays `part`.
fn pair(form: &str, part: &str) -> Pair {
    let name = RingName::new("sleep");
    options(form).create::<u64>(&name).expect("a ring");
    let child = Child::start(part, &[name.as_str(), form]);
    child.expect("ready");
    let page = SleepPage::open(&name.file());
    Pair { name, page, child }
}

impl Pair {
    fn producer(&self, form: &str) -> Producer<u64> {
        let ring = options(form).open(&self.name).expect("the ring");
        ring.producer().expect("the role is free")
    }

    fn consumer(&self, form: &str) -> Consumer<u64> {
        let ring = options(form).open(&self.name).expect("the ring");
        ring.consumer().expect("the role is free")
    }

    fn wait_until(&self, is_so: impl Fn(&SleepPage) -> bool) {
        while !is_so(&self.page) {
            sleep(Duration::from_millis(1));
        }
    }
}

/// Ten looks a second, and one to spare.
fn wakes_seldom(parks: impl Fn() -> u64) {
    let (start, before) = (Instant::now(), parks());
    sleep(Duration::from_secs(3));
    let wakes = parks() - before;
    let most = 11.0 * start.elapsed().as_secs_f64();
    print!("[{wakes}, of {most:.0} at most] ");
    assert!(wakes > 0, "nobody sleeps");
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

/// Says goodbye to a sleeper many times. A look at the peer may end a sleep
/// just then, so a sleep that a wake ends is asked of most rounds only; that no
/// deadline was needed, of all.
fn goodbyes(part: &str, sleeper: fn(SleepState) -> EndState, goodbye: impl Fn(&Pair, &str)) {
    const ROUNDS: usize = 10;
    for (form, _) in forms() {
        let mut undisturbed = 0;
        for _ in 0..ROUNDS {
            let pair = pair(form, part);
            let wakes = || pair.page.read().producer.wakes + pair.page.read().consumer.wakes;
            goodbye(&pair, form);
            // From here on the peer is gone.
            pair.child.says();
            let state = sleeper(pair.page.read());
            assert!(wakes() >= 2, "{form}: newcomer and goodbye wake");
            assert_eq!(state.rescues, 0, "{form}: no deadline was needed");
            undisturbed += usize::from(state.parks <= 2);
        }
        print!("[{form}: {undisturbed} of {ROUNDS}] ");
        assert!(undisturbed > ROUNDS / 2, "{form}: a wake ends the sleep");
    }
}

fn a_goodbye_wakes_a_sleeping_consumer() {
    let sleeper = |state: SleepState| state.consumer;
    goodbyes("popping", sleeper, |pair, form| {
        let producer = pair.producer(form);
        pair.wait_until(SleepPage::consumer_is_parked);
        drop(producer);
    });
}

fn a_goodbye_wakes_a_sleeping_producer() {
    let sleeper = |state: SleepState| state.producer;
    goodbyes("pushing", sleeper, |pair, form| {
        let consumer = pair.consumer(form);
        pair.wait_until(SleepPage::producer_is_parked);
        drop(consumer);
    });
}

fn a_sleeper_takes_what_was_published_before_the_goodbye() {
    for (form, _) in forms() {
        let pair = pair(form, "popping");
        let mut producer = pair.producer(form);
        pair.wait_until(SleepPage::consumer_is_parked);
        for number in 0..100 {
            producer.push(number).expect("the consumer lives");
        }
        drop(producer);
        assert_eq!(pair.child.says(), "100", "{form}");
    }
}

fn a_newcomer_wakes_a_sleeper() {
    for (form, _) in forms() {
        let pair = pair(form, "popping");
        pair.wait_until(SleepPage::consumer_is_parked);
        let before = pair.page.read();
        let producer = pair.producer(form);
        let after = pair.page.read();
        assert!(after.producer.wakes > before.producer.wakes, "{form}");
        drop(producer);
    }
}

fn a_batch_wakes_a_sleeper_once() {
    for (form, _) in forms() {
        let pair = pair(form, "popping");
        let mut producer = pair.producer(form);
        for _ in 0..20 {
            pair.wait_until(SleepPage::consumer_is_parked);
            let before = pair.page.read().producer.wakes;
            let pushed = producer.try_push_slice(&[1, 2]);
            assert_eq!(pushed, Ok(2), "{form}");
            let wakes = pair.page.read().producer.wakes - before;
            // None if a look at the peer had just ended the sleep.
            assert!(wakes <= 1, "{form}: {wakes} wakes for one batch");
        }
        drop(producer);
        assert_eq!(pair.child.says(), "40", "{form}");
        let rescues = pair.page.read().consumer.rescues;
        assert_eq!(rescues, 0, "{form}");
    }
}

fn a_sleeper_that_is_killed_costs_one_wake() {
    for bell in ["futex", "semaphore"] {
        let mut pair = pair(bell, "popping");
        let mut producer = pair.producer(bell);
        pair.wait_until(SleepPage::consumer_is_parked);
        pair.child.kill();
        assert!(pair.page.consumer_is_parked(), "{bell}: it died asleep");
        let before = pair.page.read().producer.wakes;
        producer.try_push(1).expect("there is room");
        producer.try_push(2).expect("there is room");
        let wakes = pair.page.read().producer.wakes - before;
        assert_eq!(wakes, 1, "{bell}: one wake for nobody, and no more");
        let mut successor = pair.consumer(bell);
        assert_eq!(successor.pop(), Ok(1), "{bell}");
    }
}

fn a_ring_with_another_libraries_semaphore_is_refused() {
    let name = RingName::new("doorbell");
    let options = RingOptions::new(2).doorbell(DoorbellKind::Semaphore);
    options.create::<u64>(&name).expect("a ring");
    let file = common::segment_file::SegmentFile::open(&name.file());
    let field = common::segment_file::DOORBELL;
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
    // The opener asks for a futex, and sleeps on what the ring has.
    RingOptions::new(2).open::<u64>(&name).expect("the ring");
}
