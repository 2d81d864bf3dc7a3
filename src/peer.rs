//! The peer: whether it is attached, and what ends a wait for it.
//!
//! Each endpoint has a *state word* in the segment, which only the endpoint itself stores: its
//! epoch, and whether it has closed. The epoch counts how often the role was taken. A
//! crash changes no word: the kernel frees the lock of the role.
//!
//! # Nothing is lost when a peer closes or crashes
//!
//! ```text
//! closing endpoint                    waiting endpoint
//! position = last                     position: nothing
//! state = closed          (CLOSE)     state is closed, or the lock is free (LEFT)
//!                                     position again: nothing is left
//! ```
//!
//! An endpoint that sees the state sees the positions before it. So an endpoint that finds no peer
//! polls again before it reports that: [`last_poll`].
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it unchanged.

use super::cursor::Awaited;
use super::sync::{AtomicU64, CLOSE, LEFT};

/// In the state word: the endpoint has closed.
const CLOSED: u64 = 1;

/// The value of a state word: `epoch << 1 | closed`.
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

    /// Whether the last holder of the role closed its endpoint.
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an endpoint had attached and has closed or crashed. `is_held` asks the kernel
    /// whether a process holds the role.
    pub(crate) fn closed_or_crashed(self, is_held: impl FnOnce() -> bool) -> bool {
        // death -> left: the kernel frees the lock after the last store.
        self.is_closed() || self.epoch() > 0 && !is_held()
    }
}

/// Opens the next epoch of the caller's role. Its other fields are stored before.
pub(crate) fn attach(word: &AtomicU64) {
    let epoch = State(word.load_own()).epoch() + 1;
    // close -> left: a process that sees the epoch sees its fields.
    word.store(epoch << 1, CLOSE);
}

/// Closes the caller's endpoint. The wake of the peer is next.
pub(crate) fn close(word: &AtomicU64) {
    // close -> left: everything published is visible before the state.
    word.store(word.load_own() | CLOSED, CLOSE);
}

/// Whether the caller's endpoint is closed.
pub(crate) fn has_closed(word: &AtomicU64) -> bool {
    State(word.load_own()).is_closed()
}

/// The last poll of an endpoint whose peer `has_left`: it finds the peer's last messages. `None`
/// while the peer is attached.
#[inline(always)]
pub(crate) fn last_poll<E, R>(
    end: &mut E,
    has_left: impl FnOnce(&mut E) -> bool,
    poll: impl FnOnce(&mut E) -> R,
) -> Option<R> {
    // close -> left, death -> left: first the state, then the position again.
    has_left(end).then(|| poll(end))
}

/// What ends the wait of an endpoint. A value, like [`Awaited`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) awaited: Awaited,
    pub(crate) change: Change,
}

/// The change of the peer that ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The peer closes or crashes.
    Departure,
    /// Another peer attaches than the one with this epoch, which is known to have closed or
    /// crashed.
    Successor(u64),
    /// The same. A liveness check that finds that none can attach ends the wait as well.
    Attachment(u64),
}

impl Goal {
    /// A message or room, or that the peer closes or crashes.
    pub(crate) fn of_work(awaited: Awaited) -> Self {
        let change = Change::Departure;
        Self { awaited, change }
    }

    /// Another peer than the one with this state, or a message or room; `None` if that peer is
    /// attached. `is_held` asks the kernel whether a process holds the peer's role: after the state
    /// was polled, since its answer may be older than a restarted peer's epoch.
    pub(crate) fn attachment(
        peer: State,
        awaited: Awaited,
        is_held: impl FnOnce() -> bool,
    ) -> Option<Self> {
        let epoch = peer.epoch();
        if epoch > 0 && !peer.closed_or_crashed(is_held) {
            return None;
        }
        let change = Change::Attachment(epoch);
        Some(Self { awaited, change })
    }

    /// Whether the peer has done what ends the wait, and so must wake the endpoint. Takes
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
}
