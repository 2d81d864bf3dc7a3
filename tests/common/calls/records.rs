//! The calls on records.

use std::fmt::Debug;
use std::hint::black_box;

use quoit::{ClaimError, ClaimMany, Consumer, PeekMany, PopError, PushError, Record};

use super::Amount::{All, AtOnce, One, UpTo};
use super::watch::Moment::{self, Holds};
use super::watch::{is_alone, tell};
use super::{ANY, Calls, Read, Row, TIMED, TRY, WAIT, Wait, Write, call};
use crate::common::sample::record;

impl<T: Record + PartialEq + Debug> Calls for T {
    type Message = T;
    const SMALL: u64 = 1;

    const WRITES: &'static [Row<Write<T>>] = &[
        Row::new("push", ANY, [One; 2], |end, values, wait, _| {
            let pushed = call!(wait, end.try_push | push | push_timeout(values[0]));
            pushed.map(|()| 1).map_err(|error| reason(error, values[0]))
        }),
        Row::new("push_slice", ANY, [UpTo; 2], |end, values, wait, _| {
            call!(
                wait,
                end.try_push_slice | push_slice | push_slice_timeout(values)
            )
        }),
        Row::new(
            "push_all",
            WAIT | TIMED,
            [All; 2],
            |end, values, wait, _| {
                let pushed = call!(wait, end.push_all | push_all_timeout(values));
                pushed.map(|()| values.len())
            },
        ),
        Row::new("extend", TRY | WAIT, [UpTo, All], |end, values, wait, _| {
            let before = end.position();
            let mut rest = values.iter().copied();
            let extended = match wait {
                Wait::Never => end.try_extend(&mut rest),
                _ => end.extend(&mut rest).map_err(|error| {
                    let refused = values[end.position().wrapping_sub(before) as usize];
                    reason(error, refused)
                }),
            };
            let pushed = end.position().wrapping_sub(before) as usize;
            let refused = usize::from(extended.is_err() && wait != Wait::Never);
            assert_eq!(
                rest.len(),
                values.len() - pushed - refused,
                "the rest remains"
            );
            extended
        }),
        Row::new("claim", ANY, [One; 2], |end, values, wait, manner| {
            if manner % 4 == 3 {
                drop(end.try_claim()); // publishes nothing
            }
            let mut claim = call!(wait, end.try_claim | claim | claim_timeout())?;
            tell(Holds(claim.as_mut_ptr().cast(), size_of::<T>()));
            match manner % 2 {
                // SAFETY: no other process accesses unpublished slots.
                1 if is_alone() => *unsafe { claim.as_mut() } = values[0],
                _ => claim.write(values[0]),
            }
            assert!(claim.read() == values[0] || !is_alone());
            tell(Holds(claim.as_mut_ptr().cast(), size_of::<T>()));
            claim.commit();
            Ok(1)
        }),
        Row::new(
            "claim_many",
            ANY,
            [UpTo, AtOnce],
            |end, values, wait, manner| {
                let (count, split) = (values.len(), until_wrap(end.position(), end.capacity()));
                let claim = call!(
                    wait,
                    end.try_claim_many | claim_many | claim_many_timeout(count)
                );
                let claim = claim?;
                assert!(claim.len() == count || wait == Wait::Never);
                Ok(fill(claim, values, split, manner))
            },
        ),
    ];

    const READS: &'static [Row<Read<T>>] = &[
        Row::new("pop", ANY, [One; 2], |end, _, wait, _, take| {
            take(call!(wait, end.try_pop | pop | pop_timeout())?);
            Ok(1)
        }),
        Row::new("pop_slice", ANY, [UpTo; 2], |end, wanted, wait, _, take| {
            let mut values = vec![untouched(); wanted];
            let values = &mut values[..];
            let popped = call!(
                wait,
                end.try_pop_slice | pop_slice | pop_slice_timeout(values)
            );
            hand_over(values, popped.unwrap_or(0), take);
            popped
        }),
        Row::new(
            "pop_exact",
            WAIT | TIMED,
            [All; 2],
            |end, wanted, wait, _, take| {
                let (before, mut values) = (end.position(), vec![untouched(); wanted]);
                let popped = call!(wait, end.pop_exact | pop_exact_timeout(&mut values));
                let count = end.position().wrapping_sub(before) as usize;
                hand_over(&values, count, take);
                popped.map(|()| count)
            },
        ),
        Row::new("peek", ANY, [One; 2], |end, _, wait, manner, take| {
            if manner % 4 == 3 {
                drop(end.try_peek()); // releases nothing
            }
            let peek = call!(wait, end.try_peek | peek | peek_timeout())?;
            black_box(peek.read()); // each read loads again
            tell(Holds(peek.as_ptr().cast(), size_of::<T>()));
            take(match manner % 2 {
                // SAFETY: no other process accesses unreleased slots.
                1 if is_alone() => *unsafe { peek.as_ref() },
                _ => peek.read(),
            });
            peek.release();
            Ok(1)
        }),
        Row::new(
            "peek_many",
            ANY,
            [UpTo, AtOnce],
            |end, wanted, wait, manner, take| {
                if manner % 8 == 7 {
                    drop(end.try_peek_many()); // releases nothing
                }
                let split = until_wrap(end.position(), end.capacity());
                let peek = match wait {
                    Wait::Never => end.try_peek_many()?,
                    Wait::Forever => end.peek_many(wanted)?,
                    Wait::Until(deadline) => end.peek_many_timeout(wanted, deadline)?,
                };
                assert!(peek.len() >= wanted || wait == Wait::Never);
                Ok(look(peek, wanted, split, manner, take))
            },
        ),
        Row::new(
            "iter",
            TRY | WAIT,
            [UpTo, All],
            |end, wanted, wait, manner, take| {
                let before = end.position();
                match (wait, manner % 2) {
                    (Wait::Never, _) => {
                        let mut all = end.try_iter();
                        let there = all.len();
                        all.by_ref().take(wanted).for_each(take);
                        assert_eq!(all.len(), there.saturating_sub(wanted));
                    }
                    (_, 0) => end.iter().take(wanted).for_each(take),
                    _ => (&mut *end).into_iter().take(wanted).for_each(take),
                }
                match end.position().wrapping_sub(before) as usize {
                    0 => Err(why_empty(end)),
                    count => Ok(count),
                }
            },
        ),
    ];

    fn message(number: u64) -> T {
        record(number)
    }

    fn varied(number: u64) -> T {
        record(number)
    }
}

