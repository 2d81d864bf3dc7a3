//! What both shapes are put to, and what is expected of every answer.

use std::fmt::Debug;
use std::ops::Range;
use std::ptr;
use std::time::Duration;

use quoit::{
    ClaimError, Consumer, Corrupt, Deadline, FrameConsumer, FrameProducer, Interest, PeerError,
    PopError, Producer, PushError, Record, Select, SelectError, Shape,
};

use super::choices::Choices;
use super::memory::{DATA, Memory, PAGE, Scribble};

/// What a call said.
pub(crate) enum Answer {
    /// A value, or that there is none now.
    Sound,
    /// The end is poisoned: `corruption()` says by what.
    Corrupt,
    /// Nothing that depends on the ring.
    Silent,
}

/// A shape whose ends are used in every way.
pub(crate) trait Prey: Shape<Producer: End, Consumer: End> {
    /// Bytes of a slot.
    const UNIT: usize;
    /// Where a ring may begin near this position.
    fn first_position(near: u64) -> u64;
    /// Where the data of a ring begin, all of whose room is free.
    fn address_of_data(producer: &mut Self::Producer) -> usize;
    fn write(producer: &mut Self::Producer, choices: &mut Choices<'_>, place: &mut Place)
    -> Answer;
    fn read(consumer: &mut Self::Consumer, choices: &mut Choices<'_>, place: &mut Place) -> Answer;
}

/// What all four endpoints have.
pub(crate) trait End: Debug {
    fn position(&self) -> u64;
    fn capacity(&self) -> u64;
    fn corruption(&self) -> Option<Corrupt>;
    fn close(&mut self);
    /// Everything else that an endpoint says of itself, of its peer and of the ring.
    fn ask(&mut self, timeout: Duration);
}

macro_rules! end {
    ([$($bounds:tt)*] $end:ty, $more:expr) => {
        impl<$($bounds)*> End for $end {
            fn position(&self) -> u64 {
                self.position()
            }

            fn capacity(&self) -> u64 {
                self.capacity()
            }

            fn corruption(&self) -> Option<Corrupt> {
                self.corruption()
            }

            fn close(&mut self) {
                self.close();
            }

            fn ask(&mut self, timeout: Duration) {
                assert!(self.len() <= self.capacity());
                std::hint::black_box((self.is_empty(), self.is_abandoned(), self.is_superseded()));
                std::hint::black_box((self.peer_epoch(), format!("{self:?}")));
                self.count_dropped(u64::MAX);
                let waited = self.wait_for_peer_timeout(timeout);
                assert!(matches!(waited, Ok(()) | Err(PeerError::TimedOut | PeerError::Superseded)));
                let more: fn(&Self) = $more;
                more(self);
            }
        }
    };
}

end!([T: Record] Producer<T>, |end| {
    assert!(end.vacant() <= end.capacity());
    std::hint::black_box(end.is_full());
});
end!([T: Record] Consumer<T>, |end| {
    std::hint::black_box(end.is_full());
});
end!([] FrameProducer, |end| {
    assert!(end.vacant().is_none_or(|len| len <= end.max_frame_len()));
});
end!([] FrameConsumer, |_| {});

/// Where an endpoint sees the ring's data, and what a step may do.
pub(crate) struct Place {
    /// The address of the segment, once it is known.
    pub(crate) base: Option<usize>,
    /// Bytes of the data.
    pub(crate) data: usize,
    /// The endpoint's own memory, for what it carries.
    pub(crate) private: Range<usize>,
    /// The ring's memory, if no thread scribbles during calls: then this step may, in
    /// the middle, and can compare what is read.
    pub(crate) memory: Option<Memory>,
    /// A consumer may carry a message that it saw in an earlier step.
    pub(crate) lingers: bool,
    /// The end is poisoned, and the step began with that.
    pub(crate) poisoned: bool,
    /// No call waits: the end is closed or poisoned.
    pub(crate) never_waits: bool,
    /// How often the end may have moved by a whole ring.
    pub(crate) laps: u64,
    /// The step may have moved and then looked at the next message.
    pub(crate) looks_on: bool,
}

impl Place {
    /// Checks that this many bytes at an address lie in the data, and reads all of them;
    /// says where they begin there. `None` if they are carried in the endpoint's own memory.
    pub(crate) fn check(&mut self, address: *const u8, len: usize) -> Option<usize> {
        let start = address.addr();
        let end = start + len;
        let mut bytes = vec![0; len];
        // SAFETY: mapped, or a sanitizer says so; below it is checked to be the ring's.
        unsafe { address.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
        std::hint::black_box(bytes);
        if self.private.contains(&start) {
            assert!(end <= self.private.end, "{len} bytes carried");
            return None;
        }
        // No ring here has more than a page of data.
        let first_page = (start & !(PAGE - 1)) - DATA;
        let base = *self.base.get_or_insert(first_page);
        assert!(start >= base + DATA, "bytes before the data");
        assert!(end <= base + DATA + self.data, "bytes beyond the data");
        Some(start - base - DATA)
    }

    /// The same of a slice, which only a step that no thread disturbs may have.
    pub(crate) fn check_slice<T>(&mut self, slice: &[T]) -> Option<usize> {
        assert!(self.is_quiet());
        self.check(ptr::from_ref(slice).cast(), size_of_val(slice))
    }

    /// Whether no other thread writes to the ring during the step.
    pub(crate) fn is_quiet(&self) -> bool {
        self.memory.is_some()
    }

    /// What a popped message can be compared with.
    pub(crate) fn witness(&self) -> Option<Memory> {
        self.memory.filter(|_| !self.lingers)
    }

    /// Scribbles in the middle of a step, perhaps.
    pub(crate) fn attack(&self, choices: &mut Choices<'_>) {
        let prey = self.memory.filter(|_| !self.poisoned);
        if let Some(memory) = prey.filter(|_| choices.coin()) {
            memory.scribble(&Scribble::choose(choices, &memory));
        }
    }

    /// All that an endpoint could store to, to see that it does not.
    pub(crate) fn segment(&self) -> Option<Vec<u8>> {
        self.memory.map(|memory| memory.read(0..DATA + memory.data))
    }

    /// For a call that takes a timeout. One of an endpoint that never waits may have none.
    pub(crate) fn deadline(&self, choices: &mut Choices<'_>) -> Deadline {
        let timeout = choices.timeout();
        match self.never_waits && choices.coin() {
            true => Deadline::NEVER,
            false => timeout.into(),
        }
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
    /// For a call that did not ask the ring, because there was nothing to do.
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
