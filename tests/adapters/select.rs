//! One wait for many rings: the first ring with work ends it, at any index, and no busy
//! ring starves another one.

pub(crate) mod departures;
pub(crate) mod turns;

use std::thread::{self, sleep};
use std::time::Duration;

use crate::common::PATIENCE;
use crate::common::allocations::{Counting, allocated};
use crate::common::forbid::forbid;
use crate::common::positions::peer;
use crate::common::refused::is;
use quoit::{
    Consumer, DoorbellKind, FrameConsumer, FrameProducer, Producer, RingOptions, Select,
    SelectError, Selectable, Selected, Shape,
};

crate::common::suite::tests! {
    each_of_the_most_rings_can_end_a_wait_which_allocates_nothing,
    shapes_and_roles_can_be_mixed,
    invalid_sets_of_endpoints_are_refused,
    a_kernel_without_it_is_an_error;
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
        assert_eq!(event, Selected::Ready(index));
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
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(1));
    log.try_peek().expect("a frame").release();
    frames_out.skip(usize::MAX).expect("frames");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(2));
    frames.try_push(&[0; 20]).expect("there is room");
    ticks_in.try_push(7).expect("there is room");
    assert_eq!(wait(&mut ticks, &mut log, &mut frames), Selected::Ready(0));
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