/// The error of a push; the pushed value must have been returned.
pub(crate) fn reason<T: PartialEq + Debug>(error: PushError<T>, pushed: T) -> ClaimError {
    let reason = match error {
        PushError::Full(_) => ClaimError::Full,
        PushError::TimedOut(_) => ClaimError::TimedOut,
        PushError::Abandoned(_) => ClaimError::Abandoned,
        PushError::Superseded(_) => ClaimError::Superseded,
        PushError::Corrupt(_) => ClaimError::Corrupt,
        PushError::ReactorDied(_) => ClaimError::ReactorDied,
    };
    assert_eq!(error.into_inner(), pushed);
    reason
}

/// Why an iterator ended without a record: it does not say.
fn why_empty<T: Record>(end: &mut Consumer<T>) -> PopError {
    end.try_peek().err().unwrap_or(PopError::Empty)
}

/// The content of a buffer before the call.
fn untouched<T: Record>() -> T {
    record(u64::MAX)
}

/// Passes the popped records on. The rest of the buffer is untouched.
fn hand_over<T: Record + PartialEq>(values: &[T], popped: usize, take: &mut dyn FnMut(T)) {
    let (popped, rest) = values.split_at(popped);
    assert!(rest.iter().all(|value| *value == untouched()));
    popped.iter().copied().for_each(take);
}

/// The number of slots before the ring wraps.
fn until_wrap(position: u64, capacity: u64) -> usize {
    (capacity - position % capacity) as usize
}

fn places<T>(slice: &[T]) -> Moment {
    Holds(slice.as_ptr().cast(), size_of_val(slice))
}

/// Fills a claim in one of three ways; returns how many were published.
fn fill<T: Record + PartialEq + Debug>(
    mut claim: ClaimMany<'_, T>,
    values: &[T],
    split: usize,
    manner: usize,
) -> usize {
    let values = &values[..claim.len()];
    assert_eq!(claim.is_empty(), values.is_empty());
    let parts = values.split_at(split.min(values.len()));
    match manner % 3 {
        2 if is_alone() => {
            // SAFETY: no other process accesses unpublished slots.
            let (front, back) = unsafe { claim.slices_mut() };
            front.copy_from_slice(parts.0);
            back.copy_from_slice(parts.1);
        }
        1 => (0..values.len()).for_each(|index| claim.write(index, values[index])),
        _ => claim.copy_from_slice(values),
    }
    if is_alone() {
        // SAFETY: as above.
        let (front, back) = unsafe { claim.slices_mut() };
        assert_eq!((&*front, &*back), parts);
        [&*front, &*back].map(places).into_iter().for_each(tell);
    }
    match manner % 4 {
        1 => {
            let part = manner / 4 % (values.len() + 1);
            claim.commit_first(part);
            part
        }
        3 => {
            drop(claim); // publishes nothing
            0
        }
        _ => {
            claim.commit();
            values.len()
        }
    }
}

/// Reads records in one of three ways, and releases them.
fn look<T: Record + PartialEq + Debug>(
    peek: PeekMany<'_, T>,
    wanted: usize,
    split: usize,
    manner: usize,
    take: &mut dyn FnMut(T),
) -> usize {
    let count = wanted.min(peek.len());
    if is_alone() {
        // SAFETY: no other process accesses unreleased slots.
        let (front, back) = unsafe { peek.slices() };
        [front, back].map(places).into_iter().for_each(tell);
    }
    match manner % 4 {
        1 if is_alone() => {
            // SAFETY: as above.
            let (front, back) = unsafe { peek.slices() };
            assert_eq!(front.len(), split.min(peek.len()));
            let all = front.iter().chain(back);
            all.take(count).copied().for_each(take);
        }
        3 => {
            let all: Vec<_> = peek.iter().collect();
            let len = all.len();
            assert_eq!((len, peek.iter().len()), (peek.len(), peek.len()));
            let mut more = vec![untouched(); len + 1];
            assert_eq!(peek.copy_to_slice(&mut more), len);
            assert!(more[len] == untouched());
            let mut fewer = vec![untouched(); len - 1];
            assert_eq!(peek.copy_to_slice(&mut fewer), fewer.len());
            let read: Vec<_> = (0..len).map_while(|index| peek.read(index)).collect();
            assert!(read.len() == len && peek.read(len).is_none());
            if is_alone() {
                assert_eq!((&more[..len], &read), (&all[..], &all));
                assert_eq!(fewer, all[..len - 1]);
            }
            all.into_iter().take(count).for_each(take);
        }
        _ => peek.iter().take(count).for_each(take),
    }
    match count == peek.len() {
        true => peek.release(),
        false => peek.release_first(count),
    }
    count
}
