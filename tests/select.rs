//! One wait for many rings: the first with something to do ends it, wherever
//! it stands, and no ring waits behind a busier one.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use common::child::{Child, hear, hold, say};
use common::deep_sleep::DeepSleeper;
use common::forbid::forbid;
use common::names::RingName;
use common::sleep_state::SleepPage;
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Interest, Producer, RingOptions, Select,
    SelectError, Selected,
};

common::suite::suite! {
    tests: [
        each_of_the_most_rings_can_end_the_wait,
        rings_that_are_ready_take_turns,
        shapes_and_roles_can_be_mixed,
        room_ends_a_producers_wait,
        a_goodbye_ends_the_wait,
        a_killed_peer_ends_the_wait,
        what_a_gone_peer_left_comes_first,
        nothing_to_do_ends_at_the_deadline,
        a_sleeping_select_is_woken_from_another_process,
        a_batch_wakes_a_sleeping_select_once,
        a_goodbye_wakes_a_sleeping_select,
        a_peer_that_is_killed_during_the_sleep_ends_the_wait,
        a_sleep_that_no_barrier_protects_is_short,
        an_idle_select_wakes_at_most_eleven_times_a_second,
        what_cannot_be_waited_for_is_refused,
        a_kernel_without_it_is_an_error,
    ],
    parts: [echoing, holding, selecting, waiting_without_a_call],
}

/// Parks at once, so that each wait is a sleep.
fn options() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

fn heap_pairs(count: usize) -> (Vec<Producer<u64>>, Vec<Consumer<u64>>) {
    let pairs = (0..count).map(|_| options().heap::<u64>().expect("a ring"));
    pairs.unzip()
}

fn ends(consumers: &mut [Consumer<u64>]) -> Vec<Interest<'_>> {
    consumers.iter_mut().map(Consumer::interest).collect()
}

fn each_of_the_most_rings_can_end_the_wait() {
    let (mut producers, mut consumers) = heap_pairs(Select::MOST_ENDS);
    let mut select = Select::new();
    for index in [0, 1, 63, 125, 126] {
        let waker = &mut producers[index];
        let selected = std::thread::scope(|scope| {
            let wait = scope.spawn(|| select.wait(&mut ends(&mut consumers), None));
            sleep(Duration::from_millis(5)); // usually it sleeps by now
            waker.try_push(index as u64).expect("there is room");
            wait.join().expect("the wait returns")
        });
        assert_eq!(selected.expect("a ring"), Selected::Ready(index));
        assert_eq!(consumers[index].try_pop(), Ok(index as u64));
    }
}

fn rings_that_are_ready_take_turns() {
    let (mut producers, mut consumers) = heap_pairs(5);
    for producer in &mut producers {
        producer.try_push_slice(&[0; 64]).expect("there is room");
    }
    let mut select = Select::new();
    let mut turns = [0; 5];
    for _ in 0..100 {
        let selected = select.wait(&mut ends(&mut consumers), None);
        let Ok(Selected::Ready(index)) = selected else {
            panic!("{selected:?} though all are ready");
        };
        consumers[index].try_pop().expect("it is ready");
        turns[index] += 1;
    }
    assert_eq!(turns, [20; 5]);
}

fn shapes_and_roles_can_be_mixed() {
    let (mut ticks_in, mut ticks) = options().heap::<u64>().expect("a ring");
    let (mut log_in, mut log) = options().heap::<[u8]>().expect("a ring");
    let (mut frames, mut frames_out) = options().heap::<[u8]>().expect("a ring");
    while frames.try_push(&[0; 8]).is_ok() {}
    let mut select = Select::new();
    let mut wait =
        |ticks: &mut Consumer<u64>, log: &mut FrameConsumer, frames: &mut FrameProducer| {
            let mut ends = [ticks.interest(), log.interest(), frames.interest(20)];
            let selected = select.wait(&mut ends, Some(common::PATIENCE));
            selected.expect("something to do")
        };
    log_in.try_push(b"hello").expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(1));
    log.try_peek().expect("a frame").release();
    frames_out.skip(usize::MAX).expect("frames");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(2));
    frames.try_push(&[0; 20]).expect("there is room");
    ticks_in.try_push(7).expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(0));
}

