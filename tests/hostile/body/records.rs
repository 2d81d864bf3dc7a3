//! Records, written and read in every way.

use quoit::{Consumer, Producer, Record};
use zerocopy::IntoBytes;

use super::choices::Choices;
use super::memory::Memory;
use super::prey::{Answer, Place, Prey, select};

impl<T: Record> Prey for T {
    const UNIT: usize = size_of::<T>();

    fn first_position(near: u64) -> u64 {
        near
    }

    fn address_of_data(producer: &mut Producer<T>) -> usize {
        let next = offset::<T>(producer.position(), producer.capacity());
        let mut claim = producer.try_claim().expect("there is room");
        (&raw mut *claim).expose_provenance() - next
    }

    fn write(producer: &mut Producer<T>, choices: &mut Choices<'_>, place: &mut Place) -> Answer {
        let value: T = filled(choices.byte());
        let values = vec![value; choices.below(12)];
        let next = offset::<T>(producer.position(), producer.capacity());
        match choices.below(8) {
            0 => producer.try_push(value).into(),
            1 => producer.push_timeout(value, choices.timeout()).into(),
            2 | 3 if values.is_empty() => Answer::Silent,
            2 => counted(producer.try_push_slice(&values), values.len()).into(),
            3 => {
                let pushed = producer.push_slice_timeout(&values, choices.timeout());
                counted(pushed, values.len()).into()
            }
            4 | 5 => {
                let timeout = choices.timeout();
                let claim = match choices.coin() {
                    true => producer.try_claim(),
                    false => producer.claim_timeout(timeout),
                };
                match claim {
                    Ok(mut claim) => {
                        assert_eq!(place.check(claim.as_bytes()), Some(next));
                        *claim = value;
                        if choices.coin() {
                            claim.commit();
                        }
                        Answer::Sound
                    }
                    Err(error) => Err::<(), _>(error).into(),
                }
            }
            6 => match producer.try_claim_many(values.len()) {
                Ok(mut claim) => {
                    let count = claim.len();
                    assert!(count <= values.len());
                    let (front, back) = claim.slices_mut();
                    assert_eq!(front.len() + back.len(), count);
                    for (slice, offset) in [(front, next), (back, 0)] {
                        slice.fill(value);
                        if !slice.is_empty() {
                            assert_eq!(place.check(slice.as_bytes()), Some(offset));
                        }
                    }
                    if choices.coin() {
                        claim.commit_first(choices.below(count + 1));
                    }
                    Answer::Sound
                }
                Err(error) => Err::<(), _>(error).into(),
            },
            _ => select(producer.interest(), choices),
        }
    }

    fn read(
        consumer: &mut Consumer<T>,
        choices: &mut Choices<'_>,
        place: &mut Place,
        memory: Option<&Memory>,
    ) -> Answer {
        let next = offset::<T>(consumer.position(), consumer.capacity());
        let mut values = vec![T::new_zeroed(); choices.below(12)];
        let is_there = |value: &T| {
            let bytes = value.as_bytes();
            let found = |memory: &Memory| memory.data_at(next, bytes) || memory.ride_at(0, bytes);
            assert!(memory.is_none_or(found), "a record from nowhere");
        };
        match choices.below(8) {
            0 => consumer.try_pop().inspect(is_there).into(),
            1 => {
                let popped = consumer.pop_timeout(choices.timeout());
                popped.inspect(is_there).into()
            }
            2 if values.is_empty() => Answer::Silent,
            2 => match choices.coin() {
                true => counted(consumer.try_pop_slice(&mut values), values.len()).into(),
                false => {
                    let popped = consumer.pop_slice_timeout(&mut values, choices.timeout());
                    counted(popped, values.len()).into()
                }
            },
            3 | 4 => {
                let timeout = choices.timeout();
                let peek = match choices.coin() {
                    true => consumer.try_peek(),
                    false => consumer.peek_timeout(timeout),
                };
                match peek {
                    Ok(peek) => {
                        let offset = place.check(peek.as_bytes());
                        assert!(offset.is_none_or(|offset| offset == next));
                        if choices.coin() {
                            peek.release();
                        }
                        Answer::Sound
                    }
                    Err(error) => Err::<(), _>(error).into(),
                }
            }
            5 => match consumer.try_peek_many() {
                Ok(peek) => {
                    let count = peek.len();
                    let (front, back) = peek.slices();
                    assert_eq!(front.len() + back.len(), count);
                    for (slice, offset) in [(front, next), (back, 0)] {
                        if !slice.is_empty() {
                            assert_eq!(place.check(slice.as_bytes()), Some(offset));
                        }
                    }
                    if choices.coin() {
                        peek.release_first(choices.below(count + 1));
                    }
                    Answer::Sound
                }
                Err(error) => Err::<(), _>(error).into(),
            },
            6 => {
                let capacity = consumer.capacity() as usize;
                let drained = consumer.drain().take(values.len()).count();
                assert!(drained <= capacity.min(values.len()));
                Answer::Silent
            }
            _ => select(consumer.interest(), choices),
        }
    }
}

/// A record whose bytes are all the same.
fn filled<T: Record>(byte: u8) -> T {
    let mut value = T::new_zeroed();
    value.as_mut_bytes().fill(byte);
    value
}

/// Where the slot of a position lies in the data.
fn offset<T>(position: u64, capacity: u64) -> usize {
    (position % capacity) as usize * size_of::<T>()
}

/// As many as were asked for, at most, and never none.
fn counted<E>(result: Result<usize, E>, wanted: usize) -> Result<usize, E> {
    result.inspect(|count| assert!((1..=wanted).contains(count)))
}
