//! The calls on a ring of records.

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

/// A call. Counts may exceed the messages or the room.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Push,
    PushSlice(usize),
    /// By the waiting call, without time to wait: as many as there is room for, and then the deadline has passed.
    PushAll(usize),
    TryExtend(usize),
    /// As many as there is room for, or all if no peer is attached to make more.
    Extend(usize),
    Claim {
        commit: bool,
    },
    ClaimMany {
        count: usize,
        commit: Option<usize>,
    },
    /// This many or none, by the waiting call, without time to wait.
    ClaimExactly {
        count: usize,
        commit: Option<usize>,
    },
    Pop,
    PopSlice(usize),
    /// By the waiting call, without time to wait: as many as there are, and then the deadline has passed.
    PopExact(usize),
    Peek {
        release: bool,
    },
    PeekMany {
        release: Option<usize>,
    },
    /// At least this many or none, by the waiting call, without time to wait.
    PeekAtLeast {
        min: usize,
        release: Option<usize>,
    },
    TryIter {
        take: usize,
    },
    /// As many as there are, or to the end if no peer is attached to push more.
    Iter {
        take: usize,
    },
    /// Pushes one and pops one, this many times.
    PingPong(usize),
}

pub(crate) fn calls() -> BoxedStrategy<Call> {
    let part = || proptest::option::of(prop_oneof![0..5usize, 0..80usize]);
    let count = || prop_oneof![0..5usize, 0..80usize];
    let all = || prop_oneof![4 => count(), 1 => Just(usize::MAX)];
    let calls = prop_oneof![
        6 => Just(Call::Push),
        2 => count().prop_map(Call::PushSlice),
        1 => count().prop_map(Call::PushAll),
        1 => count().prop_map(Call::TryExtend),
        1 => count().prop_map(Call::Extend),
        3 => any::<bool>().prop_map(|commit| Call::Claim { commit }),
        2 => (all(), part()).prop_map(|(count, commit)| Call::ClaimMany { count, commit }),
        1 => (count(), part()).prop_map(|(count, commit)| Call::ClaimExactly { count, commit }),
        6 => Just(Call::Pop),
        2 => count().prop_map(Call::PopSlice),
        1 => count().prop_map(Call::PopExact),
        3 => any::<bool>().prop_map(|release| Call::Peek { release }),
        2 => part().prop_map(|release| Call::PeekMany { release }),
        1 => (count(), part()).prop_map(|(min, release)| Call::PeekAtLeast { min, release }),
        1 => count().prop_map(|take| Call::TryIter { take }),
        1 => count().prop_map(|take| Call::Iter { take }),
        1 => (1..12usize).prop_map(Call::PingPong),
    ];
    calls.boxed()
}
