//! A ring, its two ends, and the queue that it should be.

use std::collections::VecDeque;
use std::fmt::Debug;

use quoit::{ClaimError, Consumer, PopError, Producer, PushError, Record, Ring, RingOptions, Role};

use crate::Journeys;
use crate::common::names::RingName;
use crate::common::sample::record;
use crate::common::segment_file::SegmentFile;
use crate::operation::{Setting, Step};

pub(crate) struct World<'a, T: Record> {
    producer: Option<Producer<T>>,
    consumer: Option<Consumer<T>>,
    /// Where both roles can be taken again; not on the heap.
    segment: Option<Segment<T>>,
    /// What is published and not released.
    queue: VecDeque<T>,
    capacity: usize,
    tail: u64,
    head: u64,
    /// The number of the next record that is written anywhere.
    number: u64,
    journeys: &'a Journeys,
}

struct Segment<T: Record> {
    ring: Ring<T>,
    file: SegmentFile,
    _name: RingName,
}

impl<'a, T: Record + PartialEq + Debug> World<'a, T> {
    pub(crate) fn new(setting: &Setting, journeys: &'a Journeys) -> Self {
        let options = RingOptions::new(setting.capacity).first_position(setting.first_position);
        let (segment, producer, consumer) = if setting.named {
            let name = RingName::new("slots-model");
            let ring = options.create(&name).expect("the ring can be created");
            let producer = ring.producer().expect("the role is free");
            let consumer = ring.consumer().expect("the role is free");
            let file = SegmentFile::open(&name.file());
            let segment = Segment {
                ring,
                file,
                _name: name,
            };
            (Some(segment), producer, consumer)
        } else {
            let (producer, consumer) = options.heap().expect("there is memory");
            (None, producer, consumer)
        };
        Self {
            producer: Some(producer),
            consumer: Some(consumer),
            segment,
            queue: VecDeque::new(),
            capacity: usize::try_from(setting.capacity).expect("a small ring"),
            tail: setting.first_position,
            head: setting.first_position,
            number: 0,
            journeys,
        }
    }

    /// Does one step to the ring and to the queue, and compares.
    pub(crate) fn take(&mut self, step: &Step) {
        match *step {
            Step::Push => self.push(),
            Step::PushSlice(count) => self.push_slice(count),
            Step::Claim { commit } => self.claim(commit),
            Step::ClaimMany { count, commit } => self.claim_many(count, commit),
            Step::Pop => self.pop(),
            Step::PopSlice(count) => self.pop_slice(count),
            Step::Peek { release } => self.peek(release),
            Step::PeekMany { release } => self.peek_many(release),
            Step::Drain { take } => self.drain(take),
            Step::CatchUp => self.catch_up(),
            Step::PingPong(rounds) => {
                for _ in 0..rounds {
                    self.push();
                    self.pop();
                }
            }
            Step::Leave(role) => self.leave(role),
        }
        self.compare();
    }

    fn push(&mut self) {
        let value = self.fresh();
        let expected = match self.refusal() {
            None => Ok(()),
            Some(ClaimError::Full) => Err(PushError::Full(value)),
            Some(_) => Err(PushError::Abandoned(value)),
        };
        assert_eq!(self.producer().try_push(value), expected);
        if expected.is_ok() {
            self.published_alone(value);
        }
    }

    fn push_slice(&mut self, count: usize) {
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let expected = match self.refusal() {
            Some(refusal) if count > 0 => Err(refusal),
            _ => Ok(count.min(self.room())),
        };
        assert_eq!(self.producer().try_push_slice(&values), expected);
        self.published(values.into_iter().take(expected.unwrap_or(0)));
    }

