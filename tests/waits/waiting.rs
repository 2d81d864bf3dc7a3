//! Every method that waits: it returns immediately if it can, waits otherwise, times out at
//! its deadline, and ends when the peer closes.
//!
//! On rings in a real segment and on the heap. The other endpoint may act before or after
//! the wait begins: both orders must work.

pub(crate) mod frames;
pub(crate) mod records;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crate::common::rings::{ends, named};
use crate::common::threads::while_waiting;
use quoit::{ClaimError, PopError, RingOptions, Shape};

crate::common::suite::tests! {
    every_read_takes_a_message_that_has_arrived,
    every_read_waits_for_a_message,
    every_read_with_a_timeout_times_out_on_an_empty_ring,
    every_read_ends_when_the_producer_closes,
    every_write_uses_existing_room,
    every_write_waits_for_room,
    every_write_with_a_timeout_times_out_on_a_full_ring,
    every_write_ends_when_the_consumer_closes,
}

/// The timeout of a wait without success.
const SHORT: Duration = Duration::from_millis(20);

type Read<C, M> = fn(&mut C) -> Result<M, PopError>;
type TimedRead<C, M> = fn(&mut C, Duration) -> Result<M, PopError>;
type Write<P, M> = fn(&mut P, &M) -> Result<(), ClaimError>;
type TimedWrite<P, M> = fn(&mut P, &M, Duration) -> Result<(), ClaimError>;
type AnyRead<C, M> = Box<dyn Fn(&mut C) -> Result<M, PopError> + Send>;
type AnyWrite<P, M> = Box<dyn Fn(&mut P, &M) -> Result<(), ClaimError> + Send>;

/// A shape with its calls that wait.
trait Waits: Shape<Producer: Send, Consumer: Send> {
    type Message: Debug + PartialEq + Send + 'static;
    /// So small that few messages fill the ring.
    const CAPACITY: u64;
    const READS: &'static [Read<Self::Consumer, Self::Message>];
    const TIMED_READS: &'static [TimedRead<Self::Consumer, Self::Message>];
    const WRITES: &'static [Write<Self::Producer, Self::Message>];
    const TIMED_WRITES: &'static [TimedWrite<Self::Producer, Self::Message>];

    fn message(number: u8) -> Self::Message;
    fn try_push(producer: &mut Self::Producer, message: &Self::Message) -> Result<(), ClaimError>;
    fn try_pop(consumer: &mut Self::Consumer) -> Result<Self::Message, PopError>;

    /// Every call that reads, also with a timeout that never passes.
    fn reads() -> Vec<AnyRead<Self::Consumer, Self::Message>> {
        let plain = Self::READS
            .iter()
            .map(|&read| Box::new(read) as AnyRead<_, _>);
        let timed = Self::TIMED_READS.iter().map(|&read| {
            Box::new(move |consumer: &mut _| read(consumer, Duration::MAX)) as AnyRead<_, _>
        });
        plain.chain(timed).collect()
    }

    /// Every call that writes, also with a timeout that never passes.
    fn writes() -> Vec<AnyWrite<Self::Producer, Self::Message>> {
        let plain = Self::WRITES
            .iter()
            .map(|&write| Box::new(write) as AnyWrite<_, _>);
        let timed = Self::TIMED_WRITES.iter().map(|&write| {
            Box::new(move |producer: &mut _, message: &_| write(producer, message, Duration::MAX))
                as AnyWrite<_, _>
        });
        plain.chain(timed).collect()
    }

    /// Fills the ring with numbered messages; returns how many there are.
    fn fill(producer: &mut Self::Producer) -> u8 {
        let fits = |number: &u8| Self::try_push(producer, &Self::message(*number)).is_ok();
        (0..).take_while(fits).count() as u8
    }
}

/// Runs `check` with a new ring in a segment, then with one on the heap.
fn on_both_kinds_of_ring<T: Shape + ?Sized>(
    capacity: u64,
    check: impl Fn(T::Producer, T::Consumer),
) {
    let options = RingOptions::new(capacity);
    let (ring, _name) = named::<T>("waiting", &options);
    let (producer, consumer) = ends(&ring);
    check(producer, consumer);
    let (producer, consumer) = options.heap::<T>().expect("there is memory");
    check(producer, consumer);
}

