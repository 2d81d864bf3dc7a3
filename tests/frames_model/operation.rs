//! What may happen to a ring of frames.

use proptest::collection::vec;
use proptest::option;
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

/// The length of a frame in a ring whose size is not known here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    Bytes(usize),
    Longest,
    /// More than the longest, by so much.
    TooLong(usize),
}

/// What is asked of a frame, or a claim.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) kind: u32,
    pub(crate) length: Length,
}

/// One step of a sequence.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Push(Length),
    PushKind(Wish),
    PushSlice(Vec<Length>),
    Claim {
        wish: Wish,
        commit: Option<Commit>,
    },
    Batch {
        wishes: Vec<Wish>,
        commit: bool,
    },
    Pop,
    /// Pops into a buffer that is too short by one.
    PopTooShort,
    Peek {
        release: bool,
    },
    PeekMany {
        visit: usize,
        release: bool,
    },
    Drain,
    /// Takes everything and finds nothing a few times: the consumer has caught up.
    CatchUp,
    /// Pushes one and pops one, so many times.
    PingPong {
        rounds: usize,
        length: Length,
    },
    /// Drops an end. It comes back when it is needed.
    Leave(Role),
}

/// How much of a claim is published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Commit {
    All,
    /// So many bytes, or all if there are fewer.
    First(usize),
}

pub(crate) fn setting(capacity: u64) -> impl Strategy<Value = Setting> {
    let named = proptest::bool::weighted(0.05);
    (first_position(), named).prop_map(move |(position, named)| Setting {
        capacity,
        first_position: position & !7,
        named,
    })
}

/// Zero, anything, or a little before a word wraps.
fn first_position() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        any::<u64>(),
        (0..5000u64).prop_map(|before| u64::MAX - before),
        (0..5000u64).prop_map(|before| u64::from(u32::MAX) - before),
        (0..5000u64).prop_map(|before| (1 << 63) - before),
    ]
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        8 => (0..=48usize).prop_map(Length::Bytes),
        4 => (0..=2048usize).prop_map(Length::Bytes),
        2 => Just(Length::Longest),
        1 => (1..100usize).prop_map(Length::TooLong),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let kind = prop_oneof![Just(0), Just(u32::MAX), any::<u32>()];
    (kind, length()).prop_map(|(kind, length)| Wish { kind, length })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = prop_oneof![Just(Commit::All), (0..100usize).prop_map(Commit::First),];
    let role = prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let step = prop_oneof![
        5 => length().prop_map(Step::Push),
        2 => wish().prop_map(Step::PushKind),
        2 => vec(length(), 0..5).prop_map(Step::PushSlice),
        3 => (wish(), option::weighted(0.7, commit))
            .prop_map(|(wish, commit)| Step::Claim { wish, commit }),
        2 => (vec(wish(), 0..5), any::<bool>())
            .prop_map(|(wishes, commit)| Step::Batch { wishes, commit }),
        7 => Just(Step::Pop),
        2 => Just(Step::PopTooShort),
        3 => any::<bool>().prop_map(|release| Step::Peek { release }),
        2 => (0..5usize, any::<bool>())
            .prop_map(|(visit, release)| Step::PeekMany { visit, release }),
        1 => Just(Step::Drain),
        2 => Just(Step::CatchUp),
        1 => (1..12usize, length())
            .prop_map(|(rounds, length)| Step::PingPong { rounds, length }),
        1 => role.prop_map(Step::Leave),
    ];
    vec(step, 1..40)
}
