//! One wait for many rings: the first with something to do ends it, wherever
//! it stands, and no ring waits behind a busier one.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use common::child::{Child, hear, hold, say};
use common::forbid::forbid;
use common::names::RingName;
use common::sleep_state::SleepPage;
use quoit::{Consumer, DoorbellKind, End, Producer, RingOptions, Select, SelectError, Selected};

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
        an_idle_select_wakes_at_most_eleven_times_a_second,
        what_cannot_be_waited_for_is_refused,
        a_kernel_without_it_is_an_error,
    ],
    parts: [echoing, holding, waiting_without_a_call],
}

/// Parks at once, so that each wait is a sleep.
fn options() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

fn heap_pairs(count: usize) -> (Vec<Producer<u64>>, Vec<Consumer<u64>>) {
    let pairs = (0..count).map(|_| options().heap::<u64>().expect("a ring"));
    pairs.unzip()
}

fn ends(consumers: &mut [Consumer<u64>]) -> Vec<End<'_>> {
    consumers.iter_mut().map(Consumer::end).collect()
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
    let mut wait = |ticks: &mut Consumer<u64>, log: &mut Consumer<[u8]>, frames: &mut _| {
        let frames: &mut Producer<[u8]> = frames;
        let mut ends = [ticks.end(), log.end(), frames.end(20)];
        let selected = select.wait(&mut ends, Some(common::PATIENCE));
        selected.expect("something to do")
    };
    log_in.try_push(b"hello").expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(1));
    log.try_peek().expect("a frame").release();
    frames_out.drain(|_, _| {}).expect("frames");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(2));
    frames.try_push(&[0; 20]).expect("there is room");
    ticks_in.try_push(7).expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(0));
}

fn room_ends_a_producers_wait() {
    let (mut producer, mut consumer) = options().heap::<u64>().expect("a ring");
    producer.try_push_slice(&[0; 64]).expect("there is room");
    let selected = std::thread::scope(|scope| {
        let wait = scope.spawn(|| Select::new().wait(&mut [producer.end()], None));
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
    let selected = Select::new().wait(&mut [other.end(), consumer.end()], None);
    assert_eq!(selected.expect("a death"), Selected::Gone(1));
    assert!(consumer.is_abandoned());
}

fn what_a_gone_peer_left_comes_first() {
    let (mut producer, mut consumer) = options().heap::<u64>().expect("a ring");
    producer.try_push(1).expect("there is room");
    drop(producer);
    let mut select = Select::new();
    let mut wait = |consumer: &mut Consumer<u64>| {
        let selected = select.wait(&mut [consumer.end()], None);
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
        let selected = select.wait(&mut [even.end(), odd.end()], None);
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
    let mut both = [consumers[0].end(), consumer.end()];
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
