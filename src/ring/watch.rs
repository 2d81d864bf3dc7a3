//! An end, seen from a thread that waits for it.

use std::sync::Arc;

use super::Shared;
use crate::cursor::Awaited;
use crate::error::Role;
use crate::header::{peer_closed, peer_epoch, peer_position, word};
use crate::sync::AtomicU32;
use crate::wait::is_left_alone;

/// What ends an end's wait: a value, as [`Awaited`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) awaited: Awaited,
    /// The epoch of a peer that is known to be gone: its departure ends no wait, and a
    /// successor does. `None` if a departure ends the wait.
    pub(crate) departed: Option<u64>,
}

/// Set in `departed` if a liveness check that finds no peer ends the wait as well. An
/// epoch never has this bit: the state word has room for 63.
const CHECKED: u64 = 1 << 63;

impl Goal {
    /// Another peer than the one with this epoch, or what is awaited. Each liveness check
    /// that finds no peer ends the wait, so that the end can see whether one will come.
    #[cfg(feature = "futures")]
    pub(crate) fn attached(awaited: Awaited, epoch: u64) -> Self {
        Self {
            awaited,
            departed: Some(epoch | CHECKED),
        }
    }

    /// Whether a liveness check that finds no peer ends the wait.
    pub(crate) fn peer_may_leave(self) -> bool {
        self.departed.is_none_or(|epoch| epoch & CHECKED != 0)
    }
}

/// An end's sleep word, and what tells whether it waits in vain. Keeps the
/// ring mapped, and leaves the role alone.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    shared: Arc<Shared>,
    role: Role,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, role: Role) -> Self {
        Self { shared, role }
    }

    /// The end's sleep word.
    pub(crate) fn word(&self) -> &AtomicU32 {
        word(self.shared.header(), self.role)
    }

    /// Whether the peer has done what ends the wait, and so owes the end a wake.
    pub(crate) fn is_reached(&self, goal: Goal) -> bool {
        let header = self.shared.header();
        goal.awaited.is_there(peer_position(header, self.role))
            || match goal.departed {
                None => peer_closed(header, self.role),
                Some(epoch) => peer_epoch(header, self.role) != epoch & !CHECKED,
            }
    }

    /// Nanoseconds between two checks whether the peer lives.
    pub(crate) fn peer_check(&self) -> u64 {
        self.shared.config.wait.peer_check
    }

    /// Whether the peer is gone, or can no longer arrive. Makes syscalls.
    pub(crate) fn is_left_alone(&self) -> bool {
        is_left_alone(&self.shared.segment, self.role)
    }
}
