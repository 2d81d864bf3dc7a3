//! The messages, the operations, and the states of the ring before them.

use std::mem::forget;
use std::path::Path;
use std::time::Duration;

use quoit::{Consumer, FrameConsumer, PopError, RingOptions, Role};

use super::stepper::traced;
use crate::common::calls::{Calls, Wait, pop, push, ways};
use crate::common::ends::End;
use crate::common::rings::ends;
use crate::common::sample::{Words, bytes, mix};
use crate::common::segment_file::SegmentFile;

/// A shape of messages.
pub(crate) trait Messages: Calls {
    const NAME: &'static str;
    /// Slots or bytes.
    const CAPACITY: u64;
    /// The calls of the other shape.
    const LACKS: &'static [&'static str];

    /// The message with this number.
    fn of(number: u64) -> Self::Message;

    fn skip(consumer: &mut Self::Consumer);
}

/// Records that have inline copies.
pub(crate) type Record = Words<3>;

impl Messages for Record {
    const NAME: &'static str = "records";
    const CAPACITY: u64 = 4;
    const LACKS: &'static [&'static str] = &["try_FrameBatch::claim", "try_drain"];

    fn of(number: u64) -> Record {
        Words([number, mix(number), !number])
    }

    fn skip(consumer: &mut Consumer<Record>) {
        assert_eq!(consumer.skip(1), Ok(1));
    }
}

/// Frames of several lengths: short ones with inline copies, and a longer one.
impl Messages for [u8] {
    const NAME: &'static str = "frames";
    const CAPACITY: u64 = 256;
    const LACKS: &'static [&'static str] = &["try_iter"];

    fn of(number: u64) -> (u32, Vec<u8>) {
        let len = [0, 5, 32, 92][(number % 4) as usize];
        (0, [&number.to_le_bytes()[..], &bytes(number, len)].concat())
    }

    fn skip(consumer: &mut FrameConsumer) {
        assert_eq!(consumer.skip(1), Ok(1));
    }
}

/// An operation of one endpoint: the name, the role that performs it and dies in it, and the number of
/// messages by which it moves the role's position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) moves: u64,
}

pub(crate) const fn by(role: Role, name: &'static str, moves: u64) -> Operation {
    Operation { name, role, moves }
}

/// The state of the ring before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stage {
    /// The number of released messages.
    pub(crate) passed: u64,
    /// The number of messages in the ring.
    pub(crate) unread: u64,
    /// The consumer has caught up, and set its hint: the next message is copied inline.
    pub(crate) inline: bool,
    /// The peer's sleep word says that it sleeps.
    pub(crate) peer_sleeps: bool,
}

/// Long enough for a sleep while each instruction is stepped.
const NAP: Duration = Duration::from_millis(200);
/// The sleep words of the two endpoints, and their value during a sleep.
const WORDS: [u64; 2] = [12288, 12416];
const PARKED: u32 = 2;
/// A claim, and a peek, are first dropped once; a batch is dropped.
const MANNER: usize = 3;

/// In a child: prepares the ring and performs the operation between two marks.
pub(crate) fn play<M: Messages + ?Sized>(path: &Path, operation: Operation, stage: Stage) {
    let Operation { name, moves, .. } = operation;
    let options = RingOptions::new(M::CAPACITY).spin(Duration::ZERO);
    let ring = options.open::<M>(path).expect("the ring");
    let (mut producer, mut consumer) = ends(&ring);
    let poll = |consumer: &mut M::Consumer| {
        for _ in 0..if stage.inline { 100 } else { 0 } {
            assert_eq!(pop::<M>(consumer, Wait::Never), Err(PopError::Empty));
        }
    };
    for number in 0..stage.passed {
        poll(&mut consumer);
        push::<M>(&mut producer, &M::of(number), Wait::Never).expect("there is room");
        assert_eq!(pop::<M>(&mut consumer, Wait::Never), Ok(M::of(number)));
    }
    poll(&mut consumer);
    let next = stage.passed + stage.unread;
    for number in stage.passed..next {
        push::<M>(&mut producer, &M::of(number), Wait::Never).expect("there is room");
    }
    for word in WORDS.iter().filter(|_| stage.peer_sleeps) {
        SegmentFile::open(path).write_half(*word, PARKED);
    }
    let waits = [Wait::Never, Wait::Until(NAP.into())];
    let messages: Vec<_> = (next..next + moves.max(1)).map(M::of).collect();
    // A call that moves nothing fails, or its batch is dropped.
    if let Some(way) = ways(M::WRITES, &waits)
        .iter()
        .find(|way| way.name() == name)
    {
        let moved = traced(|| (way.call)(&mut producer, &messages, way.wait, MANNER));
        return assert_eq!(moved.unwrap_or(0) as u64, moves);
    }
    if let Some(way) = ways(M::READS, &waits).iter().find(|way| way.name() == name) {
        let mut taken = Vec::with_capacity(moves as usize);
        let mut take = |message| taken.push(message);
        let wanted = messages.len();
        let moved = traced(|| (way.call)(&mut consumer, wanted, way.wait, MANNER, &mut take));
        assert_eq!(moved.unwrap_or(0) as u64, moves);
        let expected = (stage.passed..).take(taken.len()).map(M::of);
        return assert!(taken.into_iter().eq(expected));
    }
    match name {
        "skip" => traced(|| M::skip(&mut consumer)),
        "take the producer" => {
            drop(producer);
            forget(traced(|| ring.producer()).expect("the role is free"));
        }
        "take the consumer" => {
            drop(consumer);
            forget(traced(|| ring.consumer()).expect("the role is free"));
        }
        "drop the producer" => traced(|| drop(producer)),
        "drop the consumer" => traced(|| drop(consumer)),
        "close the producer" => traced(|| producer.close()),
        "close the consumer" => traced(|| consumer.close()),
        other => panic!("there is no operation {other}"),
    }
}