    fn claim(&mut self, commit: bool) {
        let value = self.fresh();
        let refusal = self.refusal();
        match self.producer().try_claim() {
            Ok(mut claim) => {
                assert_eq!(refusal, None);
                *claim = value;
                if commit {
                    claim.commit();
                    self.published_alone(value);
                }
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn claim_many(&mut self, count: usize, commit: Option<usize>) {
        let (refusal, room) = (self.refusal(), self.room());
        let values: Vec<T> = (0..count.min(room)).map(|_| self.fresh()).collect();
        let before_lap_end = self.before_lap_end(self.tail);
        match self.producer().try_claim_many(count) {
            Ok(mut claim) => {
                assert_eq!(refusal, None);
                assert_eq!(claim.len(), values.len());
                assert_eq!(claim.is_empty(), values.is_empty());
                let (front, back) = claim.slices_mut();
                let split = values.len().min(before_lap_end);
                front.copy_from_slice(&values[..split]);
                back.copy_from_slice(&values[split..]);
                let committed = commit.map(|commit| commit.min(values.len()));
                match committed {
                    Some(all) if all == values.len() => claim.commit(),
                    Some(some) => claim.commit_first(some),
                    None => drop(claim),
                }
                self.published(values.into_iter().take(committed.unwrap_or(0)));
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn pop(&mut self) {
        let expected = self.next();
        assert_eq!(self.consumer().try_pop(), expected);
        self.released(usize::from(expected.is_ok()));
    }

    fn pop_slice(&mut self, count: usize) {
        let mut values = vec![T::new_zeroed(); count];
        let expected = match self.next() {
            Err(error) if count > 0 => Err(error),
            _ => Ok(count.min(self.queue.len())),
        };
        assert_eq!(self.consumer().try_pop_slice(&mut values), expected);
        let popped = expected.unwrap_or(0);
        assert!(values[..popped].iter().eq(self.queue.iter().take(popped)));
        self.released(popped);
    }

    fn peek(&mut self, release: bool) {
        let expected = self.next();
        match self.consumer().try_peek() {
            Ok(peek) => {
                assert_eq!(Ok(*peek), expected);
                if release {
                    peek.release();
                    self.released(1);
                }
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    fn peek_many(&mut self, release: Option<usize>) {
        let expected: Vec<T> = self.queue.iter().copied().collect();
        let next = self.next();
        let split = expected.len().min(self.before_lap_end(self.head));
        match self.consumer().try_peek_many() {
            Ok(peek) => {
                assert_eq!(peek.len(), expected.len());
                assert_eq!(peek.slices(), expected.split_at(split));
                let released = release.map(|release| release.min(expected.len()));
                match released {
                    Some(all) if all == expected.len() => peek.release(),
                    Some(some) => peek.release_first(some),
                    None => drop(peek),
                }
                self.released(released.unwrap_or(0));
            }
            Err(error) => assert_eq!(Err(error), next),
        }
    }

    fn drain(&mut self, take: usize) {
        let expected: Vec<T> = self.queue.iter().take(take).copied().collect();
        let available = self.queue.len();
        let mut drain = self.consumer().drain();
        assert_eq!(drain.len(), available);
        let drained: Vec<T> = drain.by_ref().take(take).collect();
        assert_eq!(drain.len(), available - drained.len());
        drop(drain);
        assert_eq!(drained, expected);
        self.released(drained.len());
    }

    fn catch_up(&mut self) {
        while !self.queue.is_empty() {
            self.pop();
        }
        for _ in 0..5 {
            self.pop();
        }
    }

    fn leave(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => self.producer = None,
                Role::Consumer => self.consumer = None,
            }
        }
    }

    /// The producer; another one if it has left.
    fn producer(&mut self) -> &mut Producer<T> {
        self.producer.get_or_insert_with(|| {
            let segment = self.segment.as_ref().expect("only those of segments leave");
            segment.ring.producer().expect("the role is free")
        })
    }

    /// The consumer; another one if it has left.
    fn consumer(&mut self) -> &mut Consumer<T> {
        self.consumer.get_or_insert_with(|| {
            let segment = self.segment.as_ref().expect("only those of segments leave");
            segment.ring.consumer().expect("the role is free")
        })
    }

    fn fresh(&mut self) -> T {
        self.number += 1;
        record(self.number)
    }

    fn room(&self) -> usize {
        self.capacity - self.queue.len()
    }

    /// Why nothing can be pushed now, if so.
    fn refusal(&self) -> Option<ClaimError> {
        match (self.room(), &self.consumer) {
            (0, Some(_)) => Some(ClaimError::Full),
            (0, None) => Some(ClaimError::Abandoned),
            _ => None,
        }
    }

    /// What the next pop gives.
    fn next(&self) -> Result<T, PopError> {
        match (self.queue.front(), &self.producer) {
            (Some(value), _) => Ok(*value),
            (None, Some(_)) => Err(PopError::Empty),
            (None, None) => Err(PopError::Abandoned),
        }
    }

    fn before_lap_end(&self, position: u64) -> usize {
        self.capacity - (position % self.capacity as u64) as usize
    }

    fn published_alone(&mut self, value: T) {
        self.published([value].into_iter());
        if let Some(segment) = &self.segment {
            let journey = if segment.file.rides() {
                &self.journeys.rides
            } else {
                &self.journeys.walks
            };
            journey.set(journey.get() + 1);
        }
    }

    fn published(&mut self, values: impl Iterator<Item = T>) {
        let before = self.queue.len();
        self.queue.extend(values);
        let count = self.queue.len() - before;
        self.tail = self.tail.wrapping_add(count as u64);
    }

    fn released(&mut self, count: usize) {
        self.queue.drain(..count);
        self.head = self.head.wrapping_add(count as u64);
    }

    /// What the ends say of themselves is what the queue says.
    fn compare(&self) {
        let unread = self.queue.len() as u64;
        if let Some(producer) = &self.producer {
            assert_eq!(producer.position(), self.tail);
            assert_eq!(producer.fill(), unread);
            assert_eq!(producer.is_empty(), self.queue.is_empty());
            assert_eq!(producer.is_full(), self.room() == 0);
            assert_eq!(producer.capacity(), self.capacity as u64);
            assert_eq!(producer.is_abandoned(), self.consumer.is_none());
        }
        if let Some(consumer) = &self.consumer {
            assert_eq!(consumer.position(), self.head);
            assert_eq!(consumer.fill(), unread);
            assert_eq!(consumer.is_empty(), self.queue.is_empty());
            assert_eq!(consumer.is_full(), self.room() == 0);
            assert_eq!(consumer.capacity(), self.capacity as u64);
            assert_eq!(consumer.is_abandoned(), self.producer.is_none());
        }
    }
}
