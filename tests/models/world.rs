//! A ring of either shape, its two endpoints, and the queue that they are compared with.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use quoit::{ClaimError, PopError, Ring, RingOptions};

use crate::common::calls::{Amount, Calls, Read, Wait, Way, Write, ways};
use crate::common::dice::Dice;
use crate::common::ends::End;
use crate::common::names::RingName;
use crate::common::rings::{ends, named};
use crate::common::segment_file::SegmentFile;

/// One step of a sequence: what is done, and the seed of what it is done with.
type Step = (u8, u64);

/// A shape with its model.
pub(crate) trait Modelled: Calls {
    /// The bytes or slots that each position is a multiple of.
    const UNIT: u64;

    /// The next few messages, at least one.
    fn fresh(world: &mut World<'_, Self>, dice: &mut Dice) -> Vec<Self::Message>;

    /// The units of a message without padding.
    fn size(message: &Self::Message) -> u64;

    /// The units that a message takes `ahead` units after the tail, or the error of a call
    /// that does not wait.
    fn place(
        world: &World<'_, Self>,
        ahead: u64,
        message: &Self::Message,
    ) -> Result<u64, ClaimError>;

    /// What `claim` claims for this message.
    fn claimed(message: &Self::Message, manner: usize) -> Self::Message;

    /// Skips this many messages, or all but the last.
    fn skip(consumer: &mut Self::Consumer, count: Option<usize>) -> Result<usize, PopError>;

    /// Compares what only endpoints of this shape say.
    fn compare(
        world: &World<'_, Self>,
        producer: Option<&Self::Producer>,
        consumer: Option<&Self::Consumer>,
    );
}

/// How messages were transferred in one test; only segments show inline copies.
#[derive(Debug, Default)]
pub(crate) struct Journeys {
    pub(crate) has_inline_copy: Cell<u64>,
    pub(crate) walks: Cell<u64>,
    pub(crate) paddings: Cell<u64>,
}

fn count(journeys: &Cell<u64>) {
    journeys.set(journeys.get() + 1);
}

/// Runs this many sequences for one shape. The first position is zero, any, or at most `near`
/// units before a wrap.
pub(crate) fn behaves_like_a_queue<T: Modelled + ?Sized>(
    sequences: u32,
    capacities: &'static [u64],
    near: u64,
) -> Journeys {
    let journeys = Journeys::default();
    let mut runner = TestRunner::new(Config {
        cases: sequences,
        failure_persistence: None,
        ..Config::default()
    });
    let before = |wrap: u64| (0..near).prop_map(move |units| wrap - units);
    let first = prop_oneof![
        Just(0),
        any::<u64>(),
        before(u64::MAX),
        before(u32::MAX.into()),
        before(1 << 63),
    ];
    let setting = (select(capacities), first, weighted(0.05));
    let steps = vec((0..46_u8, any::<u64>()), 1..40);
    let outcome = runner.run(&(setting, steps), |((capacity, first, is_named), steps)| {
        let first = first - first % T::UNIT;
        let mut world = World::<T>::new(capacity, first, is_named, &journeys);
        steps.into_iter().for_each(|step| world.take(step));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    journeys
}

/// Every form of a call. No call here has time to wait.
fn forms() -> [Wait; 3] {
    [
        Wait::Never,
        Wait::Forever,
        Wait::Until(Duration::ZERO.into()),
    ]
}

pub(crate) struct World<'a, T: Modelled + ?Sized> {
    producer: Option<T::Producer>,
    consumer: Option<T::Consumer>,
    /// The segment, where roles can be taken again; `None` on the heap.
    segment: Option<(Ring<T>, SegmentFile, RingName)>,
    /// The published messages that are not released, each with the units that it takes.
    queue: VecDeque<(T::Message, u64)>,
    pub(crate) capacity: u64,
    pub(crate) tail: u64,
    head: u64,
    /// The number of the next message.
    pub(crate) number: u64,
    /// Whether an endpoint has closed.
    pub(crate) producer_closed: bool,
    consumer_closed: bool,
    pub(crate) journeys: &'a Journeys,
}

impl<'a, T: Modelled + ?Sized> World<'a, T> {
    /// In a real segment, or on the heap.
    fn new(capacity: u64, first: u64, is_named: bool, journeys: &'a Journeys) -> Self {
        let options = RingOptions::new(capacity).first_position(first);
        let (segment, (producer, consumer)) = if is_named {
            let (ring, name) = named::<T>("model", &options);
            let (ends, file) = (ends(&ring), SegmentFile::open(&name.file()));
            (Some((ring, file, name)), ends)
        } else {
            (None, options.heap::<T>().expect("there is memory"))
        };
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            segment,
            queue: VecDeque::new(),
            capacity,
            tail: first,
            head: first,
            number: 0,
            producer_closed: false,
            consumer_closed: false,
            journeys,
        }
    }

    /// Performs one step on the ring and on the queue, and compares.
    fn take(&mut self, (what, seed): Step) {
        let (mut dice, manner) = (Dice(seed), Dice(!seed).roll(100));
        let is_named = self.segment.is_some();
        match what {
            // A call of the table.
            0..20 => {
                let ways = ways(T::WRITES, &forms());
                let way = &ways[dice.roll(ways.len() as u64)];
                let messages = T::fresh(self, &mut dice);
                self.write(way, messages, manner);
            }
            // The same for this many messages, which may be more than there are.
            20..39 => {
                let ways = ways(T::READS, &forms());
                let way = &ways[dice.roll(ways.len() as u64)];
                let wanted = [dice.roll(5), 1 + dice.roll(79)][dice.roll(2)];
                self.read(way, wanted, manner);
            }
            // Pushes one and pops one, a few times, always alike.
            39 => {
                for _ in 0..3 + 3 * dice.roll(4) {
                    let message = T::fresh(self, &mut Dice(seed)).swap_remove(0);
                    self.write(&ways(T::WRITES, &[Wait::Never])[0], vec![message], 0);
                    self.pop();
                }
            }
            40 => {
                let count = [dice.roll(5), dice.roll(80), usize::MAX][dice.roll(3)];
                let expected = if count == 0 { Ok(0) } else { self.up_to(count) };
                self.skips(Some(count), expected);
            }
            41 => {
                let expected = self.up_to(usize::MAX).map(|there| there - 1);
                self.skips(None, expected);
            }
            // Takes everything, then polls without a message: the consumer has caught up.
            42..44 => (0..self.queue.len() + 64).for_each(|_| self.pop()),
            // Drops an endpoint. A new one attaches when it is needed.
            44 if is_named && manner % 2 == 0 => {
                (self.producer, self.producer_closed) = (None, false);
            }
            44 if is_named => (self.consumer, self.consumer_closed) = (None, false),
            // Closes an endpoint, which exists until it is dropped.
            45 if is_named && manner % 2 == 0 => {
                self.producer().close();
                self.producer_closed = true;
            }
            45 if is_named => {
                self.consumer().close();
                self.consumer_closed = true;
            }
            _ => {}
        }
        self.compare();
    }

    fn pop(&mut self) {
        self.read(&ways(T::READS, &[Wait::Never])[0], 1, 0);
    }

    /// Makes a call of the table, and publishes in the queue what it must have published. A
    /// call that would wait forever is not made.
    fn write(&mut self, way: &Way<Write<T>>, mut messages: Vec<T::Message>, manner: usize) {
        if way.amount == Amount::One {
            messages.truncate(1);
        }
        let name = way.name();
        let is_batch = name.contains("FrameBatch");
        let (mut ahead, mut fitting, mut refusal) = (0, Vec::new(), None);
        for message in &messages {
            let claimed = match way.amount == Amount::One && name.contains("claim") {
                true => T::claimed(message, manner),
                false => message.clone(),
            };
            match T::place(self, ahead, &claimed) {
                Ok(units) => {
                    let units = units - T::size(&claimed) + T::size(message);
                    ahead += units;
                    fitting.push(units);
                }
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        let max = self.capacity as usize;
        if way.amount == Amount::AtOnce && messages.len() > max {
            (fitting, refusal) = (Vec::new(), Some(ClaimError::TooLong { max }));
        } else if way.amount == Amount::AtOnce && refusal.is_some() {
            fitting.clear();
        }
        let expected = match (refusal, way.amount) {
            // A batch waits for room for each of its frames.
            (Some(ClaimError::Full), _)
                if way.wait == Wait::Forever
                    && (fitting.is_empty() || way.amount != Amount::UpTo || is_batch) =>
            {
                return;
            }
            (Some(_), Amount::UpTo) if !fitting.is_empty() => Ok(fitting.len()),
            (Some(ClaimError::Full), _) if way.wait != Wait::Never => Err(ClaimError::TimedOut),
            (Some(error), _) => Err(error),
            (None, _) => Ok(fitting.len()),
        };
        let written = (way.call)(self.producer(), &messages, way.wait, manner);
        let may_be_less = manner % 2 == 1 && (is_batch || name.contains("claim_many"));
        if !may_be_less || expected.is_err() {
            assert_eq!(written, expected, "{name}");
        }
        let published = written.unwrap_or(fitting.len());
        assert!(published <= fitting.len(), "{name}");
        let is_alone = way.amount == Amount::One;
        for (message, units) in messages.into_iter().zip(fitting).take(published) {
            self.publish(message, units, is_alone);
        }
    }

    /// Makes a call of the table, and releases in the queue what it must have taken. A call
    /// that would wait forever is not made.
    fn read(&mut self, way: &Way<Read<T>>, wanted: usize, manner: usize) {
        let wanted = match way.amount {
            Amount::One => 1,
            Amount::AtOnce => wanted,
            _ => wanted.max(1),
        };
        let mut there = wanted.min(self.queue.len());
        let max = self.capacity as usize;
        let is_enough = match way.amount {
            // A peek of zero records finds nothing.
            Amount::All | Amount::AtOnce => there == wanted && !self.queue.is_empty(),
            // An iterator ends at the last record.
            _ => there > 0,
        } || way.name() == "iter" && there > 0 && self.no_message_comes();
        let expected = match way.wait {
            _ if way.amount == Amount::AtOnce && wanted > max => Err(PopError::TooMany { max }),
            _ if is_enough => Ok(there),
            _ if self.no_message_comes() => Err(PopError::Abandoned),
            Wait::Never => Err(PopError::Empty),
            Wait::Forever => return,
            Wait::Until(_) => Err(PopError::TimedOut),
        };
        if expected.is_err() && way.amount != Amount::All {
            there = 0;
        }
        let mut taken = Vec::new();
        let take = &mut |message| taken.push(message);
        let read = (way.call)(self.consumer(), wanted, way.wait, manner, take);
        assert_eq!(read, expected, "{}", way.name());
        let queue = self.queue.iter().map(|(message, _)| message);
        assert!(queue.take(there).eq(&taken), "{}", way.name());
        self.release(there);
    }

    fn skips(&mut self, count: Option<usize>, expected: Result<usize, PopError>) {
        assert_eq!(T::skip(self.consumer(), count), expected);
        self.release(expected.unwrap_or(0));
    }

    /// The producer; a new one if it was dropped.
    fn producer(&mut self) -> &mut T::Producer {
        self.producer.get_or_insert_with(|| {
            let (ring, ..) = self.segment.as_ref().expect("dropped in a segment only");
            ring.producer().expect("the role is free")
        })
    }

    /// The consumer; a new one if it was dropped.
    fn consumer(&mut self) -> &mut T::Consumer {
        self.consumer.get_or_insert_with(|| {
            let (ring, ..) = self.segment.as_ref().expect("dropped in a segment only");
            ring.consumer().expect("the role is free")
        })
    }

    /// Whether no consumer makes room for this producer.
    pub(crate) fn no_room_comes(&self) -> bool {
        self.consumer.is_none() || self.consumer_closed || self.producer_closed
    }

    /// Whether no producer sends a message to this consumer.
    fn no_message_comes(&self) -> bool {
        self.producer.is_none() || self.producer_closed || self.consumer_closed
    }

    /// The units of all messages.
    pub(crate) fn unread(&self) -> u64 {
        self.queue.iter().map(|(_, units)| units).sum()
    }

    /// The result of a call that takes at most this many of the first messages.
    fn up_to(&self, count: usize) -> Result<usize, PopError> {
        match self.queue.len() {
            0 if self.no_message_comes() => Err(PopError::Abandoned),
            0 => Err(PopError::Empty),
            there => Ok(count.min(there)),
        }
    }

    fn release(&mut self, count: usize) {
        let released = self.queue.drain(..count);
        self.head = released.fold(self.head, |head, (_, units)| head.wrapping_add(units));
    }

    /// Publishes a message in the queue; counts how it was transferred, if it was published
    /// alone.
    fn publish(&mut self, message: T::Message, units: u64, is_alone: bool) {
        if units > T::size(&message) {
            count(&self.journeys.paddings);
        }
        self.tail = self.tail.wrapping_add(units);
        self.queue.push_back((message, units));
        if let (Some((_, file, _)), true) = (&self.segment, is_alone) {
            count(match file.has_inline_copy() {
                true => &self.journeys.has_inline_copy,
                false => &self.journeys.walks,
            });
        }
    }

    /// Compares the state of the endpoints with that of the queue.
    fn compare(&self) {
        if let Some(producer) = &self.producer {
            let is_abandoned = self.consumer.is_none() || self.consumer_closed;
            self.compare_end(producer, self.tail, is_abandoned);
        }
        if let Some(consumer) = &self.consumer {
            let is_abandoned = self.producer.is_none() || self.producer_closed;
            self.compare_end(consumer, self.head, is_abandoned);
        }
        T::compare(self, self.producer.as_ref(), self.consumer.as_ref());
    }

    fn compare_end(&self, end: &impl End, position: u64, is_abandoned: bool) {
        let (unread, capacity) = (self.unread(), self.capacity);
        let found = (end.position(), end.len(), end.capacity());
        assert_eq!(found, (position, unread, capacity));
        let found = (end.is_empty(), end.is_abandoned(), end.corruption());
        assert_eq!(found, (self.queue.is_empty(), is_abandoned, None));
    }
}
