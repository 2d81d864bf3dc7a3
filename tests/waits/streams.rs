//! Streams of messages: every message arrives whole, once, and in order.
//!
//! The content of each message follows from its number. Both endpoints choose among all calls
//! at random: single messages, batches, in place. So messages are copied inline, wrap, and
//! arrive in batches. The streams run between threads and between processes, in rings of one
//! message and of many, and with every wait strategy on every doorbell.

pub(crate) mod processes;
pub(crate) mod threads;

use std::time::Duration;

use quoit::{ClaimError, PopError};

use crate::common::PATIENCE;
use crate::common::calls::{Amount, Calls, Row, Wait, Way, ways};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::sample::Words;

/// Records that may be copied inline.
pub(crate) type Short = Words<4>;

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
