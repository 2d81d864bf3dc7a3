//! Every method that waits: it returns immediately if it can, waits otherwise, times out at
//! its deadline, and ends when the peer closes.
//!
//! On rings in a real segment and on the heap. The other endpoint may act before or after
//! the wait begins: both orders must work.

pub(crate) mod frames;
pub(crate) mod records;

use std::slice;
use std::time::{Duration, Instant};

use crate::common::calls::{Calls, Wait, fill, pop, push, ways};
use crate::common::rings::{ends, named};
use crate::common::threads::while_waiting;
use quoit::{ClaimError, Deadline, PopError, RingOptions, Shape};

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

/// The forms of a call that may wait forever.
fn patient() -> [Wait; 2] {
    [Wait::Forever, Wait::Until(Duration::MAX.into())]
}

/// Every form of a call: none of them has to wait.
fn any() -> [Wait; 4] {
    let [forever, longest] = patient();
    [
        Wait::Never,
        forever,
        longest,
        Wait::Until(Duration::ZERO.into()),
    ]
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

/// Defines a test that runs `check` for both shapes.
macro_rules! for_both_shapes {
    ($($test:ident: $check:ident),* $(,)?) => {
        $(fn $test() {
            $check::<u64>();
            $check::<[u8]>();
        })*
    };
}

for_both_shapes! {
    every_read_takes_a_message_that_has_arrived: reads_take_what_is_there,
    every_read_waits_for_a_message: reads_wait,
    every_read_with_a_timeout_times_out_on_an_empty_ring: reads_time_out,
    every_read_ends_when_the_producer_closes: reads_end,
    every_write_uses_existing_room: writes_use_room,
    every_write_waits_for_room: writes_wait,
    every_write_with_a_timeout_times_out_on_a_full_ring: writes_time_out,
    every_write_ends_when_the_consumer_closes: writes_end,
}

/// Makes one call for one message; the result has the messages that it took.
fn take<T: Calls + ?Sized>(
    consumer: &mut T::Consumer,
    read: &Read<T>,
) -> Result<Vec<T::Message>, PopError> {
    let mut taken = Vec::new();
    let count = (read.call)(consumer, 1, read.wait, 0, &mut |message| {
        taken.push(message)
    })?;
    assert_eq!(count, taken.len(), "{}", read.name());
    Ok(taken)
}

type Read<T> = crate::common::calls::Way<crate::common::calls::Read<T>>;

fn reads_take_what_is_there<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, mut consumer| {
        for (number, read) in (0..).zip(ways(T::READS, &any())) {
            let message = T::message(number);
            push::<T>(&mut producer, &message, Wait::Never).expect("there is room");
            let taken = take::<T>(&mut consumer, &read);
            assert_eq!(taken, Ok(vec![message]), "{}", read.name());
        }
    });
}

fn reads_wait<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, mut consumer| {
        for (number, read) in (0..).zip(ways(T::READS, &patient())) {
            let message = T::message(number);
            let wait = move || (take::<T>(&mut consumer, &read), consumer);
            let act = || push::<T>(&mut producer, &message, Wait::Never).expect("there is room");
            let (taken, back) = while_waiting(wait, act);
            assert_eq!(taken, Ok(vec![message]), "{}", read.name());
            consumer = back;
        }
    });
}

fn reads_time_out<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |_producer, mut consumer| {
        for mut read in ways(T::READS, &[Wait::Until(Deadline::NEVER)]) {
            let taken = lasts_until_the_timeout(|timeout| {
                read.wait = Wait::Until(timeout.into());
                take::<T>(&mut consumer, &read)
            });
            assert_eq!(taken, Err(PopError::TimedOut), "{}", read.name());
        }
    });
}

fn reads_end<T: Calls + ?Sized>() {
    for read in ways(T::READS, &patient()) {
        on_both_kinds_of_ring::<T>(T::SMALL, |producer, mut consumer| {
            let wait = move || take::<T>(&mut consumer, &read);
            let taken = while_waiting(wait, || drop(producer));
            assert_eq!(taken, Err(PopError::Abandoned), "{}", read.name());
        });
    }
}

fn writes_use_room<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, mut consumer| {
        for (number, write) in (0..).zip(ways(T::WRITES, &any())) {
            let message = T::message(number);
            let written = (write.call)(&mut producer, slice::from_ref(&message), write.wait, 0);
            assert_eq!(written, Ok(1), "{}", write.name());
            assert_eq!(
                pop::<T>(&mut consumer, Wait::Never),
                Ok(message),
                "{}",
                write.name()
            );
        }
    });
}

fn writes_wait<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, mut consumer| {
        let there = fill::<T>(&mut producer);
        for (oldest, write) in (0..).zip(ways(T::WRITES, &patient())) {
            let messages = [T::message(there + oldest)];
            let wait = move || {
                (
                    (write.call)(&mut producer, &messages, write.wait, 0),
                    producer,
                )
            };
            let act = || {
                let popped = pop::<T>(&mut consumer, Wait::Never);
                assert_eq!(popped, Ok(T::message(oldest)));
            };
            let (written, back) = while_waiting(wait, act);
            assert_eq!(written, Ok(1), "{}", write.name());
            producer = back;
        }
    });
}

fn writes_time_out<T: Calls + ?Sized>() {
    on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, mut consumer| {
        let there = fill::<T>(&mut producer);
        for write in ways(T::WRITES, &[Wait::Until(Deadline::NEVER)]) {
            let written = lasts_until_the_timeout(|timeout| {
                let wait = Wait::Until(timeout.into());
                (write.call)(&mut producer, &[T::message(there)], wait, 0)
            });
            assert_eq!(written, Err(ClaimError::TimedOut), "{}", write.name());
        }
        for number in 0..there {
            let popped = pop::<T>(&mut consumer, Wait::Never);
            assert_eq!(popped, Ok(T::message(number)));
        }
        assert_eq!(pop::<T>(&mut consumer, Wait::Never), Err(PopError::Empty));
    });
}

fn writes_end<T: Calls + ?Sized>() {
    for write in ways(T::WRITES, &patient()) {
        on_both_kinds_of_ring::<T>(T::SMALL, |mut producer, consumer| {
            let messages = [T::message(fill::<T>(&mut producer))];
            let wait = move || (write.call)(&mut producer, &messages, write.wait, 0);
            let written = while_waiting(wait, || drop(consumer));
            assert_eq!(written, Err(ClaimError::Abandoned), "{}", write.name());
        });
    }
}
