//! The work of both endpoints, in either shape, until they are killed.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use quoit::{
    ClaimError, Consumer, Fences, FrameConsumer, FrameProducer, PopError, Producer, Record, Ring,
    RingOptions, Shape, WaitStrategy,
};

use crate::common::dice::Dice;
use crate::ledger::Ledger;

/// An endpoint of either shape.
pub(crate) trait End {
    fn place(&self) -> u64;
}

impl<T: Record> End for Producer<T> {
    fn place(&self) -> u64 {
        self.position()
    }
}

impl<T: Record> End for Consumer<T> {
    fn place(&self) -> u64 {
        self.position()
    }
}

impl End for FrameProducer {
    fn place(&self) -> u64 {
        self.position()
    }
}

impl End for FrameConsumer {
    fn place(&self) -> u64 {
        self.position()
    }
}

/// Messages whose numbers follow from their positions.
pub(crate) trait Load: Shape<Producer: End, Consumer: End> {
    /// So small that both endpoints wait often.
    const CAPACITY: u64;

    /// How many messages are before this position.
    fn number(position: u64) -> u64;

    /// Waits for room and pushes the first of these, or more; returns how many.
    fn push(producer: &mut Self::Producer, numbers: Range<u64>) -> Result<u64, ClaimError>;

    /// Waits for these messages or the first of them, checks every byte, passes their
    /// numbers to `sees`, and releases them; returns how many.
    fn take(
        consumer: &mut Self::Consumer,
        numbers: Range<u64>,
        sees: impl FnMut(u64),
    ) -> Result<u64, PopError>;
}

/// Pushes, from where the previous holder was killed. The arguments are from `Arena`.
pub(crate) fn produce<L: Load + ?Sized>(arguments: &[String]) {
    let (ring, ledger, mut dice) = begin::<L>(arguments);
    let mut producer = ring.producer().expect("the previous holder was killed");
    let mut number = L::number(producer.place());
    ledger.producer_begins(number);
    loop {
        let numbers = number..number + some(&mut dice);
        ledger.intends(&numbers);
        match L::push(&mut producer, numbers) {
            Ok(count) => number += count,
            Err(ClaimError::Abandoned) => {} // until a new peer attaches
            Err(other) => panic!("{other}"),
        }
        ledger.published(number);
    }
}

/// Consumes, from where the previous holder was killed.
pub(crate) fn consume<L: Load + ?Sized>(arguments: &[String]) {
    let (ring, ledger, mut dice) = begin::<L>(arguments);
    let mut consumer = ring.consumer().expect("the previous holder was killed");
    let mut number = L::number(consumer.place());
    ledger.consumer_begins(number);
    loop {
        let numbers = number..number + some(&mut dice);
        match L::take(&mut consumer, numbers, |number| ledger.sees(number)) {
            Ok(count) => number += count,
            Err(PopError::Abandoned) => {} // until a new peer attaches
            Err(other) => panic!("{other}"),
        }
        ledger.released(number);
    }
}

/// One message or a batch.
fn some(dice: &mut Dice) -> u64 {
    match dice.roll(4) {
        0 => 2 + dice.roll(5) as u64,
        _ => 1,
    }
}

fn begin<L: Load + ?Sized>(arguments: &[String]) -> (Ring<L>, Ledger, Dice) {
    let [name, ledger, strategy, seed] = arguments else {
        panic!("a name, a ledger, a strategy and a seed are expected");
    };
    let mut dice = Dice(seed.parse().expect("a number"));
    let ring = endpoint_options(strategy, &mut dice)
        .open(name)
        .expect("the ring");
    (ring, Ledger::open(Path::new(ledger)), dice)
}

/// How an endpoint waits and wakes: not always like the previous holder or the peer.
fn endpoint_options(strategy: &str, dice: &mut Dice) -> RingOptions {
    let options = RingOptions::default().fences(match dice.roll(3) {
        0 => Fences::Symmetric,
        _ => Fences::Asymmetric,
    });
    match (strategy, dice.roll(3)) {
        ("parked", 0) => options,
        ("parked", _) => options.spin(Duration::ZERO),
        (_, 0) => options.wait_strategy(WaitStrategy::Yield),
        _ => options.wait_strategy(WaitStrategy::Spin),
    }
}
