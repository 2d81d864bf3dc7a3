//! The work of both endpoints, in either shape, until they are killed.

use quoit::{ClaimError, PopError, Ring, Role};

use crate::common::calls::{Amount, Calls, Wait, ways};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::sample::{Words, bytes, mix, record};
use crate::ledger::Ledger;

pub(crate) type Message = Words<4>;

/// Messages that follow from the positions before them.
pub(crate) trait Load: Calls {
    /// So small that both endpoints wait often.
    const CAPACITY: u64;

    /// The position after the message at this one.
    fn next(position: u64) -> u64;

    /// The message at this position.
    fn content(position: u64) -> Self::Message;
}

/// Records, which are copied inline when they are published one by one.
impl Load for Message {
    const CAPACITY: u64 = 16;

    fn next(position: u64) -> u64 {
        position + 1
    }

    fn content(position: u64) -> Self {
        record(position)
    }
}

/// Frames of all lengths.
const CAPACITY: u64 = 1024;
/// The longest payload, and the bytes of its frame.
const LONGEST: u64 = CAPACITY / 2 - 8;

fn len(position: u64) -> u64 {
    let dice = mix(position);
    match dice % 8 {
        0 => dice / 8 % (LONGEST + 1),
        _ => dice / 8 % 64,
    }
}

impl Load for [u8] {
    const CAPACITY: u64 = CAPACITY;

    fn next(position: u64) -> u64 {
        let size = 8 + len(position).next_multiple_of(8);
        let rest = CAPACITY - position % CAPACITY;
        // No frame is split: padding fills the lap.
        position + if size > rest { rest + size } else { size }
    }

    fn content(position: u64) -> (u32, Vec<u8>) {
        let kind = position / (CAPACITY / 2); // as calls want that give all frames the same
        (kind as u32, bytes(position, len(position) as usize))
    }
}

/// Pushes by every call, from where the previous holder was killed.
pub(crate) fn produce<L: Load + ?Sized>(ring: &Ring<L>, ledger: &Ledger, mut dice: Dice) -> ! {
    let mut producer = ring.producer().expect("the previous holder was killed");
    let ways = ways(L::WRITES, &[Wait::Forever]);
    ledger.begins(Role::Producer, producer.position());
    loop {
        let mut end = producer.position();
        let mut messages = Vec::new();
        for _ in 0..some(&mut dice) {
            messages.push(L::content(end));
            end = L::next(end);
        }
        ledger.intends(end);
        let write = &ways[dice.roll(ways.len() as u64)];
        // An even number: it claims no more than it needs, and commits all of it.
        match (write.call)(&mut producer, &messages, write.wait, 2 * dice.roll(6)) {
            // `Abandoned` until a new peer attaches.
            Ok(_) | Err(ClaimError::Abandoned) => {}
            Err(other) => panic!("{}: {other}", write.name()),
        }
        ledger.has_moved(Role::Producer, producer.position());
    }
}

/// Consumes, from where the previous holder was killed.
pub(crate) fn consume<L: Load + ?Sized>(ring: &Ring<L>, ledger: &Ledger, mut dice: Dice) -> ! {
    let mut consumer = ring.consumer().expect("the previous holder was killed");
    ledger.begins(Role::Consumer, consumer.position());
    loop {
        let wanted = some(&mut dice) as usize;
        match take::<L>(&mut consumer, wanted, ledger, &mut dice) {
            // `Abandoned` until a new peer attaches.
            Ok(_) | Err(PopError::Abandoned) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Waits for this many messages or some of them, by a call that releases them after they were
/// seen; checks every byte, and records them in the ledger.
pub(crate) fn take<L: Load + ?Sized>(
    consumer: &mut L::Consumer,
    wanted: usize,
    ledger: &Ledger,
    dice: &mut Dice,
) -> Result<usize, PopError> {
    let mut ways = ways(L::READS, &[Wait::Never, Wait::Forever]);
    ways.retain(|read| read.name().contains("peek") && read.amount != Amount::AtOnce);
    let read = &ways[dice.roll(ways.len() as u64)];
    let mut position = consumer.position();
    let taken = (read.call)(consumer, wanted, read.wait, dice.roll(12), &mut |message| {
        assert_eq!(message, L::content(position), "at {position}");
        position = L::next(position);
        ledger.sees(position);
    });
    ledger.has_moved(Role::Consumer, consumer.position());
    match taken {
        Err(PopError::Empty) if read.wait == Wait::Never => Ok(0),
        taken => taken,
    }
}

/// One message or a batch.
fn some(dice: &mut Dice) -> u64 {
    match dice.roll(4) {
        0 => 2 + dice.roll(5) as u64,
        _ => 1,
    }
}
