//! The calls on a ring of frames.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};

/// The length of a frame, relative to the ring's size.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    Bytes(usize),
    Longest,
    /// This much more than the longest.
    TooLong(usize),
}

/// The length and kind of a frame or a claim.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) kind: u32,
    pub(crate) length: Length,
}

/// A call in place.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Claim {
        wish: Wish,
        commit: Option<Commit>,
    },
    Batch {
        wishes: Vec<Wish>,
        commit: bool,
        /// Claims each frame by the waiting call, without time to wait.
        in_time: bool,
    },
    /// Pops into a buffer that is one byte too short.
    PopTooShort,
    Peek {
        release: bool,
    },
    PeekMany {
        visit: usize,
        release: Release,
        in_time: bool,
    },
    /// Breaks at the frame after this many, if there is one.
    Drain(Option<usize>),
}

/// How much of the visited frames is released.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Release {
    Nothing,
    All,
    /// This many, or all if there are fewer.
    First(usize),
}

/// How much of a claim is published.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Commit {
    All,
    /// This many bytes, or all if there are fewer.
    First(usize),
}

fn length() -> impl Strategy<Value = Length> {
    prop_oneof![
        8 => (0..=48usize).prop_map(Length::Bytes),
        4 => (0..=2048usize).prop_map(Length::Bytes),
        2 => Just(Length::Longest),
        1 => (1..100usize).prop_map(Length::TooLong),
    ]
}

fn kind() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), any::<u32>()]
}

fn wish() -> impl Strategy<Value = Wish> {
    (kind(), length()).prop_map(|(kind, length)| Wish { kind, length })
}

/// As the calls want that give all frames the same kind.
pub(crate) fn wishes_of_one_kind() -> BoxedStrategy<Vec<Wish>> {
    let wishes = (kind(), vec(length(), 1..5)).prop_map(|(kind, lengths)| {
        let wish = |length| Wish { kind, length };
        lengths.into_iter().map(wish).collect()
    });
    wishes.boxed()
}

pub(crate) fn calls() -> BoxedStrategy<Call> {
    let commit = prop_oneof![Just(Commit::All), (0..100usize).prop_map(Commit::First),];
    let release = prop_oneof![
        Just(Release::Nothing),
        Just(Release::All),
        (0..5usize).prop_map(Release::First),
    ];
    let calls = prop_oneof![
        3 => (wish(), option::weighted(0.7, commit))
            .prop_map(|(wish, commit)| Call::Claim { wish, commit }),
        2 => (vec(wish(), 0..5), any::<bool>(), any::<bool>())
            .prop_map(|(wishes, commit, in_time)| Call::Batch { wishes, commit, in_time }),
        2 => Just(Call::PopTooShort),
        3 => any::<bool>().prop_map(|release| Call::Peek { release }),
        3 => (0..5usize, release, any::<bool>())
            .prop_map(|(visit, release, in_time)| Call::PeekMany { visit, release, in_time }),
        2 => option::of(0..5usize).prop_map(Call::Drain),
    ];
    calls.boxed()
}
