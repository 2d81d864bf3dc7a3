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

#[derive(Debug, Clone)]
pub(crate) enum Call {
    Push(Length),
    PushKind(Wish),
    /// By one of the waiting calls, without time to wait.
    PushInTime(Wish),
    /// In this many parts.
    PushParts(Wish, usize),
    PushSlice(u32, Vec<Length>),
    /// By the waiting call, without time to wait: as many as there is room for, and then the deadline has passed.
    PushAll(u32, Vec<Length>),
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
    Pop,
    /// Pops into a vector that is not empty.
    PopInto,
    /// By one of the waiting calls, without time to wait.
    PopInTime,
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
    /// Pushes one and pops one, this many times.
    PingPong {
        rounds: usize,
        length: Length,
    },
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

fn wish() -> impl Strategy<Value = Wish> {
    let kind = prop_oneof![Just(0), Just(u32::MAX), any::<u32>()];
    (kind, length()).prop_map(|(kind, length)| Wish { kind, length })
}

pub(crate) fn calls() -> BoxedStrategy<Call> {
    let commit = prop_oneof![Just(Commit::All), (0..100usize).prop_map(Commit::First),];
    let release = prop_oneof![
        Just(Release::Nothing),
        Just(Release::All),
        (0..5usize).prop_map(Release::First),
    ];
    let lengths = || (any::<u32>(), vec(length(), 0..5));
    let calls = prop_oneof![
        5 => length().prop_map(Call::Push),
        2 => wish().prop_map(Call::PushKind),
        1 => wish().prop_map(Call::PushInTime),
        1 => (wish(), 0..4usize).prop_map(|(wish, parts)| Call::PushParts(wish, parts)),
        2 => lengths().prop_map(|(kind, lengths)| Call::PushSlice(kind, lengths)),
        1 => lengths().prop_map(|(kind, lengths)| Call::PushAll(kind, lengths)),
        3 => (wish(), option::weighted(0.7, commit))
            .prop_map(|(wish, commit)| Call::Claim { wish, commit }),
        2 => (vec(wish(), 0..5), any::<bool>(), any::<bool>())
            .prop_map(|(wishes, commit, in_time)| Call::Batch { wishes, commit, in_time }),
        7 => Just(Call::Pop),
        2 => Just(Call::PopInto),
        1 => Just(Call::PopInTime),
        2 => Just(Call::PopTooShort),
        3 => any::<bool>().prop_map(|release| Call::Peek { release }),
        3 => (0..5usize, release, any::<bool>())
            .prop_map(|(visit, release, in_time)| Call::PeekMany { visit, release, in_time }),
        2 => option::of(0..5usize).prop_map(Call::Drain),
        1 => (1..12usize, length())
            .prop_map(|(rounds, length)| Call::PingPong { rounds, length }),
    ];
    calls.boxed()
}
