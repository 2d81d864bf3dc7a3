//! One wait for many rings: the first ring with work ends it, at any index, and no busy
//! ring starves another one.

#[path = "../common/mod.rs"]
mod common;
mod departures;
mod sleeping;
mod turns;

use std::thread::sleep;
use std::time::{Duration, Instant};

use common::child::{Child, say};
use common::forbid::forbid;
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Producer, RingOptions, Select,
    SelectError, Selected,
};

use departures::{
    a_busy_ring_does_not_hide_a_death, a_close_ends_the_wait, a_killed_peer_ends_the_wait,
    a_producer_gets_reports_about_its_consumers, a_superseded_ring_is_reported_gone_once,
    an_endpoint_at_another_index_is_a_new_endpoint, an_own_closed_endpoint_is_reported_gone_once,
    another_select_reports_gone_again, gone_comes_before_back_and_back_before_ready,
    gone_is_not_reported_if_a_new_peer_has_already_attached,
    gone_is_reported_once_and_causes_no_wake_ups, holding, racing_peers_are_reported_in_order,
    the_messages_of_a_closed_peer_come_first,
};
use sleeping::{
    a_batch_wakes_a_sleeping_select_once, a_close_wakes_a_sleeping_select,
    a_new_peer_wakes_a_sleeping_select, a_peer_that_attaches_before_the_sleep_is_seen,
    a_peer_that_is_killed_and_restarted_is_gone_and_back,
    a_peer_that_is_killed_during_the_sleep_ends_the_wait,
    a_sleep_that_no_barrier_protects_is_short, a_sleeping_select_is_woken_from_another_process,
    an_idle_select_wakes_at_most_eleven_times_a_second, echoing, selecting,
};
use turns::{
    a_ring_that_is_always_ready_starves_no_other, any_slice_of_endpoints_can_be_waited_for,
    neither_a_select_nor_a_wait_allocates, rings_that_are_ready_take_turns,
};

common::suite::suite! {
    tests: [
        each_of_the_most_rings_can_end_the_wait,
        rings_that_are_ready_take_turns,
        a_ring_that_is_always_ready_starves_no_other,
        any_slice_of_endpoints_can_be_waited_for,
        neither_a_select_nor_a_wait_allocates,
        shapes_and_roles_can_be_mixed,
        room_ends_a_producers_wait,
        a_close_ends_the_wait,
        a_killed_peer_ends_the_wait,
        the_messages_of_a_closed_peer_come_first,
        gone_is_reported_once_and_causes_no_wake_ups,
        gone_comes_before_back_and_back_before_ready,
        gone_is_not_reported_if_a_new_peer_has_already_attached,
        racing_peers_are_reported_in_order,
        a_producer_gets_reports_about_its_consumers,
        a_superseded_ring_is_reported_gone_once,
        an_own_closed_endpoint_is_reported_gone_once,
        an_endpoint_at_another_index_is_a_new_endpoint,
        another_select_reports_gone_again,
        a_busy_ring_does_not_hide_a_death,
        a_wait_without_work_ends_at_the_deadline,
        a_sleeping_select_is_woken_from_another_process,
        a_batch_wakes_a_sleeping_select_once,
        a_close_wakes_a_sleeping_select,
        a_new_peer_wakes_a_sleeping_select,
        a_peer_that_attaches_before_the_sleep_is_seen,
        a_peer_that_is_killed_during_the_sleep_ends_the_wait,
        a_peer_that_is_killed_and_restarted_is_gone_and_back,
        a_sleep_that_no_barrier_protects_is_short,
        an_idle_select_wakes_at_most_eleven_times_a_second,
        invalid_sets_of_endpoints_are_refused,
        a_kernel_without_it_is_an_error,
    ],
    parts: [echoing, holding, selecting, waiting_without_a_call],
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
            let selected = select.wait(&mut ends, common::PATIENCE);
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
