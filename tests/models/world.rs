//! A ring of either shape, its two endpoints, and the queue that they are compared with.

use std::cell::Cell;
use std::fmt::Debug;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use quoit::{
    ClaimError, Consumer, Corrupt, FrameConsumer, PopError, Record, Ring, RingOptions, Role,
};

use crate::common::calls::{Amount, Calls, Read, Wait, Way, Write, ways};
use crate::common::ends::End;
use crate::common::names::RingName;
use crate::common::rings::ends;
use crate::common::segment_file::SegmentFile;
use crate::queue::Queue;

/// The initial ring.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) capacity: u64,
    pub(crate) first_position: u64,
    /// In a real segment, or on the heap.
    named: bool,
}

/// Zero, any position, or a position at most this far before a wrap: a multiple of `unit`.
pub(crate) fn settings(
    capacities: &'static [u64],
    near: u64,
    unit: u64,
) -> impl Strategy<Value = Setting> + use<> {
    let capacity = proptest::sample::select(capacities);
    let first_position = prop_oneof![
        Just(0),
        any::<u64>(),
        (0..near).prop_map(|before| u64::MAX - before),
        (0..near).prop_map(|before| u64::from(u32::MAX) - before),
        (0..near).prop_map(|before| (1 << 63) - before),
    ];
    let named = proptest::bool::weighted(0.05);
    (capacity, first_position, named).prop_map(move |(capacity, position, named)| Setting {
        capacity,
        first_position: position - position % unit,
        named,
    })
}

/// One step of a sequence.
#[derive(Debug, Clone)]
enum Step<W> {
    /// A call of the table, which is one of this many, for these messages.
    Write {
        way: Index,
        wishes: Vec<W>,
        manner: usize,
    },
    /// The same for this many messages, which may be more than there are.
    Read {
        way: Index,
        wanted: usize,
        manner: usize,
    },
    /// Pushes one and pops one, this many times.
    PingPong(usize, W),
    Skip(usize),
    SkipToLatest,
    /// Takes everything, then polls a few times without a message: the consumer has caught up.
    CatchUp,
    /// Drops an endpoint. A new one attaches when it is needed.
    Leave(Role),
    /// Closes an endpoint, which exists until it is dropped.
    Close(Role),
}

fn steps<T: Modelled + ?Sized>() -> impl Strategy<Value = Vec<Step<T::Wish>>> {
    let role = || prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let count = prop_oneof![0..5usize, 0..80usize, Just(usize::MAX)];
    let (few, way) = (1..5usize, any::<Index>);
    let wanted = prop_oneof![0..5usize, 1..80usize];
    let write = (way(), T::wishes(), 0..100usize);
    let read = (way(), wanted, 0..100usize);
    let step = prop_oneof![
        20 => write.prop_map(|(way, wishes, manner)| Step::Write { way, wishes, manner }),
        19 => read.prop_map(|(way, wanted, manner)| Step::Read { way, wanted, manner }),
        1 => (few, T::wishes()).prop_map(|(few, mut wishes)| {
            Step::PingPong(3 * few, wishes.swap_remove(0))
        }),
        1 => count.prop_map(Step::Skip),
        1 => Just(Step::SkipToLatest),
        2 => Just(Step::CatchUp),
        1 => role().prop_map(Step::Leave),
        1 => role().prop_map(Step::Close),
    ];
    vec(step, 1..40)
}

/// A shape with its model.
pub(crate) trait Modelled: Calls<Consumer: Skips> {
    /// What the next message is like.
    type Wish: Debug + Clone + 'static;

    /// A few messages, at least one.
    fn wishes() -> BoxedStrategy<Vec<Self::Wish>>;

