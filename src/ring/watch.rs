//! An endpoint, seen from a thread that waits for it.

use std::sync::Arc;

use super::Shared;
use crate::error::Role;
use crate::header::{peer_position, peer_state, word};
use crate::peer::{Change, Goal, State};
use crate::sync::AtomicU32;
use crate::wait::{is_left_alone, is_superseded};

/// An endpoint's sleep word, and the state that decides whether it still has to wait. Keeps the
/// ring mapped, and does not hold the role.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    role: Role,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, role: Role) -> Self {
        Self { shared, role }
    }

    /// The endpoint's sleep word.
    pub(crate) fn word(&self) -> &AtomicU32 {
        word(self.shared.header(), self.role)
    }

    /// Whether the peer has done what ends the wait, and so must wake the endpoint.
    pub(crate) fn is_reached(&self, goal: Goal) -> bool {
        let header = self.shared.header();
        goal.is_reached(
            peer_position(header, self.role),
            peer_state(header, self.role),
        )
    }

    /// Nanoseconds between two checks whether the peer is alive.
    pub(crate) fn peer_check(&self) -> u64 {
        self.shared.config.wait.peer_check
    }

    /// The liveness check: whether a wait for that change cannot succeed, or succeeds by a crash.
    /// Makes syscalls.
    pub(crate) fn is_over(&self, change: Change) -> bool {
        let segment = &self.shared.segment;
        match change {
            Change::Departure => {
                let peer = State::poll(peer_state(self.shared.header(), self.role));
                is_left_alone(segment, self.role, peer)
            }
            Change::Attachment(_) => is_superseded(segment),
            Change::Successor(_) => false,
        }
    }
}