fn room_ends_a_producers_wait() {
    let (mut producer, mut consumer) = options().heap::<u64>().expect("a ring");
    producer.try_push_slice(&[0; 64]).expect("there is room");
    let selected = std::thread::scope(|scope| {
        let wait = scope.spawn(|| Select::new().wait(&mut [producer.interest()], None));
        sleep(Duration::from_millis(5));
        consumer.try_pop().expect("a record");
        wait.join().expect("the wait returns")
    });
    assert_eq!(selected.expect("room"), Selected::Ready(0));
    producer.try_push(1).expect("there is room");
}

fn a_goodbye_ends_the_wait() {
    let (mut producers, mut consumers) = heap_pairs(3);
    let leaver = producers.remove(1);
    let selected = std::thread::scope(|scope| {
        let wait = scope.spawn(|| Select::new().wait(&mut ends(&mut consumers), None));
        sleep(Duration::from_millis(5));
        drop(leaver);
        wait.join().expect("the wait returns")
    });
    assert_eq!(selected.expect("a goodbye"), Selected::Gone(1));
}

/// Takes the producer's role and does nothing.
fn holding(words: &[String]) {
    let _producer = Producer::<u64>::open(&words[0]).expect("the role is free");
    hold();
}

fn a_killed_peer_ends_the_wait() {
    let name = RingName::new("killed");
    let ring = options().create::<u64>(&name).expect("a ring");
    let mut consumer = ring.consumer().expect("the role is free");
    let (_producer, mut other) = options().heap::<u64>().expect("a ring");
    let mut child = Child::start("holding", &[name.as_str()]);
    child.expect("ready");
    child.kill();
    let mut both = [other.interest(), consumer.interest()];
    let selected = Select::new().wait(&mut both, Some(common::PATIENCE));
    assert_eq!(selected.expect("a death"), Selected::Gone(1));
    assert!(consumer.is_abandoned());
}

fn what_a_gone_peer_left_comes_first() {
    let (mut producer, mut consumer) = options().heap::<u64>().expect("a ring");
    producer.try_push(1).expect("there is room");
    drop(producer);
    let mut select = Select::new();
    let mut wait = |consumer: &mut Consumer<u64>| {
        let selected = select.wait(&mut [consumer.interest()], None);
        selected.expect("something to do")
    };
    assert_eq!(wait(&mut consumer), Selected::Ready(0));
    assert_eq!(consumer.try_pop(), Ok(1));
    assert_eq!(wait(&mut consumer), Selected::Gone(0));
}

fn nothing_to_do_ends_at_the_deadline() {
    let (_producers, mut consumers) = heap_pairs(3);
    let timeout = Duration::from_millis(150);
    let start = Instant::now();
    let selected = Select::new().wait(&mut ends(&mut consumers), Some(timeout));
    assert!(matches!(selected, Err(SelectError::TimedOut)));
    assert!(start.elapsed() >= timeout, "not before its time");
}

/// Sends back what it gets, one by one, each on the ring where it came from.
fn echoing(words: &[String]) {
    let open = |name: &String| options().open::<u64>(name).expect("the ring");
    let mut consumer = open(&words[0]).consumer().expect("the role is free");
    let mut producers =
        [&words[1], &words[2]].map(|name| open(name).producer().expect("the role is free"));
    say("ready");
    while let Ok(number) = consumer.pop() {
        let producer = &mut producers[number as usize % 2];
        producer.push(number).expect("the parent lives");
    }
    hear();
}

