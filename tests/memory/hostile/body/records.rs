//! Records, written and read by every call.

use std::hint::black_box;
use std::time::Duration;

use quoit::{Consumer, PopError, Producer, Record};

use super::choices::Choices;
use super::prey::{Answer, Place, Prey, either, select};

impl<T: Record> Prey for T {
    const UNIT: usize = size_of::<T>();

    fn first_position(near: u64) -> u64 {
        near
    }

    fn address_of_data(producer: &mut Producer<T>) -> usize {
        let next = offset::<T>(producer.position(), producer.capacity());
        let mut claim = producer.try_claim().expect("there is room");
        claim.as_mut_ptr().expose_provenance() - next
    }

    fn write(producer: &mut Producer<T>, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
        let value: T = filled(choices.byte());
        let values = vec![value; choices.below(12)];
        let nothing = values.is_empty();
        match choices.below(12) {
            0 | 1 => either!(choices, place, producer.try_push | push_timeout(value)).into(),
            2 | 3 => {
                let pushed = either!(
                    choices,
                    place,
                    producer.try_push_slice | push_slice_timeout(&values)
                );
                Answer::from(counted(pushed, values.len())).unless(nothing)
            }
            4 | 5 => claim_one(producer, value, choices, place),
            6..=8 => claim_many(producer, &values, choices, place),
            9 => {
                place.laps = values.len() as u64;
                let pushed = producer.push_all_timeout(&values, place.deadline(choices));
                Answer::from(pushed).unless(nothing)
            }
            10 => extend(producer, &values, choices, place),
            _ => select(producer.interest(), choices),
        }
    }

    fn read(consumer: &mut Consumer<T>, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
        let next = offset::<T>(consumer.position(), consumer.capacity());
        let mut values = vec![T::new_zeroed(); choices.below(12)];
        let nothing = values.is_empty();
        let witness = place.witness();
        let is_there = |value: &T| {
            let bytes = value.as_bytes();
            let there = witness.is_none_or(|it| it.data_at(next, bytes) || it.inline_at(0, bytes));
            assert!(there, "a record that was not published");
        };
        match choices.below(12) {
            0 | 1 => {
                let popped = either!(choices, place, consumer.try_pop | pop_timeout());
                let popped = popped.inspect(is_there);
                popped.inspect(|value| place.saw(value.as_bytes())).into()
            }
            2 => {
                let popped = either!(
                    choices,
                    place,
                    consumer.try_pop_slice | pop_slice_timeout(&mut values)
                );
                let all = &values[..popped.unwrap_or(0)];
                all.iter().for_each(|value| place.saw(value.as_bytes()));
                Answer::from(counted(popped, values.len())).unless(nothing)
            }
            3 | 4 => peek_one(consumer, next, choices, place),
            5 | 6 => peek_many(consumer, &mut values, choices, place),
            7 => {
                place.laps = values.len() as u64;
                let popped = consumer.pop_exact_timeout(&mut values, place.deadline(choices));
                Answer::from(popped).unless(nothing)
            }
            8 => iterate(consumer, values.len(), is_there, choices, place),
            9 => {
                let wanted = choices.one_of(&[values.len(), values.len(), usize::MAX]);
                let skipped = consumer.skip(wanted);
                Answer::from(counted(skipped, wanted)).unless(wanted == 0)
            }
            10 => {
                let before = consumer.position();
                let skipped = consumer.skip_to_latest();
                if let Ok(skipped) = skipped {
                    let moved = consumer.position().wrapping_sub(before);
                    assert_eq!(moved, skipped as u64);
                    assert!(moved < consumer.capacity(), "the latest remains");
                    assert!(place.witness().is_none() || !consumer.is_empty());
                }
                skipped.into()
            }
            _ => select(consumer.interest(), choices),
        }
    }

    fn ask(producer: Option<&Producer<T>>, consumer: Option<&Consumer<T>>) {
        let vacant = producer.map(|producer| (producer.is_full(), producer.vacant()));
        let capacity = producer.map(Producer::capacity);
        assert!(vacant.map(|(_, vacant)| vacant) <= capacity);
        black_box((vacant, consumer.map(Consumer::is_full)));
    }
}

