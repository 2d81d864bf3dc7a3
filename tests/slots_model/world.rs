//! A ring, its two endpoints, and the model queue.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use quoit::{
    ClaimError, ClaimMany, Consumer, PeekMany, PopError, Producer, PushError, Record, Ring,
    RingOptions, Role,
};

use crate::Journeys;
use crate::common::names::RingName;
use crate::common::sample::record;
use crate::common::segment_file::SegmentFile;
use crate::operation::{Setting, Step};

pub(crate) struct World<'a, T: Record> {
    producer: Option<Producer<T>>,
    consumer: Option<Consumer<T>>,
    /// The segment, where roles can be taken again; `None` on the heap.
    segment: Option<Segment<T>>,
    /// The published records that are not released.
    queue: VecDeque<T>,
    capacity: usize,
    tail: u64,
    head: u64,
    /// The number of the next record.
    number: u64,
    /// Whether an endpoint has closed.
    producer_closed: bool,
    consumer_closed: bool,
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
            let ring = options.create::<T>(&name).expect("the ring can be created");
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
            let (producer, consumer) = options.heap::<T>().expect("there is memory");
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
            producer_closed: false,
            consumer_closed: false,
            journeys,
        }
    }

    /// Performs one step on the ring and on the queue, and compares.
    pub(crate) fn take(&mut self, step: &Step) {
        match *step {
            Step::Push => self.push(),
            Step::PushSlice(count) => self.push_slice(count),
            Step::Claim { commit } => self.claim(commit),
            Step::PushAll(count) => self.push_all(count),
            Step::TryExtend(count) => self.try_extend(count),
            Step::Extend(count) => self.extend(count),
            Step::ClaimMany { count, commit } => self.claim_many(count, commit),
            Step::ClaimExactly { count, commit } => self.claim_exactly(count, commit),
            Step::Pop => self.pop(),
            Step::PopSlice(count) => self.pop_slice(count),
            Step::PopExact(count) => self.pop_exact(count),
            Step::Peek { release } => self.peek(release),
            Step::PeekMany { release } => self.peek_many(release),
            Step::PeekAtLeast { min, release } => self.peek_at_least(min, release),
            Step::TryIter { take } => self.try_iter(take),
            Step::Iter { take } => self.iter(take),
            Step::Skip(count) => self.skip(count),
            Step::SkipToLatest => self.skip_to_latest(),
            Step::CatchUp => self.catch_up(),
            Step::PingPong(rounds) => {
                for _ in 0..rounds {
                    self.push();
                    self.pop();
                }
            }
            Step::Leave(role) => self.leave(role),
            Step::Close(role) => self.close(role),
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

    fn push_all(&mut self, count: usize) {
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let fitting = count.min(self.writable());
        let expected = if fitting == count {
            Ok(())
        } else {
            Err(self.late())
        };
        let pushed = self.producer().push_all_timeout(&values, Duration::ZERO);
        assert_eq!(pushed, expected);
        self.published(values.into_iter().take(fitting));
    }

    fn try_extend(&mut self, count: usize) {
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let expected = match self.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(count.min(self.room())),
        };
        let mut rest = values.iter().copied();
        assert_eq!(self.producer().try_extend(&mut rest), expected);
        let pushed = expected.unwrap_or(0);
        assert!(
            rest.eq(values[pushed..].iter().copied()),
            "the rest remains"
        );
        self.published(values.into_iter().take(pushed));
    }

    fn extend(&mut self, count: usize) {
        let room = self.writable();
        // Without a peer, the first record that finds no room is returned.
        let ends = self.consumer_has_closed() || self.producer_closed;
        let count = if ends { count } else { count.min(room) };
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let expected = match values.get(room) {
            Some(&value) => Err(PushError::Abandoned(value)),
            None => Ok(count),
        };
        let pushed = self.producer().extend(values.iter().copied());
        assert_eq!(pushed, expected);
        self.published(values.into_iter().take(room));
    }

    fn claim(&mut self, commit: bool) {
        let value = self.fresh();
        let refusal = self.refusal();
        match self.producer().try_claim() {
            Ok(mut claim) => {
                assert_eq!(refusal, None);
                claim.write(value);
                assert_eq!(claim.read(), value);
                if commit {
                    claim.commit();
                    self.published_alone(value);
                }
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn claim_many(&mut self, count: usize, commit: Option<usize>) {
        // A claim of zero slots needs no room.
        let refusal = self.refusal().filter(|_| count > 0);
        let values: Vec<T> = (0..count.min(self.writable()))
            .map(|_| self.fresh())
            .collect();
        let before_lap_end = self.before_lap_end(self.tail);
        match self.producer().try_claim_many(count) {
            Ok(claim) => {
                assert_eq!(refusal, None);
                let committed = fill(claim, &values, before_lap_end, commit);
                self.published(values.into_iter().take(committed));
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn claim_exactly(&mut self, count: usize, commit: Option<usize>) {
        let max = self.capacity;
        let refusal = if count > max {
            Some(ClaimError::TooLong { max })
        } else {
            (count > self.writable()).then(|| self.late())
        };
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let before_lap_end = self.before_lap_end(self.tail);
        match self.producer().claim_many_timeout(count, Duration::ZERO) {
            Ok(claim) => {
                assert_eq!(refusal, None);
                let committed = fill(claim, &values, before_lap_end, commit);
                self.published(values.into_iter().take(committed));
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

    fn pop_exact(&mut self, count: usize) {
        let mut values = vec![T::new_zeroed(); count];
        let there = count.min(self.queue.len());
        let expected = if there == count {
            Ok(())
        } else {
            Err(self.nothing_in_time())
        };
        let popped = self
            .consumer()
            .pop_exact_timeout(&mut values, Duration::ZERO);
        assert_eq!(popped, expected);
        assert!(values[..there].iter().eq(self.queue.iter().take(there)));
        self.released(there);
    }

    fn peek(&mut self, release: bool) {
        let expected = self.next();
        match self.consumer().try_peek() {
            Ok(peek) => {
                assert_eq!(Ok(peek.read()), expected);
                // SAFETY: this is the only thread, and it does not write at the same time.
                assert_eq!(Ok(*unsafe { peek.as_ref() }), expected);
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
                let released = look(peek, &expected, split, release);
                self.released(released);
            }
            Err(error) => assert_eq!(Err(error), next),
        }
    }

    fn peek_at_least(&mut self, min: usize, release: Option<usize>) {
        let expected: Vec<T> = self.queue.iter().copied().collect();
        let max = self.capacity;
        let refusal = if min > max {
            Some(PopError::TooMany { max })
        } else {
            // A peek of zero records finds nothing.
            (min.max(1) > expected.len()).then(|| self.nothing_in_time())
        };
        let split = expected.len().min(self.before_lap_end(self.head));
        match self.consumer().peek_many_timeout(min, Duration::ZERO) {
            Ok(peek) => {
                assert_eq!(refusal, None);
                let released = look(peek, &expected, split, release);
                self.released(released);
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn try_iter(&mut self, take: usize) {
        let expected: Vec<T> = self.queue.iter().take(take).copied().collect();
        let available = self.queue.len();
        let mut found = self.consumer().try_iter();
        assert_eq!(found.len(), available);
        let taken: Vec<T> = found.by_ref().take(take).collect();
        assert_eq!(found.len(), available - taken.len());
        drop(found);
        assert_eq!(taken, expected);
        self.released(taken.len());
    }

    fn iter(&mut self, take: usize) {
        let ends = self.producer_has_closed() || self.consumer_closed;
        let expected: Vec<T> = self.queue.iter().take(take).copied().collect();
        let mut found = self.consumer().iter();
        // It would wait for a missing record.
        let limit = if ends { take } else { expected.len() };
        let taken: Vec<T> = found.by_ref().take(limit).collect();
        assert_eq!(taken, expected);
        if ends && taken.len() < take {
            assert_eq!(found.next(), None);
        }
        self.released(taken.len());
    }

    fn skip(&mut self, count: usize) {
        let expected = match self.next() {
            Err(error) if count > 0 => Err(error),
            _ => Ok(count.min(self.queue.len())),
        };
        assert_eq!(self.consumer().skip(count), expected);
        self.released(expected.unwrap_or(0));
    }

    fn skip_to_latest(&mut self) {
        let expected = self.next().map(|_| self.queue.len() - 1);
        assert_eq!(self.consumer().skip_to_latest(), expected);
        self.released(expected.unwrap_or(0));
    }

    fn catch_up(&mut self) {
        while !self.queue.is_empty() {
            self.pop();
        }
        for _ in 0..64 {
            self.pop();
        }
    }

    fn leave(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => (self.producer, self.producer_closed) = (None, false),
                Role::Consumer => (self.consumer, self.consumer_closed) = (None, false),
            }
        }
    }

    fn close(&mut self, role: Role) {
        if self.segment.is_some() {
            match role {
                Role::Producer => {
                    self.producer().close();
                    self.producer_closed = true;
                }
                Role::Consumer => {
                    self.consumer().close();
                    self.consumer_closed = true;
                }
            }
        }
    }

    fn producer_has_closed(&self) -> bool {
        self.producer.is_none() || self.producer_closed
    }

    fn consumer_has_closed(&self) -> bool {
        self.consumer.is_none() || self.consumer_closed
    }

    /// The producer; a new one if it was dropped.
    fn producer(&mut self) -> &mut Producer<T> {
        self.producer.get_or_insert_with(|| {
            let segment = self
                .segment
                .as_ref()
                .expect("only endpoints of segments are dropped");
            segment.ring.producer().expect("the role is free")
        })
    }

    /// The consumer; a new one if it was dropped.
    fn consumer(&mut self) -> &mut Consumer<T> {
        self.consumer.get_or_insert_with(|| {
            let segment = self
                .segment
                .as_ref()
                .expect("only endpoints of segments are dropped");
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

    /// The number of records that the producer can write; zero once it has closed.
    fn writable(&self) -> usize {
        if self.producer_closed { 0 } else { self.room() }
    }

    /// The error of a push, if there is no room.
    fn refusal(&self) -> Option<ClaimError> {
        match self.writable() {
            0 if self.consumer_has_closed() || self.producer_closed => Some(ClaimError::Abandoned),
            0 => Some(ClaimError::Full),
            _ => None,
        }
    }

    /// The error of a push whose time has passed.
    fn late(&self) -> ClaimError {
        if self.consumer_has_closed() || self.producer_closed {
            ClaimError::Abandoned
        } else {
            ClaimError::TimedOut
        }
    }

    /// The result of the next pop.
    fn next(&self) -> Result<T, PopError> {
        match self.queue.front() {
            Some(value) => Ok(*value),
            None if self.producer_has_closed() || self.consumer_closed => Err(PopError::Abandoned),
            None => Err(PopError::Empty),
        }
    }

    /// The error of a pop whose time has passed.
    fn nothing_in_time(&self) -> PopError {
        if self.producer_has_closed() || self.consumer_closed {
            PopError::Abandoned
        } else {
            PopError::TimedOut
        }
    }

    fn before_lap_end(&self, position: u64) -> usize {
        self.capacity - (position % self.capacity as u64) as usize
    }

    fn published_alone(&mut self, value: T) {
        self.published([value].into_iter());
        if let Some(segment) = &self.segment {
            let journey = if segment.file.has_inline_copy() {
                &self.journeys.has_inline_copy
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

    /// Compares the state of the endpoints with that of the queue.
    fn compare(&self) {
        let unread = self.queue.len() as u64;
        if let Some(producer) = &self.producer {
            assert_eq!(producer.position(), self.tail);
            assert_eq!(producer.len(), unread);
            assert_eq!(producer.is_empty(), self.queue.is_empty());
            assert_eq!(producer.is_full(), self.room() == 0);
            assert_eq!(producer.vacant(), self.room() as u64);
            assert_eq!(producer.corruption(), None);
            assert_eq!(producer.capacity(), self.capacity as u64);
            assert_eq!(producer.is_abandoned(), self.consumer_has_closed());
        }
        if let Some(consumer) = &self.consumer {
            assert_eq!(consumer.position(), self.head);
            assert_eq!(consumer.len(), unread);
            assert_eq!(consumer.is_empty(), self.queue.is_empty());
            assert_eq!(consumer.is_full(), self.room() == 0);
            assert_eq!(consumer.corruption(), None);
            assert_eq!(consumer.capacity(), self.capacity as u64);
            assert_eq!(consumer.is_abandoned(), self.producer_has_closed());
        }
    }
}

/// Fills a claim, in one of three ways; returns how much of it was published.
fn fill<T: Record + PartialEq + Debug>(
    mut claim: ClaimMany<'_, T>,
    values: &[T],
    before_lap_end: usize,
    commit: Option<usize>,
) -> usize {
    assert_eq!(claim.len(), values.len());
    assert_eq!(claim.is_empty(), values.is_empty());
    let split = values.len().min(before_lap_end);
    match values.len() % 3 {
        0 => claim.copy_from_slice(values),
        1 => {
            for (index, &value) in values.iter().enumerate() {
                claim.write(index, value);
            }
        }
        _ => {
            // SAFETY: this is the only thread, and it accesses nothing else at the same time.
            let (front, back) = unsafe { claim.slices_mut() };
            front.copy_from_slice(&values[..split]);
            back.copy_from_slice(&values[split..]);
        }
    }
    // SAFETY: as above.
    let (front, back) = unsafe { claim.slices_mut() };
    assert_eq!((&*front, &*back), values.split_at(split));
    let committed = commit.map(|commit| commit.min(values.len()));
    match committed {
        Some(all) if all == values.len() => claim.commit(),
        Some(some) => claim.commit_first(some),
        None => drop(claim),
    }
    committed.unwrap_or(0)
}

/// Reads records by every method; returns how many of them were released.
fn look<T: Record + PartialEq + Debug>(
    peek: PeekMany<'_, T>,
    expected: &[T],
    split: usize,
    release: Option<usize>,
) -> usize {
    assert_eq!(peek.len(), expected.len());
    // SAFETY: this is the only thread, and it does not write at the same time.
    assert_eq!(unsafe { peek.slices() }, expected.split_at(split));
    assert_eq!(peek.iter().len(), expected.len());
    assert!(peek.iter().eq(expected.iter().copied()));
    let last = expected.len() - 1;
    assert_eq!(peek.read(last), Some(expected[last]));
    assert_eq!(peek.read(last + 1), None);
    let mut some = vec![T::new_zeroed(); last];
    assert_eq!(peek.copy_to_slice(&mut some), last);
    assert_eq!(some, expected[..last]);
    let mut more = vec![T::new_zeroed(); last + 2];
    assert_eq!(peek.copy_to_slice(&mut more), last + 1);
    assert_eq!(more[..=last], *expected);
    let released = release.map(|release| release.min(expected.len()));
    match released {
        Some(all) if all == expected.len() => peek.release(),
        Some(some) => peek.release_first(some),
        None => drop(peek),
    }
    released.unwrap_or(0)
}