fn a_sleeping_select_is_woken_from_another_process() {
    let names = ["out", "even", "odd"].map(RingName::new);
    let [out, even, odd] = names
        .each_ref()
        .map(|name| options().create::<u64>(name).expect("a ring"));
    let mut producer = out.producer().expect("the role is free");
    let mut consumers = [even, odd].map(|ring| ring.consumer().expect("the role is free"));
    let words = names.each_ref().map(RingName::as_str);
    let child = Child::start("echoing", &words);
    child.expect("ready");
    let mut select = Select::new();
    for number in 0..5000 {
        producer.push(number).expect("the child lives");
        let [even, odd] = &mut consumers;
        let selected = select.wait(&mut [even.interest(), odd.interest()], None);
        let index = number as usize % 2;
        assert_eq!(selected.expect("an echo"), Selected::Ready(index));
        assert_eq!(consumers[index].try_pop(), Ok(number));
    }
    for name in &names[1..] {
        let state = SleepPage::open(&name.file()).read().consumer;
        print!("[{} parks, {} rescues] ", state.parks, state.rescues);
        assert!(state.parks > 100, "it slept");
        assert_eq!(state.rescues, 0, "and was woken");
    }
    drop(producer);
    child.succeeds();
}

const KERNELS: [&str; 2] = ["with barriers", "without barriers"];

/// Waits at two rings until one has lost its producer; says how many records
/// came, and which ring it was.
fn selecting(words: &[String]) {
    if words[2] == "without barriers" {
        forbid(libc::SYS_membarrier);
    }
    let mut consumers = [&words[0], &words[1]].map(|name| {
        let ring = options().open::<u64>(name).expect("the ring");
        ring.consumer().expect("the role is free")
    });
    hold();
    let mut select = Select::new();
    let mut count = 0;
    let gone = loop {
        let selected = select.wait(&mut ends(&mut consumers), None);
        match selected.expect("something to do") {
            Selected::Ready(index) => count += consumers[index].try_iter().count(),
            Selected::Gone(index) => break index,
        }
    };
    say(format!("{count}, and {gone} is gone"));
    hear();
}

/// Two rings whose consumers are in a child that will wait for both.
struct Two {
    names: [RingName; 2],
    child: Child,
}

impl Two {
    fn new(kernel: &str) -> Self {
        let names = ["left", "right"].map(RingName::new);
        for name in &names {
            options().create::<u64>(name).expect("a ring");
        }
        let child = Child::start("selecting", &[names[0].as_str(), names[1].as_str(), kernel]);
        child.expect("ready");
        Self { names, child }
    }

    fn producer(&self, index: usize) -> Producer<u64> {
        let ring = options().open::<u64>(&self.names[index]).expect("the ring");
        ring.producer().expect("the role is free")
    }

    /// The child, which now waits and sleeps until it is woken.
    fn sleeper(&mut self) -> DeepSleeper {
        let sleeper = DeepSleeper::new(self.child.pid());
        self.child.tell("go");
        sleeper
    }

    fn page(&self, index: usize) -> SleepPage {
        SleepPage::open(&self.names[index].file())
    }

    fn no_rescue(&self, kernel: &str) {
        for index in [0, 1] {
            let consumer = self.page(index).read().consumer;
            assert_eq!(consumer.rescues, 0, "{kernel}");
            assert_eq!(consumer.registered, kernel == KERNELS[0], "{kernel}");
        }
    }
}

fn a_batch_wakes_a_sleeping_select_once() {
    for kernel in KERNELS {
        let mut rings = Two::new(kernel);
        let mut producers = [rings.producer(0), rings.producer(1)];
        let wakes = |rings: &Two| [0, 1].map(|index| rings.page(index).read().producer.wakes);
        let mut expected = wakes(&rings);
        let mut child = rings.sleeper();
        for round in 0..100 {
            let index = round / 3 % 2;
            child.falls_asleep();
            let pushed = producers[index].try_push_slice(&[7; 5]);
            assert_eq!(pushed, Ok(5), "{kernel}");
            assert_eq!(child.woken(), Some(index as i64), "{kernel}: this ring's");
            expected[index] += 1;
            assert_eq!(wakes(&rings), expected, "{kernel}: one wake, on one ring");
        }
        drop(child);
        drop(producers);
        let said = rings.child.says();
        assert!(said.starts_with("500, and "), "{kernel}: {said}");
        rings.no_rescue(kernel);
    }
}

