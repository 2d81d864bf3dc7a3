//! The work of both endpoints, in either shape, until they are killed.

use quoit::{ClaimError, PopError, Ring};

use crate::common::calls::{Amount, Calls, Wait, ways};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::sample::{Words, record};
use crate::ledger::Ledger;

pub(crate) type Message = Words<4>;

/// Messages whose numbers follow from their positions.
pub(crate) trait Load: Calls {
    /// So small that both endpoints wait often.
    const CAPACITY: u64;

    /// How many messages are before this position.
    fn number(position: u64) -> u64;

    /// The message with this number.
    fn content(number: u64) -> Self::Message;
}

/// Records, which are copied inline when they are published one by one. The number of a
/// record is its position.
impl Load for Message {
    const CAPACITY: u64 = 16;

    fn number(position: u64) -> u64 {
        position
    }

    fn content(number: u64) -> Self {
        record(number)
    }
}

/// Pushes by every call, from where the previous holder was killed.
pub(crate) fn produce<L: Load + ?Sized>(ring: &Ring<L>, ledger: &Ledger, mut dice: Dice) -> ! {
    let mut producer = ring.producer().expect("the previous holder was killed");
    let ways = ways(L::WRITES, &[Wait::Forever]);
    let mut number = L::number(producer.position());
    ledger.producer_begins(number);
    loop {
        let numbers = number..number + some(&mut dice);
        ledger.intends(&numbers);
        let messages: Vec<_> = numbers.map(L::content).collect();
        let write = &ways[dice.roll(ways.len() as u64)];
        // An even number: it claims no more than it needs, and commits all of it.
        match (write.call)(&mut producer, &messages, write.wait, 2 * dice.roll(6)) {
            // `Abandoned` until a new peer attaches.
            Ok(_) | Err(ClaimError::Abandoned) => {}
            Err(other) => panic!("{}: {other}", write.name()),
        }
        number = L::number(producer.position());
        ledger.published(number);
    }
}

/// Consumes, from where the previous holder was killed.
pub(crate) fn consume<L: Load + ?Sized>(ring: &Ring<L>, ledger: &Ledger, mut dice: Dice) -> ! {
    let mut consumer = ring.consumer().expect("the previous holder was killed");
    ledger.consumer_begins(L::number(consumer.position()));
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
    let mut number = L::number(consumer.position());
    let taken = (read.call)(consumer, wanted, read.wait, dice.roll(12), &mut |message| {
        assert_eq!(message, L::content(number), "message {number}");
        ledger.sees(number);
        number += 1;
    });
    ledger.released(L::number(consumer.position()));
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