/// Asserts that a wait lasts at least until its timeout.
fn lasts_until_the_timeout<R>(wait: impl FnOnce(Duration) -> R) -> R {
    let start = Instant::now();
    let result = wait(SHORT);
    assert!(start.elapsed() >= SHORT, "the wait ended too early");
    result
}

fn every_read_takes_a_message_that_has_arrived() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, mut consumer| {
            for (number, read) in (0..).zip(T::reads()) {
                T::try_push(&mut producer, &T::message(number)).expect("there is room");
                assert_eq!(read(&mut consumer), Ok(T::message(number)));
            }
            for (number, read) in (0..).zip(T::TIMED_READS) {
                T::try_push(&mut producer, &T::message(number)).expect("there is room");
                let taken = read(&mut consumer, Duration::ZERO);
                assert_eq!(taken, Ok(T::message(number)));
            }
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_read_waits_for_a_message() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, mut consumer| {
            for (number, read) in (0..).zip(T::reads()) {
                let message = T::message(number);
                let wait = move || (read(&mut consumer), consumer);
                let act = || T::try_push(&mut producer, &message).expect("there is room");
                let (result, back) = while_waiting(wait, act);
                assert_eq!(result, Ok(message));
                consumer = back;
            }
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_read_with_a_timeout_times_out_on_an_empty_ring() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |_producer, mut consumer| {
            for read in T::TIMED_READS {
                let result = lasts_until_the_timeout(|timeout| read(&mut consumer, timeout));
                assert_eq!(result, Err(PopError::TimedOut));
            }
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_read_ends_when_the_producer_closes() {
    fn check<T: Waits + ?Sized>() {
        for number in 0..T::reads().len() {
            on_both_kinds_of_ring::<T>(T::CAPACITY, |producer, mut consumer| {
                let read = T::reads().swap_remove(number);
                let result = while_waiting(move || read(&mut consumer), || drop(producer));
                assert_eq!(result, Err(PopError::Abandoned));
            });
        }
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_write_uses_existing_room() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, mut consumer| {
            for (number, write) in (0..).zip(T::writes()) {
                assert_eq!(write(&mut producer, &T::message(number)), Ok(()));
                assert_eq!(T::try_pop(&mut consumer), Ok(T::message(number)));
            }
            for (number, write) in (0..).zip(T::TIMED_WRITES) {
                let written = write(&mut producer, &T::message(number), Duration::ZERO);
                assert_eq!(written, Ok(()));
                assert_eq!(T::try_pop(&mut consumer), Ok(T::message(number)));
            }
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_write_waits_for_room() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, mut consumer| {
            let there = T::fill(&mut producer);
            for (oldest, write) in (0..).zip(T::writes()) {
                let message = T::message(there + oldest);
                let wait = move || (write(&mut producer, &message), producer);
                let act = || assert_eq!(T::try_pop(&mut consumer), Ok(T::message(oldest)));
                let (result, back) = while_waiting(wait, act);
                assert_eq!(result, Ok(()));
                producer = back;
            }
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_write_with_a_timeout_times_out_on_a_full_ring() {
    fn check<T: Waits + ?Sized>() {
        on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, mut consumer| {
            let there = T::fill(&mut producer);
            for write in T::TIMED_WRITES {
                let message = T::message(there);
                let result =
                    lasts_until_the_timeout(|timeout| write(&mut producer, &message, timeout));
                assert_eq!(result, Err(ClaimError::TimedOut));
            }
            for number in 0..there {
                assert_eq!(T::try_pop(&mut consumer), Ok(T::message(number)));
            }
            assert_eq!(T::try_pop(&mut consumer), Err(PopError::Empty));
        });
    }
    check::<u64>();
    check::<[u8]>();
}

fn every_write_ends_when_the_consumer_closes() {
    fn check<T: Waits + ?Sized>() {
        for number in 0..T::writes().len() {
            on_both_kinds_of_ring::<T>(T::CAPACITY, |mut producer, consumer| {
                let message = T::message(T::fill(&mut producer));
                let write = T::writes().swap_remove(number);
                let wait = move || write(&mut producer, &message);
                assert_eq!(
                    while_waiting(wait, || drop(consumer)),
                    Err(ClaimError::Abandoned)
                );
            });
        }
    }
    check::<u64>();
    check::<[u8]>();
}
