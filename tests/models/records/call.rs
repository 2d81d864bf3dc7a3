//! The calls on a ring of records.

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

/// A call in place. Counts may exceed the messages or the room.
#[derive(Debug, Clone)]
pub(crate) enum Call {
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
}

pub(crate) fn calls() -> BoxedStrategy<Call> {
    let part = || proptest::option::of(prop_oneof![0..5usize, 0..80usize]);
    let count = || prop_oneof![0..5usize, 0..80usize];
    let all = || prop_oneof![4 => count(), 1 => Just(usize::MAX)];
    let calls = prop_oneof![
        3 => any::<bool>().prop_map(|commit| Call::Claim { commit }),
        2 => (all(), part()).prop_map(|(count, commit)| Call::ClaimMany { count, commit }),
        1 => (count(), part()).prop_map(|(count, commit)| Call::ClaimExactly { count, commit }),
        3 => any::<bool>().prop_map(|release| Call::Peek { release }),
        2 => part().prop_map(|release| Call::PeekMany { release }),
        1 => (count(), part()).prop_map(|(min, release)| Call::PeekAtLeast { min, release }),
    ];
    calls.boxed()
}
