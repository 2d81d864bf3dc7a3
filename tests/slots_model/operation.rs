//! The operations on a ring of records.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use quoit::Role;

/// The initial ring.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) capacity: u64,
    pub(crate) first_position: u64,
    /// In a real segment, or on the heap.
    pub(crate) named: bool,
}

/// One step of a sequence. Counts may exceed the messages or the room.
#[derive(Debug, Clone)]
pub(crate) enum Step {
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
    Skip(usize),
    SkipToLatest,
    /// Takes everything, then polls a few times without a message: the consumer has caught up.
    CatchUp,
    /// Pushes one and pops one, this many times.
    PingPong(usize),
    /// Drops an endpoint. A new one attaches when it is needed.
    Leave(Role),
    /// Closes an endpoint, which exists until it is dropped.
    Close(Role),
}

pub(crate) fn setting() -> impl Strategy<Value = Setting> {
    let capacity = prop_oneof![Just(1), Just(2), Just(4), Just(8), Just(64)];
    let named = proptest::bool::weighted(0.05);
    (capacity, first_position(), named).prop_map(|(capacity, first_position, named)| Setting {
        capacity,
        first_position,
        named,
    })
}

/// Zero, any position, or a position just before a wrap.
pub(crate) fn first_position() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        any::<u64>(),
        (0..100u64).prop_map(|before| u64::MAX - before),
        (0..100u64).prop_map(|before| u64::from(u32::MAX) - before),
        (0..100u64).prop_map(|before| (1 << 63) - before),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || 0..80usize;
    let few = || 0..5usize;
    let part = || proptest::option::of(prop_oneof![0..5usize, 0..80usize]);
    let role = || prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let count = || prop_oneof![few(), some()];
    let all = || prop_oneof![4 => count(), 1 => Just(usize::MAX)];
    let step = prop_oneof![
        6 => Just(Step::Push),
        2 => count().prop_map(Step::PushSlice),
        1 => count().prop_map(Step::PushAll),
        1 => count().prop_map(Step::TryExtend),
        1 => count().prop_map(Step::Extend),
        3 => any::<bool>().prop_map(|commit| Step::Claim { commit }),
        2 => (all(), part())
            .prop_map(|(count, commit)| Step::ClaimMany { count, commit }),
        1 => (count(), part())
            .prop_map(|(count, commit)| Step::ClaimExactly { count, commit }),
        6 => Just(Step::Pop),
        2 => count().prop_map(Step::PopSlice),
        1 => count().prop_map(Step::PopExact),
        3 => any::<bool>().prop_map(|release| Step::Peek { release }),
        2 => part().prop_map(|release| Step::PeekMany { release }),
        1 => (count(), part())
            .prop_map(|(min, release)| Step::PeekAtLeast { min, release }),
        1 => count().prop_map(|take| Step::TryIter { take }),
        1 => count().prop_map(|take| Step::Iter { take }),
        1 => all().prop_map(Step::Skip),
        1 => Just(Step::SkipToLatest),
        2 => Just(Step::CatchUp),
        1 => (1..12usize).prop_map(Step::PingPong),
        1 => role().prop_map(Step::Leave),
        1 => role().prop_map(Step::Close),
    ];
    vec(step, 1..40)
}