fn a_goodbye_wakes_a_sleeping_select() {
    for kernel in KERNELS {
        for leaver in [0, 1].repeat(5) {
            let mut rings = Two::new(kernel);
            let producer = rings.producer(leaver);
            let _other = rings.producer(1 - leaver);
            let mut child = rings.sleeper();
            child.falls_asleep();
            drop(producer);
            assert_eq!(child.woken(), Some(leaver as i64), "{kernel}");
            drop(child);
            rings.child.expect(&format!("0, and {leaver} is gone"));
            rings.no_rescue(kernel);
        }
    }
}

fn a_peer_that_is_killed_during_the_sleep_ends_the_wait() {
    for kernel in KERNELS {
        for victim in [0, 1] {
            let mut rings = Two::new(kernel);
            let _other = rings.producer(1 - victim);
            let mut peer = Child::start("holding", &[rings.names[victim].as_str()]);
            peer.expect("ready");
            rings.child.tell("go");
            let pages = [0, 1].map(|index| rings.page(index));
            while !pages.iter().all(SleepPage::consumer_is_parked) {
                sleep(Duration::from_millis(1));
            }
            peer.kill();
            rings.child.expect(&format!("0, and {victim} is gone"));
            rings.no_rescue(kernel);
        }
    }
}

fn a_sleep_that_no_barrier_protects_is_short() {
    for _ in 0..5 {
        let mut rings = Two::new("without barriers");
        let mut child = rings.sleeper();
        let left = child.falls_asleep();
        // So long from before the sleep on, and so not longer now.
        assert!(left <= Duration::from_millis(1), "{left:?}");
    }
}

fn an_idle_select_wakes_at_most_eleven_times_a_second() {
    let names = ["left", "right"].map(RingName::new);
    let rings = names
        .each_ref()
        .map(|name| options().create::<u64>(name).expect("a ring"));
    let _producers = rings.each_ref().map(|ring| ring.producer().expect("free"));
    let mut consumers = rings.map(|ring| ring.consumer().expect("the role is free"));
    let timeout = Some(Duration::from_secs(2));
    let selected = Select::new().wait(&mut ends(&mut consumers), timeout);
    assert!(matches!(selected, Err(SelectError::TimedOut)));
    for name in &names {
        let parks = SleepPage::open(&name.file()).read().consumer.parks;
        assert!((1..=22).contains(&parks), "{parks} in two seconds");
    }
}

fn what_cannot_be_waited_for_is_refused() {
    let mut select = Select::new();
    let none = select.wait(&mut [], None);
    assert!(matches!(none, Err(SelectError::NoEnds)), "{none:?}");

    let (_producers, mut consumers) = heap_pairs(Select::MOST_ENDS + 1);
    let many = select.wait(&mut ends(&mut consumers), None);
    assert!(
        matches!(many, Err(SelectError::TooManyEnds { given: 128 })),
        "{many:?}"
    );

    let semaphore = options().doorbell(DoorbellKind::Semaphore);
    let (_producer, mut consumer) = semaphore.heap::<u64>().expect("a ring");
    let mut both = [consumers[0].interest(), consumer.interest()];
    let other = select.wait(&mut both, None);
    assert!(
        matches!(other, Err(SelectError::NotAFutex { index: 1 })),
        "{other:?}"
    );
}

fn waiting_without_a_call(_words: &[String]) {
    forbid(libc::SYS_futex_waitv);
    let (_producers, mut consumers) = heap_pairs(2);
    let selected = Select::new().wait(&mut ends(&mut consumers), None);
    let error = selected.expect_err("the kernel has no such call");
    assert!(matches!(error, SelectError::Unsupported(_)), "{error:?}");
    say(error);
}

fn a_kernel_without_it_is_an_error() {
    let child = Child::start("waiting_without_a_call", &[]);
    let advice = child.says();
    assert!(advice.ends_with("Linux 5.16 can"), "{advice}");
    child.succeeds();
}
