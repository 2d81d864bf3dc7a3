//! Streams of messages: every message arrives whole, once, and in order.
//!
//! The content of each message follows from its number. Both endpoints choose among all calls
//! at random: single messages, batches, in place. So messages are copied inline, wrap, and
//! arrive in batches. The streams run between threads and between processes, in rings of one
//! message and of many, and with every wait strategy on every doorbell.
//!
//! Between processes: ten million messages of each shape, and a hundred million with
//! `QUOIT_SOAK=1`; rings that are nearly always full or empty; both forms of fences; and messages
//! that are answered. Two threads use one mapping, so that ThreadSanitizer sees every access of
//! both endpoints: docs::testing has the command.

use std::env;
use std::thread;
use std::time::Duration;

use quoit::WaitStrategy::{Adaptive, Park, Spin, Yield};
use quoit::{ClaimError, DoorbellKind, Fences, PopError, RingOptions};

use crate::common::PATIENCE;
use crate::common::calls::{Amount, Calls, Row, Wait, Way, ways};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::exchange::{answers, asks};
use crate::common::fork::{forked, succeeds, work_as_long_as_the_parent};
use crate::common::names::RingName;
use crate::common::rings::{consumer, named, producer};
use crate::common::sample::Words;
use crate::common::segment_file::{RIDE_POSITION, SegmentFile};
use crate::common::sleep_state::SleepPage;

crate::common::suite::tests! {
    records_arrive_whole_once_and_in_order,
    frames_arrive_whole_once_and_in_order,
    records_arrive_with_every_wait_strategy,
    frames_arrive_with_every_wait_strategy,
    messages_are_answered,
    records_pass_between_threads,
    frames_pass_between_threads,
}

/// Records that may be copied inline.
type Short = Words<4>;

/// The most messages of one call.
const MOST: u64 = 50;

/// So short that a call may time out.
fn soon() -> Wait {
    Wait::Until(Duration::from_micros(20).into())
}

/// All forms of the calls, of which those that wait are chosen more often. Only `push_all` does
/// not say how much it has done before its deadline.
fn forms<F: Copy>(rows: &[Row<F>]) -> Vec<Way<F>> {
    let waits = [
        Wait::Never,
        Wait::Forever,
        Wait::Until(PATIENCE.into()),
        soon(),
    ];
    let mut ways = ways(rows, &waits);
    ways.retain(|way| way.wait != soon() || way.amount != Amount::All);
    ways
}

/// A number of messages for a call, of at most this many. At once, an endpoint waits for at
/// most half the ring: the peer may wait for the other half.
fn some<F>(way: &Way<F>, capacity: u64, most: u64, dice: &mut Dice) -> u64 {
    let count = most.min(1 + dice.roll(MOST) as u64);
    match way.amount {
        Amount::One => 1,
        Amount::AtOnce => count.min(capacity.div_ceil(2)),
        Amount::UpTo | Amount::All => count,
    }
}

/// Sends messages by every call.
fn send<T: Calls + ?Sized>(producer: &mut T::Producer, messages: u64) {
    let ways = forms(T::WRITES);
    let (mut dice, mut sent) = (Dice(1), 0);
    while sent < messages {
        let write = &ways[dice.roll(ways.len() as u64)];
        let count = some(write, producer.capacity(), messages - sent, &mut dice);
        let batch: Vec<_> = (sent..sent + count).map(T::varied).collect();
        match (write.call)(producer, &batch, write.wait, dice.roll(1 << 16)) {
            Ok(count) => sent += count as u64,
            Err(ClaimError::Full) if write.wait == Wait::Never => {}
            Err(ClaimError::TimedOut) if write.wait == soon() => {}
            Err(error) => panic!("{}: {error}", write.name()),
        }
    }
}

/// Receives messages by every call, until the producer has closed.
fn receive<T: Calls + ?Sized>(consumer: &mut T::Consumer, messages: u64) {
    let ways = forms(T::READS);
    let (mut dice, mut received) = (Dice(2), 0);
    loop {
        let read = &ways[dice.roll(ways.len() as u64)];
        let wanted = some(read, consumer.capacity(), MOST, &mut dice) as usize;
        let taken = (read.call)(
            consumer,
            wanted,
            read.wait,
            dice.roll(1 << 16),
            &mut |message| {
                assert_eq!(message, T::varied(received), "{}", read.name());
                received += 1;
            },
        );
        match taken {
            Ok(_) => {}
            Err(PopError::Empty) if read.wait == Wait::Never => {}
            Err(PopError::TimedOut) if read.wait == soon() => {}
            // There may be fewer than it asks for.
            Err(PopError::Abandoned) if !consumer.is_empty() => {}
            Err(PopError::Abandoned) => break,
            Err(error) => panic!("{}: {error}", read.name()),
        }
    }
    assert_eq!(received, messages);
}

