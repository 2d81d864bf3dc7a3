//! One wait for many rings: the first ring with work ends it, at any index, and no busy
//! ring starves another one.

pub(crate) mod departures;
pub(crate) mod sleeping;
pub(crate) mod turns;

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::child::{Child, say};
use crate::common::forbid::forbid;
use crate::common::positions::peer;
use crate::common::refused::is;
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Producer, RingOptions, Select,
    SelectError, Selected,
};

crate::common::suite::tests! {
    each_of_the_most_rings_can_end_the_wait,
    shapes_and_roles_can_be_mixed,
    room_ends_a_producers_wait,
    a_wait_without_work_ends_at_the_deadline,
    invalid_sets_of_endpoints_are_refused,
    a_kernel_without_it_is_an_error;
    parts: peer, waiting_without_a_call
}

/// Parks immediately, so that each wait is a sleep.
fn options() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

fn heap_pairs(count: usize) -> (Vec<Producer<u64>>, Vec<Consumer<u64>>) {
    let pairs = (0..count).map(|_| options().heap::<u64>().expect("a ring"));
    pairs.unzip()
}

fn each_of_the_most_rings_can_end_the_wait() {
    let (mut producers, mut consumers) = heap_pairs(Select::MAX_ENDS);
    let mut select = Select::new();
    for index in [0, 1, 63, 125, 126] {
        let waker = &mut producers[index];
        let selected = std::thread::scope(|scope| {
            let wait = scope.spawn(|| select.wait(&mut consumers, None));
            sleep(Duration::from_millis(5)); // usually it sleeps now
            waker.try_push(index as u64).expect("there is room");
            wait.join().expect("the wait returns")
        });
        assert_eq!(selected.expect("a ring"), Selected::Ready(index));
        assert_eq!(consumers[index].try_pop(), Ok(index as u64));
    }
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
            let selected = select.wait(&mut ends, crate::common::PATIENCE);
            selected.expect("an event")
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

fn a_wait_without_work_ends_at_the_deadline() {
    let (_producers, mut consumers) = heap_pairs(3);
    let mut select = Select::new();
    let timeout = Duration::from_millis(50);
    let start = Instant::now();
    let deadline = start + 2 * timeout;
    for timed_out in [
        select.wait(&mut consumers, timeout),
        select.wait(&mut consumers, deadline),
        select.wait(&mut consumers, deadline), // over
    ] {
        assert!(matches!(timed_out, Err(SelectError::TimedOut)));
    }
    assert!(start.elapsed() >= 2 * timeout, "not before the deadline");
}

fn invalid_sets_of_endpoints_are_refused() {
    let mut select = Select::new();
    let none = select.wait::<Consumer<u64>>(&mut [], None);
    assert!(matches!(none, Err(SelectError::NoEnds)), "{none:?}");

    let (_producers, mut consumers) = heap_pairs(Select::MAX_ENDS + 1);
    let many = select.wait(&mut consumers, None);
    is!(many => Err(SelectError::TooManyEnds { given: 128 }));

    let semaphore = options().doorbell(DoorbellKind::Semaphore);
    let (_producer, mut consumer) = semaphore.heap::<u64>().expect("a ring");
    let mut both = [consumers[0].interest(), consumer.interest()];
    let other = select.wait(&mut both, None);
    is!(other => Err(SelectError::NotAFutex { index: 1 }));
}

fn waiting_without_a_call(_words: &[String]) {
    forbid(libc::SYS_futex_waitv);
    let (_producers, mut consumers) = heap_pairs(2);
    let selected = Select::new().wait(&mut consumers, None);
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
