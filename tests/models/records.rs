//! Records of every size class and alignment.

mod call;

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::{BoxedStrategy, Strategy, prop_oneof};
use quoit::{ClaimError, ClaimMany, Consumer, PeekMany, PopError, Producer, Record};

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

/// Defines a test for each type of records.
macro_rules! tests {
    ($($test:ident: $check:ident::<$type:ty>;)*) => {
        $(#[test]
        fn $test() {
            $check::<$type>();
        })*
    };
}

tests! {
    single_bytes_are_a_queue: are_a_queue::<u8>;
    three_bytes_are_a_queue: are_a_queue::<[u8; 3]>;
    two_byte_words_are_a_queue: are_a_queue::<u16>;
    words_are_a_queue: are_a_queue::<u64>;
    pairs_of_words_are_a_queue: are_a_queue::<[u64; 2]>;
    records_of_40_bytes_are_a_queue: are_a_queue::<Words<5>>;
    records_of_48_bytes_are_a_queue: are_a_queue::<Words<6>>;
    records_of_56_bytes_are_a_queue_without_inline_copies:
        are_a_queue_without_inline_copies::<Words<7>>;
    records_aligned_to_16_bytes_are_a_queue_without_inline_copies:
        are_a_queue_without_inline_copies::<u128>;
    records_of_100_bytes_are_a_queue_without_inline_copies:
        are_a_queue_without_inline_copies::<[u8; 100]>;
}

impl<T: Record + PartialEq + Debug> Modelled for T {
    type Wish = ();
    type Call = Call;

    fn wishes() -> BoxedStrategy<Vec<()>> {
        let count = prop_oneof![1..5usize, 1..80usize];
        count.prop_map(|count| vec![(); count]).boxed()
    }

    fn calls() -> BoxedStrategy<Call> {
        calls()
    }

    fn fresh(world: &mut World<'_, T>, (): &()) -> T {
        world.number += 1;
        record(world.number)
    }

    fn size(_: &T) -> u64 {
        1
    }

    fn place(world: &World<'_, T>, ahead: u64, _: &T) -> Result<u64, ClaimError> {
        match world.writable() as u64 > ahead {
            true => Ok(1),
            false => Err(world.no_room()),
        }
    }

    fn call(world: &mut World<'_, T>, call: &Call) {
        match *call {
            Call::Claim { commit } => world.claim(commit),
            Call::ClaimMany { count, commit } => world.claim_many(count, commit),
            Call::ClaimExactly { count, commit } => world.claim_exactly(count, commit),
            Call::Peek { release } => world.peek(release),
            Call::PeekMany { release } => world.peek_many(release),
            Call::PeekAtLeast { min, release } => world.peek_at_least(min, release),
        }
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
                    self.publish(value, 1, true);
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

    fn fresh(&mut self) -> T {
        T::fresh(self, &())
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
        values.for_each(|value| self.publish(value, 1, false));
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
