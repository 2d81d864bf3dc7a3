//! The peer: whether it is there, and what ends a wait for it.
//!
//! Each endpoint has a *state word* in the segment, which only the end itself stores: its
//! epoch, and whether it has closed. The epoch counts how often the role was taken. A
//! crash changes no word: the kernel frees the lock of the role.
//!
//! # Nothing is lost behind a departure
//!
//! ```text
//! leaving end                         waiting end
//! position = last                     position: nothing
//! state = closed          (CLOSE)     state is closed, or nobody has the lock (LEFT)
//!                                     position once more: nothing is left
//! ```
//!
//! Who sees the state sees the positions before it. So an endpoint that finds its peer gone
//! polls once more before it says so: [`last_poll`].
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it as it stands.

use super::cursor::Awaited;
use super::sync::{AtomicU64, CLOSE, LEFT};

/// In the state word: the end has closed.
const CLOSED: u64 = 1;

/// What a state word says: `epoch << 1 | closed`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State(u64);

impl State {
    /// Polls the state of the peer.
    #[inline]
    pub(crate) fn poll(word: &AtomicU64) -> Self {
        // close -> left: what the peer did before this state is visible after it.
        Self(word.load(LEFT))
    }

    /// How often the role was taken.
    pub(crate) fn epoch(self) -> u64 {
        self.0 >> 1
    }

    /// Whether the last holder of the role closed its end.
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an endpoint had attached and is gone, closed or crashed. `is_held` asks the
    /// kernel whether a process holds the role.
    pub(crate) fn is_gone(self, is_held: impl FnOnce() -> bool) -> bool {
        // death -> left: the kernel frees the lock after the last store.
        self.is_closed() || self.epoch() > 0 && !is_held()
    }
}

/// Opens the next epoch of one's own role. All else that the end says of itself is
/// stored before.
pub(crate) fn attach(word: &AtomicU64) {
    let epoch = State(word.load_own()).epoch() + 1;
    // close -> left: who sees the epoch sees whose it is.
    word.store(epoch << 1, CLOSE);
}

/// Closes one's own endpoint. The wake of the peer comes next.
pub(crate) fn close(word: &AtomicU64) {
    // close -> left: everything published is visible before the state.
    word.store(word.load_own() | CLOSED, CLOSE);
}

/// Whether one's own endpoint is closed.
pub(crate) fn has_closed(word: &AtomicU64) -> bool {
    State(word.load_own()).is_closed()
}

/// The last poll of an endpoint whose peer `has_left`: it finds what that one left behind.
/// `None` while the peer is there.
#[inline(always)]
pub(crate) fn last_poll<E, R>(
    end: &mut E,
    has_left: impl FnOnce(&mut E) -> bool,
    poll: impl FnOnce(&mut E) -> R,
) -> Option<R> {
    // close -> left, death -> left: first the departure, then the position once more.
    has_left(end).then(|| poll(end))
}

/// What ends the wait of an endpoint. A value, as [`Awaited`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) awaited: Awaited,
    pub(crate) change: Change,
}

/// The change of the peer that ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The peer leaves.
    Departure,
    /// Another peer attaches than the one with this epoch, which is known to be gone.
    Successor(u64),
    /// The same. A liveness check that finds no peer ends the wait as well, so that the
    /// end can see whether one will attach.
    Attachment(u64),
}

impl Goal {
    /// What is awaited, or the peer's departure.
    pub(crate) fn of_work(awaited: Awaited) -> Self {
        let change = Change::Departure;
        Self { awaited, change }
    }

    /// Another peer than the one with this state, or what is awaited; `None` if that peer is
    /// there. `is_held` asks the kernel whether a process holds the peer's role: after the
    /// state was polled, since its answer may be older than a successor's epoch.
    pub(crate) fn attachment(
        peer: State,
        awaited: Awaited,
        is_held: impl FnOnce() -> bool,
    ) -> Option<Self> {
        let epoch = peer.epoch();
        if epoch > 0 && !peer.is_gone(is_held) {
            return None;
        }
        let change = Change::Attachment(epoch);
        Some(Self { awaited, change })
    }

    /// Whether the peer has done what ends the wait, and so owes the end a wake. Takes
    /// the peer's position and state.
    pub(crate) fn is_reached(self, position: &AtomicU64, state: &AtomicU64) -> bool {
        self.awaited.is_there(position)
            || match self.change {
                Change::Departure => State::poll(state).is_closed(),
                Change::Successor(epoch) | Change::Attachment(epoch) => {
                    State::poll(state).epoch() != epoch
                }
            }
    }

    /// Whether a liveness check that finds no peer ends the wait.
    pub(crate) fn peer_may_leave(self) -> bool {
        !matches!(self.change, Change::Successor(_))
    }
}
