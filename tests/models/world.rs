//! A ring of either shape, its two endpoints, and the queue that they are compared with.

use std::cell::Cell;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use quoit::{
    ClaimError, Consumer, Corrupt, FrameConsumer, FrameProducer, PopError, Producer, Record, Ring,
    RingOptions, Role, Shape,
};

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
enum Step<S> {
    /// A call that only one shape has.
    Call(S),
    Skip(usize),
    SkipToLatest,
    /// Takes everything, then polls a few times without a message: the consumer has caught up.
    CatchUp,
    /// Drops an endpoint. A new one attaches when it is needed.
    Leave(Role),
    /// Closes an endpoint, which exists until it is dropped.
    Close(Role),
}

fn steps<T: Modelled + ?Sized>() -> impl Strategy<Value = Vec<Step<T::Call>>> {
    let role = || prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let count = prop_oneof![0..5usize, 0..80usize, Just(usize::MAX)];
    let step = prop_oneof![
        36 => T::calls().prop_map(Step::Call),
        1 => count.prop_map(Step::Skip),
        1 => Just(Step::SkipToLatest),
        2 => Just(Step::CatchUp),
        1 => role().prop_map(Step::Leave),
        1 => role().prop_map(Step::Close),
    ];
    vec(step, 1..40)
}

/// A shape with its model.
pub(crate) trait Modelled: Shape<Producer: End, Consumer: End + Skips> {
    type Message;
    type Call: Debug + Clone + 'static;

    fn calls() -> BoxedStrategy<Self::Call>;

    /// Makes a call and compares its result with the queue.
    fn call(world: &mut World<'_, Self>, call: &Self::Call);
    fn pop(world: &mut World<'_, Self>);

    /// Compares what only endpoints of this shape say.
    fn compare(
        world: &World<'_, Self>,
        producer: Option<&Self::Producer>,
        consumer: Option<&Self::Consumer>,
    );
}

/// What all endpoints say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    position: u64,
    len: u64,
    is_empty: bool,
    capacity: u64,
    is_abandoned: bool,
    corruption: Option<Corrupt>,
}

pub(crate) trait End {
    fn state(&self) -> State;
    fn close(&mut self);
}

pub(crate) trait Skips {
    fn skip(&mut self, count: usize) -> Result<usize, PopError>;
    fn skip_to_latest(&mut self) -> Result<usize, PopError>;
}

macro_rules! end {
    ([$($bounds:tt)*] $end:ty) => {
        impl<$($bounds)*> End for $end {
            fn state(&self) -> State {
                State {
                    position: self.position(),
                    len: self.len(),
                    is_empty: self.is_empty(),
                    capacity: self.capacity(),
                    is_abandoned: self.is_abandoned(),
                    corruption: self.corruption(),
                }
            }

            fn close(&mut self) {
                self.close();
            }
        }
    };
    ([$($bounds:tt)*] $end:ty, skips) => {
        end!([$($bounds)*] $end);
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
end!([T: Record] Producer<T>);
end!([T: Record] Consumer<T>, skips);
end!([] FrameProducer);
end!([] FrameConsumer, skips);

/// How messages were transferred in one test; only segments show inline copies.
#[derive(Debug, Default)]
pub(crate) struct Journeys {
    pub(crate) has_inline_copy: Cell<u64>,
    pub(crate) walks: Cell<u64>,
    pub(crate) paddings: Cell<u64>,
}

pub(crate) fn count(journeys: &Cell<u64>) {
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
    fn take(&mut self, step: &Step<T::Call>) {
        match step {
            Step::Call(call) => T::call(self, call),
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
                    T::pop(self);
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

    pub(crate) fn published_alone(&mut self, message: T::Message, units: u64) {
        self.queue.publish(message, units);
        if let Some((_, file, _)) = &self.segment {
            count(match file.has_inline_copy() {
                true => &self.journeys.has_inline_copy,
                false => &self.journeys.walks,
            });
        }
    }

    /// Compares the state of the endpoints with that of the queue.
    fn compare(&self) {
        let state = |position, is_abandoned| State {
            position,
            len: self.queue.unread(),
            is_empty: self.queue.len() == 0,
            capacity: self.queue.capacity(),
            is_abandoned,
            corruption: None,
        };
        if let Some(producer) = &self.producer {
            let is_abandoned = self.consumer.is_none() || self.consumer_closed;
            assert_eq!(producer.state(), state(self.queue.tail, is_abandoned));
        }
        if let Some(consumer) = &self.consumer {
            let is_abandoned = self.producer.is_none() || self.producer_closed;
            assert_eq!(consumer.state(), state(self.queue.head, is_abandoned));
        }
        T::compare(self, self.producer.as_ref(), self.consumer.as_ref());
    }
}

/// The error of the same call if it may wait and its time has passed.
pub(crate) fn late(error: ClaimError) -> ClaimError {
    match error {
        ClaimError::Full => ClaimError::TimedOut,
        other => other,
    }
}

/// The same for a call that reads.
pub(crate) fn late_read(error: PopError) -> PopError {
    match error {
        PopError::Empty => PopError::TimedOut,
        other => other,
    }
}
