//! What both shapes are put to, and what is expected of every answer.

use std::ops::Range;

use quoit::{
    ClaimError, Consumer, Corrupt, Interest, PopError, Producer, PushError, Select, SelectError,
    Shape,
};

use super::choices::Choices;
use super::memory::{DATA, Memory, PAGE};

/// What a call said.
pub(crate) enum Answer {
    /// A value, or that there is none now.
    Sound,
    Corrupt(Corrupt),
    /// Nothing that depends on the ring.
    Silent,
}

/// A shape whose ends are used in every way.
pub(crate) trait Prey: Shape {
    /// Bytes of a slot.
    const UNIT: usize;
    /// Where a ring may begin near this position.
    fn first_position(near: u64) -> u64;
    /// Where the data of a ring begin, all of whose room is free.
    fn address_of_data(producer: &mut Producer<Self>) -> usize;
    fn write(producer: &mut Producer<Self>, choices: &mut Choices<'_>, place: &mut Place)
    -> Answer;
    fn read(
        consumer: &mut Consumer<Self>,
        choices: &mut Choices<'_>,
        place: &mut Place,
        memory: Option<&Memory>,
    ) -> Answer;
}

/// Where an end sees the ring's data.
pub(crate) struct Place {
    /// The address of the segment, once it is known.
    pub(crate) base: Option<usize>,
    /// Bytes of the data.
    pub(crate) data: usize,
    /// The end's own memory, for what it carries.
    pub(crate) private: Range<usize>,
}

impl Place {
    /// Checks that a slice lies in the data, and reads all of it; says where it
    /// begins there. `None` if it is carried in the end's own memory.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Option<usize> {
        let start = bytes.as_ptr().addr();
        let end = start + bytes.len();
        std::hint::black_box(bytes.to_vec());
        if self.private.contains(&start) {
            assert!(end <= self.private.end, "{} bytes carried", bytes.len());
            return None;
        }
        // No ring here has more than a page of data.
        let first_page = (start & !(PAGE - 1)) - DATA;
        let base = *self.base.get_or_insert(first_page);
        assert!(start >= base + DATA, "a slice before the data");
        assert!(end <= base + DATA + self.data, "a slice beyond the data");
        Some(start - base - DATA)
    }
}

/// The end, asked through a select: it is ready, gone, or not yet.
pub(crate) fn select(end: Interest<'_>, choices: &mut Choices<'_>) -> Answer {
    match Select::new().wait(&mut [end], Some(choices.timeout())) {
        Ok(_) | Err(SelectError::TimedOut | SelectError::NotAFutex { index: 0 }) => Answer::Silent,
        Err(error) => panic!("{error}"),
    }
}

impl<R> From<Result<R, PopError>> for Answer {
    fn from(result: Result<R, PopError>) -> Self {
        match result {
            Err(PopError::Corrupt(corrupt)) => Self::Corrupt(corrupt),
            _ => Self::Sound,
        }
    }
}

impl<R> From<Result<R, ClaimError>> for Answer {
    fn from(result: Result<R, ClaimError>) -> Self {
        match result {
            Err(ClaimError::Corrupt(corrupt)) => Self::Corrupt(corrupt),
            Err(ClaimError::TooLong { .. }) => Self::Silent,
            _ => Self::Sound,
        }
    }
}

impl<T> From<Result<(), PushError<T>>> for Answer {
    fn from(result: Result<(), PushError<T>>) -> Self {
        match result {
            Err(PushError::Corrupt(_, corrupt)) => Self::Corrupt(corrupt),
            _ => Self::Sound,
        }
    }
}
