//! One wait for many rings: the first ring with work ends it, at any index, and no busy
//! ring starves another one. `tests/waits/sleep` has the events of one endpoint: its peer closes,
//! crashes or restarts.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::allocations::{Counting, allocated};
use crate::common::forbid::forbid;
use crate::common::names::RingName;
use crate::common::positions::{peer, start};
use crate::common::refused::is;
use crate::common::rings::{consumer, named, producer};
use crate::common::segment_file::{HEAD, SegmentFile};
use crate::common::sleep_state::SleepPage;
use quoit::Selected::{Abandoned, Ready};
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Interest, Producer, Ring, RingOptions,
    Role, Select, SelectError, Selectable, Selected, Shape,
};

crate::common::suite::tests! {
    each_of_the_most_rings_can_end_a_wait_which_allocates_nothing,
    shapes_and_roles_can_be_mixed,
    invalid_sets_of_endpoints_are_refused,
    a_kernel_without_it_is_an_error,
    rings_that_are_ready_take_turns,
    an_own_closed_endpoint_is_reported_abandoned_once,
    an_endpoint_at_another_index_is_a_new_endpoint,
    a_busy_ring_does_not_hide_a_death;
    parts: peer
}

/// Parks immediately, so that each wait is a sleep.
fn options() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

/// Both endpoints of a ring without liveness checks, so that only a wake ends a sleep.
fn heap<T: Shape + ?Sized>() -> (T::Producer, T::Consumer) {
    let options = options().peer_check(Duration::MAX);
    options.heap::<T>().expect("a ring")
}

fn heap_pairs(count: usize) -> (Vec<Producer<u64>>, Vec<Consumer<u64>>) {
    (0..count).map(|_| heap::<u64>()).unzip()
}

/// The next event, which comes in any case.
fn event<S: Selectable>(select: &mut Select, ends: &mut [S]) -> Selected {
    select.wait(ends, PATIENCE).expect("an event")
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// It sleeps before. `tests/waits/sleep` has the other events.
fn each_of_the_most_rings_can_end_a_wait_which_allocates_nothing() {
    let (mut producers, mut consumers) = heap_pairs(Select::MAX_ENDS);
    for index in [0, 1, 63, 125, 126] {
        let event = thread::scope(|scope| {
            let wait = scope.spawn(|| {
                let before = allocated();
                let event = event(&mut Select::new(), &mut consumers);
                assert_eq!(allocated(), before);
                event
            });
            sleep(Duration::from_millis(5)); // usually it sleeps now
            producers[index].try_push(7).expect("there is room");
            wait.join().expect("the wait returns")
        });
        assert_eq!(event, Ready(index));
        assert_eq!(consumers[index].try_pop(), Ok(7));
    }
    assert!(size_of::<Select>() <= 2112, "{}", size_of::<Select>());
}

fn shapes_and_roles_can_be_mixed() {
    let (mut ticks_in, mut ticks) = heap::<u64>();
    let (mut log_in, mut log) = heap::<[u8]>();
    let (mut frames, mut frames_out) = heap::<[u8]>();
    while frames.try_push(&[0; 8]).is_ok() {}
    let mut select = Select::new();
    let mut wait =
        |ticks: &mut Consumer<u64>, log: &mut FrameConsumer, frames: &mut FrameProducer| {
            event(
                &mut select,
                &mut [ticks.interest(), log.interest(), frames.interest(20)],
            )
        };
    log_in.try_push(b"hello").expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Ready(1));
    log.try_peek().expect("a frame").release();
    frames_out.skip(usize::MAX).expect("frames");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Ready(2));
    frames.try_push(&[0; 20]).expect("there is room");
    ticks_in.try_push(7).expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Ready(0));
    drop(log_in);
    assert_eq!(event(&mut Select::new(), &mut [&mut log]), Abandoned(0));
}

fn invalid_sets_of_endpoints_are_refused() {
    let mut select = Select::new();
    is!(select.wait::<Consumer<u64>>(&mut [], None) => Err(SelectError::NoEnds));
    let (_producers, mut consumers) = heap_pairs(Select::MAX_ENDS + 1);
    let many = select.wait(&mut consumers, None);
    is!(many => Err(SelectError::TooManyEnds { given: 128 }));
    let semaphore = options().doorbell(DoorbellKind::Semaphore);
    let (_producer, mut consumer) = semaphore.heap::<u64>().expect("a ring");
    let mut both = [consumers[0].interest(), consumer.interest()];
    is!(select.wait(&mut both, None) => Err(SelectError::NotAFutex { index: 1 }));
}