/// The number of messages of a stream.
fn many() -> u64 {
    match env::var("QUOIT_SOAK") {
        Ok(_) => 100_000_000,
        Err(_) => 10_000_000,
    }
}

/// The number of messages of a small ring.
const FEWER: u64 = 20_000;

/// Receives what a child sends; returns the ring's name.
fn stream<T: Calls + ?Sized>(options: &RingOptions, messages: u64) -> RingName {
    let (ring, name) = named::<T>("stream", options);
    let sender = forked(|| {
        work_as_long_as_the_parent();
        let ring = options.open::<T>(&name).expect("the ring");
        send::<T>(&mut producer(&ring), messages);
    });
    receive::<T>(&mut consumer(&ring), messages);
    succeeds(sender);
    name
}

/// The positions wrap after a lap.
fn wrapping(capacity: u64) -> RingOptions {
    RingOptions::new(capacity).first_position(0u64.wrapping_sub(capacity))
}

fn records_arrive_whole_once_and_in_order() {
    stream::<Short>(&wrapping(1024), many());
    stream::<Short>(&wrapping(1), FEWER);
}

fn frames_arrive_whole_once_and_in_order() {
    stream::<[u8]>(&wrapping(1 << 16), many());
    stream::<[u8]>(&wrapping(256), FEWER); // one or two of them
}

/// The capacity is so small that both endpoints have to wait often.
fn arrive<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let with = |strategy| (strategy, options.clone().wait_strategy(strategy));
    let mut strategies = [Spin, Yield, Park, Adaptive].map(with).to_vec();
    strategies.push((Park, options.clone().spin(Duration::ZERO)));
    for (strategy, options) in strategies {
        for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
            for fences in [Fences::Asymmetric, Fences::Symmetric] {
                let options = options.clone().doorbell(doorbell).fences(fences);
                let name = stream::<T>(&options, 30_000);
                let state = SleepPage::open(&name.file()).read();
                let rescues = state.producer.rescues + state.consumer.rescues;
                assert_eq!(rescues, 0, "{options:?}: a wake was lost");
                let parks = state.producer.parks + state.consumer.parks;
                let may_park = matches!(strategy, Park | Adaptive);
                assert!(may_park || parks == 0, "{options:?}: {parks} parks");
            }
        }
    }
}

fn records_arrive_with_every_wait_strategy() {
    arrive::<Short>(16);
}

fn frames_arrive_with_every_wait_strategy() {
    arrive::<[u8]>(1024);
}

/// Sends messages to a child, which answers each.
fn are_answered<T: Calls + ?Sized>(capacity: u64) {
    let options = RingOptions::new(capacity);
    let [(there, to), (back, from)] = ["there", "back"].map(|test| named::<T>(test, &options));
    let child = forked(|| {
        work_as_long_as_the_parent();
        let [to, from] = [&to, &from].map(|name| options.open::<T>(name).expect("the ring"));
        answers::<T, T>(consumer(&to), producer(&from));
    });
    asks::<T, T>(producer(&there), consumer(&back));
    succeeds(child);
    for name in [to, from] {
        let ride = SegmentFile::open(&name.file()).read(RIDE_POSITION);
        assert_ne!(ride, 0, "no message was copied inline");
    }
}

fn messages_are_answered() {
    are_answered::<Short>(8);
    are_answered::<[u8]>(1024);
}

const MESSAGES: u64 = 60_000;

fn pass<T: Calls + ?Sized>(options: &RingOptions, messages: u64) {
    let (mut producer, mut consumer) = options.heap::<T>().expect("there is memory");
    let writer = thread::spawn(move || send::<T>(&mut producer, messages));
    let reader = thread::spawn(move || {
        receive::<T>(&mut consumer, messages);
        consumer
    });
    writer.join().expect("the writer does not panic");
    // The memory is freed here: the sanitizer understands joins, but not the fence in the
    // drop of an `Arc`.
    drop(reader.join().expect("the reader does not panic"));
}

fn records_pass_between_threads() {
    for capacity in [1, 8, 16] {
        let options = RingOptions::new(capacity);
        pass::<u64>(&options, MESSAGES);
        pass::<Short>(&options, MESSAGES);
        pass::<Words<9>>(&options, MESSAGES);
    }
    for doorbell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        let sleeps = RingOptions::new(1).doorbell(doorbell).spin(Duration::ZERO);
        pass::<u64>(&sleeps, MESSAGES / 10);
    }
}

fn frames_pass_between_threads() {
    for capacity in [256, 512] {
        pass::<[u8]>(&RingOptions::new(capacity), MESSAGES);
    }
}
