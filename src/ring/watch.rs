//! An end, seen from a thread that sleeps for it.

use std::sync::Arc;

use super::Shared;
use super::liveness::is_left_alone;
use crate::error::Role;
use crate::header::{peer_closed, word};
use crate::sync::{AtomicU32, FREE, READY};

/// An end's sleep word, and what tells whether it sleeps in vain. Keeps the
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

    /// Where the peer is: what the end waits for is a change of it.
    pub(crate) fn peer_position(&self) -> u64 {
        let header = self.shared.header();
        match self.role {
            // reclaim -> free
            Role::Producer => header.consumer.head.load(FREE),
            // publish -> ready
            Role::Consumer => header.producer.tail.load(READY),
        }
    }

    /// Whether the peer has moved on from this position, or closed its end: it
    /// owes the end a wake.
    pub(crate) fn stirred(&self, seen: u64) -> bool {
        self.peer_position() != seen || peer_closed(self.shared.header(), self.role)
    }

    /// Nanoseconds between two checks whether the peer lives.
    pub(crate) fn peer_check(&self) -> u64 {
        self.shared.config.wait.peer_check
    }

    /// Whether the peer is gone, or can no longer arrive. Makes syscalls.
    pub(crate) fn is_left_alone(&self) -> bool {
        is_left_alone(&self.shared, self.role)
    }
}