    /// The next message.
    fn fresh(world: &mut World<'_, Self>, wish: &Self::Wish) -> Self::Message;

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

    /// Compares what only endpoints of this shape say.
    fn compare(
        world: &World<'_, Self>,
        producer: Option<&Self::Producer>,
        consumer: Option<&Self::Consumer>,
    );
}

/// What all endpoints say: position, units, whether there are none, capacity, whether the
/// peer has left, corruption.
type State = (u64, u64, bool, u64, bool, Option<Corrupt>);

fn state(end: &impl End) -> State {
    let (position, len, capacity) = (end.position(), end.len(), end.capacity());
    let is_empty = end.is_empty();
    let is_abandoned = end.is_abandoned();
    (
        position,
        len,
        is_empty,
        capacity,
        is_abandoned,
        end.corruption(),
    )
}

pub(crate) trait Skips {
    fn skip(&mut self, count: usize) -> Result<usize, PopError>;
    fn skip_to_latest(&mut self) -> Result<usize, PopError>;
}

macro_rules! skips {
    ([$($bounds:tt)*] $end:ty) => {
        impl<$($bounds)*> Skips for $end {
            fn skip(&mut self, count: usize) -> Result<usize, PopError> {
                self.skip(count)
            }

            fn skip_to_latest(&mut self) -> Result<usize, PopError> {
                self.skip_to_latest()
            }
        }
    };
}
skips!([T: Record] Consumer<T>);
skips!([] FrameConsumer);

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

/// Runs this many sequences for one shape.
pub(crate) fn behaves_like_a_queue<T: Modelled + ?Sized>(
    sequences: u32,
    settings: impl Strategy<Value = Setting>,
) -> Journeys {
    let journeys = Journeys::default();
    let mut runner = TestRunner::new(Config {
        cases: sequences,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(settings, steps::<T>()), |(setting, steps)| {
        let mut world = World::<T>::new(&setting, &journeys);
        for step in &steps {
            world.take(step);
        }
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
    pub(crate) queue: Queue<T::Message>,
    /// The number of the next message.
    pub(crate) number: u64,
    /// Whether an endpoint has closed.
    pub(crate) producer_closed: bool,
    consumer_closed: bool,
    pub(crate) journeys: &'a Journeys,
}

impl<'a, T: Modelled + ?Sized> World<'a, T> {
    fn new(setting: &Setting, journeys: &'a Journeys) -> Self {
        let options = RingOptions::new(setting.capacity).first_position(setting.first_position);
        let (segment, producer, consumer) = if setting.named {
            let name = RingName::new("model");
            let ring = options.create::<T>(&name).expect("the ring can be created");
            let (producer, consumer) = ends(&ring);
            let file = SegmentFile::open(&name.file());
            (Some((ring, file, name)), producer, consumer)
        } else {
            let (producer, consumer) = options.heap::<T>().expect("there is memory");
            (None, producer, consumer)
        };
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            segment,
            queue: Queue::new(setting.capacity, setting.first_position),
            number: 0,
            producer_closed: false,
            consumer_closed: false,
            journeys,
        }
    }

    /// Performs one step on the ring and on the queue, and compares.
    fn take(&mut self, step: &Step<T::Wish>) {
        match step {
            Step::Write {
                way,
                wishes,
                manner,
            } => {
                let ways = ways(T::WRITES, &forms());
                let messages: Vec<_> = wishes.iter().map(|wish| T::fresh(self, wish)).collect();
                self.write(&ways[way.index(ways.len())], messages, *manner);
            }
            Step::Read {
                way,
                wanted,
                manner,
            } => {
                let ways = ways(T::READS, &forms());
                self.read(&ways[way.index(ways.len())], *wanted, *manner);
            }
            Step::PingPong(rounds, wish) => {
                for _ in 0..*rounds {
                    let message = T::fresh(self, wish);
                    self.write(&ways(T::WRITES, &[Wait::Never])[0], vec![message], 0);
                    self.pop();
                }
            }
            Step::Skip(count) => {
                let expected = self.up_to(*count);
                let skipped = self.consumer().skip(*count);
                self.skipped(skipped, expected);
            }
            Step::SkipToLatest => {
                let expected = self.next().map(|_| self.queue.len() - 1);
                let skipped = self.consumer().skip_to_latest();
                self.skipped(skipped, expected);
            }
            Step::CatchUp => {
                for _ in 0..self.queue.len() + 64 {
                    self.pop();
                }
            }
            Step::Leave(_) | Step::Close(_) if self.segment.is_none() => {}
            Step::Leave(Role::Producer) => {
                (self.producer, self.producer_closed) = (None, false);
            }
            Step::Leave(Role::Consumer) => {
                (self.consumer, self.consumer_closed) = (None, false);
            }
            Step::Close(Role::Producer) => {
                self.producer().close();
                self.producer_closed = true;
            }
            Step::Close(Role::Consumer) => {
                self.consumer().close();
                self.consumer_closed = true;
            }
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
        let max = self.queue.capacity() as usize;
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
        let max = self.queue.capacity() as usize;
        let is_enough = match way.amount {
            // A peek of zero records finds nothing.
            Amount::All | Amount::AtOnce => there == wanted && self.queue.len() > 0,
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
        assert!(self.queue.iter().take(there).eq(&taken), "{}", way.name());
        self.queue.release(there);
    }

    fn skipped(&mut self, skipped: Result<usize, PopError>, expected: Result<usize, PopError>) {
        assert_eq!(skipped, expected);
        self.queue.release(expected.unwrap_or(0));
    }

    /// The producer; a new one if it was dropped.
    pub(crate) fn producer(&mut self) -> &mut T::Producer {
        self.producer.get_or_insert_with(|| {
            let (ring, ..) = self.segment.as_ref().expect("dropped in a segment only");
            ring.producer().expect("the role is free")
        })
    }

    /// The consumer; a new one if it was dropped.
    pub(crate) fn consumer(&mut self) -> &mut T::Consumer {
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
    pub(crate) fn no_message_comes(&self) -> bool {
        self.producer.is_none() || self.producer_closed || self.consumer_closed
    }

    /// The next message, or the error if there is none.
    pub(crate) fn next(&self) -> Result<&T::Message, PopError> {
        self.queue
            .iter()
            .next()
            .ok_or(match self.no_message_comes() {
                true => PopError::Abandoned,
                false => PopError::Empty,
            })
    }

    /// The result of a call that takes at most this many messages.
    pub(crate) fn up_to(&self, count: usize) -> Result<usize, PopError> {
        match self.next() {
            Err(error) if count > 0 => Err(error),
            _ => Ok(count.min(self.queue.len())),
        }
    }

    /// Publishes a message in the queue; counts how it was transferred, if it was published
    /// alone.
    pub(crate) fn publish(&mut self, message: T::Message, units: u64, is_alone: bool) {
        if units > T::size(&message) {
            count(&self.journeys.paddings);
        }
        self.queue.publish(message, units);
        if let (Some((_, file, _)), true) = (&self.segment, is_alone) {
            count(match file.has_inline_copy() {
                true => &self.journeys.has_inline_copy,
                false => &self.journeys.walks,
            });
        }
    }

    /// Compares the state of the endpoints with that of the queue.
    fn compare(&self) {
        let (unread, is_empty) = (self.queue.unread(), self.queue.len() == 0);
        let capacity = self.queue.capacity();
        let expected =
            |position, is_abandoned| (position, unread, is_empty, capacity, is_abandoned, None);
        if let Some(producer) = &self.producer {
            let is_abandoned = self.consumer.is_none() || self.consumer_closed;
            assert_eq!(state(producer), expected(self.queue.tail, is_abandoned));
        }
        if let Some(consumer) = &self.consumer {
            let is_abandoned = self.producer.is_none() || self.producer_closed;
            assert_eq!(state(consumer), expected(self.queue.head, is_abandoned));
        }
        T::compare(self, self.producer.as_ref(), self.consumer.as_ref());
    }
}
