//! The operations on a ring of frames.

use proptest::collection::vec;
use proptest::option;
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

/// One step of a sequence.
#[derive(Debug, Clone)]
pub(crate) enum Step {
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
    Skip(usize),
    SkipToLatest,
    /// Takes everything, then polls a few times without a message: the consumer has caught up.
    CatchUp,
    /// Pushes one and pops one, this many times.
    PingPong {
        rounds: usize,
        length: Length,
    },
    /// Drops an endpoint. A new one attaches when it is needed.
    Leave(Role),
    /// Closes an endpoint, which exists until it is dropped.
    Close(Role),
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

pub(crate) fn setting(capacity: u64) -> impl Strategy<Value = Setting> {
    let named = proptest::bool::weighted(0.05);
    (first_position(), named).prop_map(move |(position, named)| Setting {
        capacity,
        first_position: position & !7,
        named,
    })
}

/// Zero, any position, or a position just before a wrap.
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
    let role = || prop_oneof![Just(Role::Producer), Just(Role::Consumer)];
    let release = prop_oneof![
        Just(Release::Nothing),
        Just(Release::All),
        (0..5usize).prop_map(Release::First),
    ];
    let lengths = || (any::<u32>(), vec(length(), 0..5));
    let step = prop_oneof![
        5 => length().prop_map(Step::Push),
        2 => wish().prop_map(Step::PushKind),
        1 => wish().prop_map(Step::PushInTime),
        1 => (wish(), 0..4usize).prop_map(|(wish, parts)| Step::PushParts(wish, parts)),
        2 => lengths().prop_map(|(kind, lengths)| Step::PushSlice(kind, lengths)),
        1 => lengths().prop_map(|(kind, lengths)| Step::PushAll(kind, lengths)),
        3 => (wish(), option::weighted(0.7, commit))
            .prop_map(|(wish, commit)| Step::Claim { wish, commit }),
        2 => (vec(wish(), 0..5), any::<bool>(), any::<bool>())
            .prop_map(|(wishes, commit, in_time)| Step::Batch { wishes, commit, in_time }),
        7 => Just(Step::Pop),
        2 => Just(Step::PopInto),
        1 => Just(Step::PopInTime),
        2 => Just(Step::PopTooShort),
        3 => any::<bool>().prop_map(|release| Step::Peek { release }),
        3 => (0..5usize, release, any::<bool>())
            .prop_map(|(visit, release, in_time)| Step::PeekMany { visit, release, in_time }),
        2 => option::of(0..5usize).prop_map(Step::Drain),
        1 => prop_oneof![0..4usize, Just(usize::MAX)].prop_map(Step::Skip),
        1 => Just(Step::SkipToLatest),
        2 => Just(Step::CatchUp),
        1 => (1..12usize, length())
            .prop_map(|(rounds, length)| Step::PingPong { rounds, length }),
        1 => role().prop_map(Step::Leave),
        1 => role().prop_map(Step::Close),
    ];
    vec(step, 1..40)
}
