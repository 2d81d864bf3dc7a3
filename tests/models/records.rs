//! Records of every size class and alignment.

mod call;

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::BoxedStrategy;
use quoit::{ClaimError, ClaimMany, Consumer, PeekMany, PopError, Producer, PushError, Record};

use crate::common::sample::{Words, record};
use crate::world::{Journeys, Modelled, World, behaves_like_a_queue, late, late_read, settings};
use call::{Call, calls};

/// The number of sequences for each of the ten types of records.
const SEQUENCES: u32 = 6_500;

fn run<T: Record + PartialEq + Debug>() -> Journeys {
    let journeys = behaves_like_a_queue::<T>(SEQUENCES, settings(&[1, 2, 4, 8, 64], 100, 1));
    assert!(journeys.walks.get() > 100, "too few had no inline copy");
    journeys
}

/// For a type that may be copied inline: both kinds of transfer must have occurred.
fn are_a_queue<T: Record + PartialEq + Debug>() {
    let journeys = run::<T>();
    assert!(
        journeys.has_inline_copy.get() > 100,
        "too few inline copies"
    );
}

/// For a type that is too large or too strictly aligned.
fn are_a_queue_without_inline_copies<T: Record + PartialEq + Debug>() {
    assert_eq!(run::<T>().has_inline_copy.get(), 0);
}

#[test]
fn single_bytes_are_a_queue() {
    are_a_queue::<u8>();
}

#[test]
fn three_bytes_are_a_queue() {
    are_a_queue::<[u8; 3]>();
}

#[test]
fn two_byte_words_are_a_queue() {
    are_a_queue::<u16>();
}

#[test]
fn words_are_a_queue() {
    are_a_queue::<u64>();
}

#[test]
fn pairs_of_words_are_a_queue() {
    are_a_queue::<[u64; 2]>();
}

#[test]
fn records_of_40_bytes_are_a_queue() {
    are_a_queue::<Words<5>>();
}

#[test]
fn records_of_48_bytes_are_a_queue() {
    are_a_queue::<Words<6>>();
}

#[test]
fn records_of_56_bytes_are_a_queue_without_inline_copies() {
    are_a_queue_without_inline_copies::<Words<7>>();
}

#[test]
fn records_aligned_to_16_bytes_are_a_queue_without_inline_copies() {
    are_a_queue_without_inline_copies::<u128>();
}

#[test]
fn records_of_100_bytes_are_a_queue_without_inline_copies() {
    are_a_queue_without_inline_copies::<[u8; 100]>();
}

impl<T: Record + PartialEq + Debug> Modelled for T {
    type Message = T;
    type Call = Call;

    fn calls() -> BoxedStrategy<Call> {
        calls()
    }

    fn call(world: &mut World<'_, T>, call: &Call) {
        match *call {
            Call::Push => world.push(),
            Call::PushSlice(count) => world.push_slice(count),
            Call::PushAll(count) => world.push_all(count),
            Call::TryExtend(count) => world.try_extend(count),
            Call::Extend(count) => world.extend(count),
            Call::Claim { commit } => world.claim(commit),
            Call::ClaimMany { count, commit } => world.claim_many(count, commit),
            Call::ClaimExactly { count, commit } => world.claim_exactly(count, commit),
            Call::Pop => T::pop(world),
            Call::PopSlice(count) => world.pop_slice(count),
            Call::PopExact(count) => world.pop_exact(count),
            Call::Peek { release } => world.peek(release),
            Call::PeekMany { release } => world.peek_many(release),
            Call::PeekAtLeast { min, release } => world.peek_at_least(min, release),
            Call::TryIter { take } => world.try_iter(take),
            Call::Iter { take } => world.iter(take),
            Call::PingPong(rounds) => {
                for _ in 0..rounds {
                    world.push();
                    T::pop(world);
                }
            }
        }
    }

    fn pop(world: &mut World<'_, T>) {
        let expected = world.next().copied();
        assert_eq!(world.consumer().try_pop(), expected);
        world.queue.release(usize::from(expected.is_ok()));
    }

    fn compare(
        world: &World<'_, T>,
        producer: Option<&Producer<T>>,
        consumer: Option<&Consumer<T>>,
    ) {
        let is_full = world.room() == 0;
        if let Some(producer) = producer {
            assert_eq!(producer.vacant(), world.room() as u64);
            assert_eq!(producer.is_full(), is_full);
        }
        assert!(consumer.is_none_or(|consumer| consumer.is_full() == is_full));
    }
}