/// One slot, filled in place, and read back.
fn claim_one<T: Record>(
    producer: &mut Producer<T>,
    value: T,
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let next = offset::<T>(producer.position(), producer.capacity());
    let claim = either!(choices, place, producer.try_claim | claim_timeout());
    let mut claim = match claim {
        Ok(claim) => claim,
        Err(error) => return Err::<(), _>(error).into(),
    };
    let address = claim.as_mut_ptr();
    assert_eq!(place.check(address.cast(), size_of::<T>()), Some(next));
    match place.is_quiet() && choices.coin() {
        // SAFETY: no other thread writes to the ring.
        true => *unsafe { claim.as_mut() } = value,
        false => claim.write(value),
    }
    let read = claim.read();
    place.saw(read.as_bytes());
    assert!(is_same(&read, &value) || !place.is_quiet());
    place.attack(choices);
    if let Some(memory) = &place.memory {
        assert!(memory.data_at(next, claim.read().as_bytes()));
    }
    if choices.coin() {
        claim.commit();
    }
    Answer::Sound
}

/// As many slots as are free, or all or none.
fn claim_many<T: Record>(
    producer: &mut Producer<T>,
    values: &[T],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let next = offset::<T>(producer.position(), producer.capacity());
    let exact = choices.coin();
    let claim = match (exact, choices.coin()) {
        (false, _) => producer.try_claim_many(values.len()),
        (true, false) => producer.claim_many_timeout(values.len(), Duration::ZERO),
        (true, true) => producer.claim_many_timeout(values.len(), place.deadline(choices)),
    };
    let mut claim = match claim {
        Ok(claim) => claim,
        Err(error) => {
            assert!(!values.is_empty(), "zero slots can always be claimed");
            return Err::<(), _>(error).into();
        }
    };
    let count = claim.len();
    assert!(count <= values.len() && (!exact || count == values.len()));
    assert_eq!(claim.is_empty(), count == 0);
    assert!(count > 0 || values.is_empty());
    let values = &values[..count];
    match choices.below(3) {
        0 => claim.copy_from_slice(values),
        1 => (0..count)
            .rev()
            .for_each(|index| claim.write(index, values[index])),
        _ if place.is_quiet() => {
            // SAFETY: no other thread writes to the ring.
            let (front, back) = unsafe { claim.slices_mut() };
            assert_eq!(front.len() + back.len(), count);
            for (slice, offset) in [(front, next), (back, 0)] {
                slice.copy_from_slice(&values[..slice.len()]);
                if !slice.is_empty() {
                    assert_eq!(place.check_slice(slice), Some(offset));
                }
            }
        }
        _ => {}
    }
    place.attack(choices);
    match choices.below(3) {
        0 => claim.commit(),
        1 => claim.commit_first(choices.below(count + 1)),
        _ => drop(claim),
    }
    Answer::Sound.unless(count == 0)
}

/// From an iterator that may be longer than the room.
fn extend<T: Record>(
    producer: &mut Producer<T>,
    values: &[T],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    if place.never_waits && choices.coin() {
        place.laps = values.len() as u64;
        let extended = producer.extend(values.iter().copied());
        return Answer::from(extended).unless(values.is_empty());
    }
    let mut left = values.iter().copied();
    let extended = producer.try_extend(&mut left);
    if let Ok(count) = extended {
        assert_eq!(count, values.len() - left.len());
    }
    extended.into()
}

/// One record, read twice, the second time after another thread may have written to it.
fn peek_one<T: Record>(
    consumer: &mut Consumer<T>,
    next: usize,
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let peek = either!(choices, place, consumer.try_peek | peek_timeout());
    let peek = match peek {
        Ok(peek) => peek,
        Err(error) => return Err::<(), _>(error).into(),
    };
    let offset = place.check(peek.as_ptr().cast(), size_of::<T>());
    assert!(offset.is_none_or(|offset| offset == next));
    let first = peek.read();
    if place.is_quiet() {
        // SAFETY: no thread writes to the ring at the same time.
        assert!(is_same(unsafe { peek.as_ref() }, &first));
    }
    place.attack(choices);
    let second = peek.read();
    place.saw(second.as_bytes());
    match (offset, &place.memory) {
        (None, _) => assert!(is_same(&first, &second), "a copy has changed"),
        (Some(_), Some(memory)) => assert!(memory.data_at(next, second.as_bytes())),
        (Some(_), None) => {}
    }
    if choices.coin() {
        peek.release();
    }
    Answer::Sound
}

