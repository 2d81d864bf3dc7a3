//! What may happen to a ring of records.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use quoit::Role;

/// A ring to begin with.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) capacity: u64,
    pub(crate) first_position: u64,
    /// In a real segment, or on the heap.
    pub(crate) named: bool,
}

/// One step of a sequence. Counts may exceed what is there or what fits.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Push,
    PushSlice(usize),
    Claim {
        commit: bool,
    },
    ClaimMany {
        count: usize,
        commit: Option<usize>,
    },
    Pop,
    PopSlice(usize),
    Peek {
        release: bool,
    },
    PeekMany {
        release: Option<usize>,
    },
    Drain {
        take: usize,
    },
    /// Takes everything and finds nothing a few times: the consumer has caught up.
    CatchUp,
    /// Pushes one and pops one, so many times.
    PingPong(usize),
    /// Drops an end. It comes back when it is needed.
    Leave(Role),
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

/// Zero, anything, or a little before a word wraps.
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
    let role = prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let step = prop_oneof![
        6 => Just(Step::Push),
        2 => prop_oneof![few(), some()].prop_map(Step::PushSlice),
        3 => any::<bool>().prop_map(|commit| Step::Claim { commit }),
        2 => (prop_oneof![few(), some()], part())
            .prop_map(|(count, commit)| Step::ClaimMany { count, commit }),
        6 => Just(Step::Pop),
        2 => prop_oneof![few(), some()].prop_map(Step::PopSlice),
        3 => any::<bool>().prop_map(|release| Step::Peek { release }),
        2 => part().prop_map(|release| Step::PeekMany { release }),
        1 => prop_oneof![few(), some()].prop_map(|take| Step::Drain { take }),
        2 => Just(Step::CatchUp),
        1 => (1..12usize).prop_map(Step::PingPong),
        1 => role.prop_map(Step::Leave),
    ];
    vec(step, 1..40)
}