fn a_kernel_without_it_is_an_error() {
    forbid(libc::SYS_futex_waitv);
    let (_producers, mut consumers) = heap_pairs(2);
    let selected = Select::new().wait(&mut consumers, None);
    is!(selected => Err(SelectError::Unsupported(_)));
    let advice = selected
        .expect_err("the kernel has no such call")
        .to_string();
    assert!(advice.ends_with("Linux 5.16 can"), "{advice}");
}

fn rings_that_are_ready_take_turns() {
    let (mut producers, mut consumers) = heap_pairs(5);
    for producer in &mut producers {
        producer.try_push_slice(&[0; 64]).expect("there is room");
    }
    let mut select = Select::new();
    let mut turns = [0; 5];
    for _ in 0..100 {
        let Ready(index) = event(&mut select, &mut consumers) else {
            panic!("each has a producer");
        };
        consumers[index].try_pop().expect("it is ready");
        turns[index] += 1;
    }
    assert_eq!(turns, [20; 5]);
}

/// A ring whose endpoints attach and close.
fn created(test: &str) -> (Ring<u64>, RingName) {
    named(test, &options())
}

/// The next report, which is already due; `None` if there is none.
fn next<S: Selectable>(select: &mut Select, ends: &mut [S]) -> Option<Selected> {
    match select.wait(ends, Duration::from_millis(1)) {
        Err(SelectError::TimedOut) => None,
        selected => Some(selected.expect("valid endpoints")),
    }
}

fn an_own_closed_endpoint_is_reported_abandoned_once() {
    let (ring, name) = created("closed");
    let mut ends = [producer(&ring)];
    let _peer = consumer(&ring);
    ends[0].close();
    let mut select = Select::new();
    assert_eq!(next(&mut select, &mut ends), Some(Abandoned(0)));
    let page = SleepPage::open(&name.file());
    // Also if the head is corrupt, which an endpoint that has closed does not report.
    for head in [0, 77] {
        SegmentFile::open(&name.file()).write(HEAD, head);
        let before = page.read().producer.parks;
        let timed_out = select.wait(&mut ends, Duration::from_millis(150));
        is!(timed_out => Err(SelectError::TimedOut));
        assert!(page.read().producer.parks > before, "it sleeps");
    }
}

fn an_endpoint_at_another_index_is_a_new_endpoint() {
    let [(left_ring, _left), (right_ring, _right)] = ["left", "right"].map(created);
    let (mut left, mut right) = (consumer(&left_ring), consumer(&right_ring));
    let alive = producer(&left_ring);
    drop(producer(&right_ring));
    let mut select = Select::new();
    let mut wait = |one: Interest<'_>, other: Interest<'_>| next(&mut select, &mut [one, other]);
    assert_eq!(wait(left.interest(), right.interest()), Some(Abandoned(1)));
    assert_eq!(wait(left.interest(), right.interest()), None);
    // At this index it is a different endpoint.
    assert_eq!(wait(right.interest(), left.interest()), Some(Abandoned(0)));
    assert_eq!(wait(right.interest(), left.interest()), None);
    drop(alive);
    // Although one was reported here.
    assert_eq!(wait(right.interest(), left.interest()), Some(Abandoned(1)));
    // Another `Select` has reported nothing.
    let reported = next(&mut Select::new(), &mut [left]);
    assert_eq!(reported, Some(Abandoned(0)));
}

/// A wait that always finds work must still check the peers.
fn a_busy_ring_does_not_hide_a_death() {
    let (ring, name) = created("hidden");
    let (mut busy, other) = heap::<u64>();
    busy.try_push(0).expect("there is room");
    let mut child = start(Role::Producer, &name, "1");
    child.kill();
    let mut ends = [other, consumer(&ring)];
    let mut select = Select::new();
    let start = Instant::now();
    let abandoned = loop {
        assert!(start.elapsed() < PATIENCE, "the death is not reported");
        match event(&mut select, &mut ends) {
            Ready(0) => {}
            Ready(_) => assert_eq!(ends[1].try_pop(), Ok(0), "the message comes first"),
            other => break other,
        }
    };
    assert_eq!(abandoned, Abandoned(1));
    assert!(ends[1].is_abandoned() && ends[1].is_empty());
}