impl<T: Record + PartialEq + Debug> World<'_, T> {
    fn push(&mut self) {
        let value = self.fresh();
        let expected = match self.refusal() {
            None => Ok(()),
            Some(ClaimError::Full) => Err(PushError::Full(value)),
            Some(_) => Err(PushError::Abandoned(value)),
        };
        assert_eq!(self.producer().try_push(value), expected);
        if expected.is_ok() {
            self.published_alone(value, 1);
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
            Err(self.no_room_in_time())
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
        let count = if self.no_room_comes() {
            count
        } else {
            count.min(room)
        };
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
                    self.published_alone(value, 1);
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
        let before_lap_end = self.before_lap_end(self.queue.tail);
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
        let max = self.capacity();
        let refusal = if count > max {
            Some(ClaimError::TooLong { max })
        } else {
            (count > self.writable()).then(|| self.no_room_in_time())
        };
        let values: Vec<T> = (0..count).map(|_| self.fresh()).collect();
        let before_lap_end = self.before_lap_end(self.queue.tail);
        match self.producer().claim_many_timeout(count, Duration::ZERO) {
            Ok(claim) => {
                assert_eq!(refusal, None);
                let committed = fill(claim, &values, before_lap_end, commit);
                self.published(values.into_iter().take(committed));
            }
            Err(error) => assert_eq!(Some(error), refusal),
        }
    }

    fn pop_slice(&mut self, count: usize) {
        let mut values = vec![T::new_zeroed(); count];
        let expected = self.up_to(count);
        assert_eq!(self.consumer().try_pop_slice(&mut values), expected);
        let popped = expected.unwrap_or(0);
        assert!(values[..popped].iter().eq(self.queue.iter().take(popped)));
        self.queue.release(popped);
    }

    fn pop_exact(&mut self, count: usize) {
        let mut values = vec![T::new_zeroed(); count];
        let there = count.min(self.queue.len());
        let expected = if there == count {
            Ok(())
        } else {
            Err(self.none_in_time())
        };
        let popped = self
            .consumer()
            .pop_exact_timeout(&mut values, Duration::ZERO);
        assert_eq!(popped, expected);
        assert!(values[..there].iter().eq(self.queue.iter().take(there)));
        self.queue.release(there);
    }

    fn peek(&mut self, release: bool) {
        let expected = self.next().copied();
        match self.consumer().try_peek() {
            Ok(peek) => {
                assert_eq!(Ok(peek.read()), expected);
                // SAFETY: this is the only thread, and it does not write at the same time.
                assert_eq!(Ok(*unsafe { peek.as_ref() }), expected);
                if release {
                    peek.release();
                    self.queue.release(1);
                }
            }
            Err(error) => assert_eq!(Err(error), expected),
        }
    }

    fn peek_many(&mut self, release: Option<usize>) {
        let expected: Vec<T> = self.queue.iter().copied().collect();
        let next = self.next().copied();
        let split = expected.len().min(self.before_lap_end(self.queue.head));
        match self.consumer().try_peek_many() {
            Ok(peek) => {
                let released = look(peek, &expected, split, release);
                self.queue.release(released);
            }
            Err(error) => assert_eq!(Err(error), next),
        }
    }

    fn peek_at_least(&mut self, min: usize, release: Option<usize>) {
        let expected: Vec<T> = self.queue.iter().copied().collect();
        let max = self.capacity();
        let refusal = if min > max {
            Some(PopError::TooMany { max })
        } else {
            // A peek of zero records finds nothing.
            (min.max(1) > expected.len()).then(|| self.none_in_time())
        };
        let split = expected.len().min(self.before_lap_end(self.queue.head));
        match self.consumer().peek_many_timeout(min, Duration::ZERO) {
            Ok(peek) => {
                assert_eq!(refusal, None);
                let released = look(peek, &expected, split, release);
                self.queue.release(released);
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
        self.queue.release(taken.len());
    }

    fn iter(&mut self, take: usize) {
        let ends = self.no_message_comes();
        let expected: Vec<T> = self.queue.iter().take(take).copied().collect();
        let mut found = self.consumer().iter();
        // It would wait for a missing record.
        let limit = if ends { take } else { expected.len() };
        let taken: Vec<T> = found.by_ref().take(limit).collect();
        assert_eq!(taken, expected);
        if ends && taken.len() < take {
            assert_eq!(found.next(), None);
        }
        self.queue.release(taken.len());
    }

    fn fresh(&mut self) -> T {
        self.number += 1;
        record(self.number)
    }

    fn capacity(&self) -> usize {
        self.queue.capacity() as usize
    }

    fn room(&self) -> usize {
        self.capacity() - self.queue.len()
    }

    /// The number of records that the producer can write; zero once it has closed.
    fn writable(&self) -> usize {
        if self.producer_closed { 0 } else { self.room() }
    }

    /// The error of a push that finds no room.
    fn no_room(&self) -> ClaimError {
        match self.no_room_comes() {
            true => ClaimError::Abandoned,
            false => ClaimError::Full,
        }
    }

    /// The error of a push, if there is no room.
    fn refusal(&self) -> Option<ClaimError> {
        (self.writable() == 0).then(|| self.no_room())
    }

    /// The error of a push whose time has passed.
    fn no_room_in_time(&self) -> ClaimError {
        late(self.no_room())
    }

    /// The error of a pop whose time has passed, with fewer records than it needs.
    fn none_in_time(&self) -> PopError {
        match self.no_message_comes() {
            true => PopError::Abandoned,
            false => late_read(PopError::Empty),
        }
    }

    fn before_lap_end(&self, position: u64) -> usize {
        self.capacity() - (position % self.queue.capacity()) as usize
    }

    fn published(&mut self, values: impl Iterator<Item = T>) {
        values.for_each(|value| self.queue.publish(value, 1));
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