/// Every record, by every method, also after another thread may have written to them.
fn peek_many<T: Record>(
    consumer: &mut Consumer<T>,
    values: &mut [T],
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let (position, capacity) = (consumer.position(), consumer.capacity());
    let min = choices.one_of(&[values.len(), 0, 1, usize::MAX]);
    let peek = match choices.below(3) {
        0 => consumer.try_peek_many(),
        1 => consumer
            .peek_many_timeout(min, Duration::ZERO)
            .inspect(|peek| {
                assert!(peek.len() >= min);
            }),
        _ => consumer.peek_many_timeout(min, place.deadline(choices)),
    };
    let peek = match peek {
        Ok(peek) => peek,
        Err(error) => {
            if let PopError::TooMany { max } = error {
                assert!(max as u64 == capacity && min > max);
            }
            return Err::<(), _>(error).into();
        }
    };
    let count = peek.len();
    assert!((1..=capacity).contains(&(count as u64)));
    if place.is_quiet() {
        // SAFETY: no thread writes to the ring at the same time.
        let (front, back) = unsafe { peek.slices() };
        assert_eq!(front.len() + back.len(), count);
        for (slice, offset) in [(front, offset::<T>(position, capacity)), (back, 0)] {
            if !slice.is_empty() {
                assert_eq!(place.check_slice(slice), Some(offset));
            }
        }
    }
    place.attack(choices);
    assert_eq!(peek.iter().len(), count);
    let all: Vec<T> = peek.iter().collect();
    all.iter().for_each(|value| place.saw(value.as_bytes()));
    assert!(peek.read(count).is_none() && peek.read(usize::MAX).is_none());
    let copied = peek.copy_to_slice(values);
    assert_eq!(copied, count.min(values.len()));
    for (index, value) in all.iter().enumerate() {
        let again = peek.read(index).expect("one of them");
        if let Some(memory) = &place.memory {
            let offset = offset::<T>(position.wrapping_add(index as u64), capacity);
            assert!(
                memory.data_at(offset, value.as_bytes()),
                "a record that was not published"
            );
            assert!(is_same(value, &again));
            let copy = values[..copied].get(index);
            assert!(copy.is_none_or(|copy| is_same(value, copy)));
        }
    }
    match choices.below(3) {
        0 => peek.release(),
        1 => peek.release_first(choices.below(count + 1)),
        _ => drop(peek),
    }
    Answer::Sound
}

/// Some records by an iterator, which does not report corruption.
fn iterate<T: Record>(
    consumer: &mut Consumer<T>,
    wanted: usize,
    is_there: impl Fn(&T),
    choices: &mut Choices<'_>,
    place: &mut Place,
) -> Answer {
    let before = consumer.position();
    let capacity = consumer.capacity() as usize;
    let mut taken = 0;
    if place.never_waits && choices.coin() {
        place.laps = wanted as u64 + 1;
        for value in &mut *consumer {
            place.saw(value.as_bytes());
            taken += 1;
            place.attack(choices);
            if taken >= wanted {
                break;
            }
        }
    } else if place.is_quiet() && !consumer.is_empty() && choices.coin() {
        // It does not wait, because a write has moved the tail.
        taken = consumer.iter().take(1).inspect(is_there).count();
    } else {
        let mut values = consumer.try_iter();
        assert!(values.len() <= capacity);
        while taken < wanted {
            let left = values.len();
            let Some(value) = values.next() else {
                assert_eq!(left, 0);
                break;
            };
            place.saw(value.as_bytes());
            taken += 1;
            assert_eq!(values.len(), left - 1);
            place.attack(choices);
        }
    }
    let moved = consumer.position().wrapping_sub(before);
    assert_eq!(moved, taken as u64, "exactly the ones that it returned");
    Answer::Silent
}

fn is_same<T: Record>(one: &T, other: &T) -> bool {
    one.as_bytes() == other.as_bytes()
}

/// A record whose bytes are all the same.
fn filled<T: Record>(byte: u8) -> T {
    let mut value = T::new_zeroed();
    value.as_mut_bytes().fill(byte);
    value
}

/// The offset of a position's slot in the data.
fn offset<T>(position: u64, capacity: u64) -> usize {
    (position % capacity) as usize * size_of::<T>()
}

/// Checks that there are at most as many as requested, and none only if none was requested.
fn counted<E>(result: Result<usize, E>, wanted: usize) -> Result<usize, E> {
    result.inspect(|count| assert!((wanted.min(1)..=wanted).contains(count)))
}
