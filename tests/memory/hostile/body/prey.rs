//! The steps for both shapes, and the checks of every result.

use std::hint::black_box;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

use quoit::{
    ClaimError, Deadline, Interest, PeerError, PopError, PushError, Select, SelectError, Shape,
};

use super::choices::Choices;
use super::memory::{DATA, Memory, PAGE, StrayWrite};
use crate::common::ends::End;

/// The result of a call.
pub(crate) enum Answer {
    /// A value, or none at the moment.
    Sound,
    /// The endpoint is poisoned: `corruption()` has the reason.
    Corrupt,
    /// A result that does not depend on the ring.
    Silent,
}

/// A shape whose endpoints are used by every call.
pub(crate) trait Prey: Shape<Producer: End, Consumer: End> {
    /// Bytes of a slot.
    const UNIT: usize;
    /// A position near this one at which a ring may begin.
    fn first_position(near: u64) -> u64;
    /// The address of the data of an empty ring.
    fn address_of_data(producer: &mut Self::Producer) -> usize;
    fn write(producer: &mut Self::Producer, choices: &mut Choices<'_>, place: &mut Place)
    -> Answer;
    fn read(consumer: &mut Self::Consumer, choices: &mut Choices<'_>, place: &mut Place) -> Answer;
    /// The getters that only endpoints of this shape have.
    fn ask(producer: Option<&Self::Producer>, consumer: Option<&Self::Consumer>);
}

/// All getters of an endpoint, its peer and the ring.
pub(crate) fn ask(end: &mut impl End, timeout: Duration) {
    assert!(end.len() <= end.capacity());
    black_box((end.is_empty(), end.is_abandoned(), end.is_superseded()));
    black_box((end.peer_epoch(), format!("{end:?}")));
    end.count_dropped(u64::MAX);
    let waited = end.wait_for_peer_timeout(timeout.into());
    assert!(matches!(
        waited,
        Ok(()) | Err(PeerError::TimedOut | PeerError::Superseded)
    ));
}

/// Where an endpoint accesses the ring's data, and what a step may do.
pub(crate) struct Place {
    /// The address of the segment, once it is known.
    pub(crate) base: Option<usize>,
    /// The length of the data.
    pub(crate) data: usize,
    /// The endpoint's own memory, for its copy of an inline message.
    pub(crate) private: Range<usize>,
    /// The ring's memory, if no thread writes during calls: then this step may write in the
    /// middle, and can compare the results.
    pub(crate) memory: Option<Memory>,
    /// A consumer may have the inline copy of an earlier step.
    pub(crate) lingers: bool,
    /// The endpoint was poisoned before the step.
    pub(crate) poisoned: bool,
    /// No call waits: the endpoint is closed or poisoned.
    pub(crate) never_waits: bool,
    /// How often the endpoint may have moved by a whole ring.
    pub(crate) laps: u64,
    /// The step may have moved and then polled for the next message.
    pub(crate) looks_on: bool,
    /// Whether these bytes may have been published.
    pub(crate) expected: fn(&[u8]) -> bool,
    /// The messages that the step has read, and the unexpected ones among them.
    pub(crate) seen: u64,
    pub(crate) wrong: u64,
}

impl Place {
    /// Checks that this many bytes at an address are in the data, and reads all of them.
    /// Returns their offset, or `None` if they are in the endpoint's own memory.
    pub(crate) fn check(&mut self, address: *const u8, len: usize) -> Option<usize> {
        let start = address.addr();
        let end = start + len;
        let mut bytes = vec![0; len];
        // SAFETY: mapped, or a sanitizer reports it. The check below proves that it is the ring's.
        unsafe { address.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        black_box(bytes);
        if self.private.contains(&start) {
            assert!(end <= self.private.end, "{len} bytes in the endpoint");
            return None;
        }
        // No ring here has more than a page of data.
        let first_page = (start & !(PAGE - 1)) - DATA;
        let base = *self.base.get_or_insert(first_page);
        assert!(start >= base + DATA, "bytes before the data");
        assert!(end <= base + DATA + self.data, "bytes beyond the data");
        Some(start - base - DATA)
    }

    /// The same for a slice, which only a step without concurrent writes may borrow.
    pub(crate) fn check_slice<T>(&mut self, slice: &[T]) -> Option<usize> {
        assert!(self.is_quiet());
        self.check(ptr::from_ref(slice).cast(), size_of_val(slice))
    }

    /// Whether no other thread writes to the ring during the step.
    pub(crate) fn is_quiet(&self) -> bool {
        self.memory.is_some()
    }

    /// Counts bytes that the step has copied. They do not change any more.
    pub(crate) fn saw(&mut self, bytes: &[u8]) {
        let is_right = (self.expected)(bytes);
        let again = (self.expected)(black_box(bytes));
        assert_eq!(again, is_right, "a private copy has changed");
        self.seen += 1;
        self.wrong += u64::from(!is_right);
    }

    /// The memory that a popped message can be compared with.
    pub(crate) fn witness(&self) -> Option<Memory> {
        self.memory.filter(|_| !self.lingers)
    }

    /// May overwrite the segment in the middle of a step.
    pub(crate) fn attack(&self, choices: &mut Choices<'_>) {
        let prey = self.memory.filter(|_| !self.poisoned);
        if let Some(memory) = prey.filter(|_| choices.coin()) {
            memory.apply(&StrayWrite::choose(choices, &memory));
        }
    }

    /// The bytes that an endpoint could store to, to check that it does not.
    pub(crate) fn segment(&self) -> Option<Vec<u8>> {
        self.memory.map(|memory| memory.read(0..DATA + memory.data))
    }

    /// The timeout of a call; `None` only if the endpoint never waits.
    pub(crate) fn deadline(&self, choices: &mut Choices<'_>) -> Deadline {
        let timeout = choices.timeout();
        match self.never_waits && choices.coin() {
            true => Deadline::NEVER,
            false => timeout.into(),
        }
    }
}

/// Waits for the endpoint by a `Select`: it is ready, closed, or neither.
pub(crate) fn select(end: Interest<'_>, choices: &mut Choices<'_>) -> Answer {
    match Select::new().wait(&mut [end], Some(choices.timeout())) {
        Ok(_) | Err(SelectError::TimedOut | SelectError::NotAFutex { index: 0 }) => Answer::Silent,
        Err(error) => panic!("{error}"),
    }
}

impl<R> From<Result<R, PopError>> for Answer {
    fn from(result: Result<R, PopError>) -> Self {
        match result {
            Err(PopError::Corrupt) => Self::Corrupt,
            Err(PopError::TooMany { .. }) => Self::Silent,
            _ => Self::Sound,
        }
    }
}

impl<R> From<Result<R, ClaimError>> for Answer {
    fn from(result: Result<R, ClaimError>) -> Self {
        match result {
            Err(ClaimError::Corrupt) => Self::Corrupt,
            Err(ClaimError::TooLong { .. }) => Self::Silent,
            _ => Self::Sound,
        }
    }
}

impl<R, T> From<Result<R, PushError<T>>> for Answer {
    fn from(result: Result<R, PushError<T>>) -> Self {
        match result {
            Err(PushError::Corrupt(_)) => Self::Corrupt,
            _ => Self::Sound,
        }
    }
}

impl Answer {
    /// The result of a call that had nothing to do, and did not use the ring.
    pub(crate) fn unless(self, nothing: bool) -> Self {
        match nothing {
            true => {
                assert!(matches!(self, Self::Sound));
                Self::Silent
            }
            false => self,
        }
    }
}

/// Makes a call in the form that does not wait, or in the one with a timeout.
macro_rules! either {
    ($choices:ident, $place:ident, $end:ident.$tried:ident | $timed:ident($($argument:expr),*)) => {
        match $choices.coin() {
            true => $end.$tried($($argument),*),
            false => $end.$timed($($argument,)* $place.deadline($choices)),
        }
    };
}
pub(crate) use either;
