//! Waits for a message, for room, and for a peer.
//!
//! The loops are functions of their own: in a stream most calls find a message or room at once,
//! and would pay for their stack frames.

use super::{End, Endpoint};
use crate::cursor::{Awaited, ReadCursor, WriteCursor};
use crate::deadline::Deadline;
use crate::error::{NoRoom, PeerError, PopError};
use crate::peer::{Goal, last_poll};
use crate::ring::PeerWait;
use crate::wait::{Step, WaitLoop};

impl<C> Endpoint<C> {
    /// Waits until the peer has attached, or until the goal is reached.
    fn wait_until_attached(
        &mut self,
        position: u64,
        deadline: Deadline,
        awaited: Awaited,
    ) -> Result<(), PeerError> {
        match self.role.wait_for_peer(position, deadline, awaited) {
            PeerWait::Present => Ok(()),
            PeerWait::TimedOut => Err(PeerError::TimedOut),
            PeerWait::Superseded => Err(PeerError::Superseded),
        }
    }
}

impl Endpoint<WriteCursor> {
    /// Waits for room, unless it is known.
    #[inline]
    pub(crate) fn wait(&mut self, wanted: u64, deadline: Deadline) -> Result<(), NoRoom> {
        match self.cursor.room(wanted) {
            Some(_) => Ok(()),
            None => self.wait_for_room(wanted, deadline),
        }
    }

    #[inline(never)]
    fn wait_for_room(&mut self, wanted: u64, deadline: Deadline) -> Result<(), NoRoom> {
        let mut steps = WaitLoop::new(self.role.wait_config(), deadline);
        loop {
            match self.room(wanted) {
                Err(NoRoom::Full) => {}
                Err(NoRoom::Abandoned) => return Err(self.abandoned()),
                other => {
                    steps.found(&mut self.role.history);
                    return other.map(drop);
                }
            }
            match steps.step(&mut self.role.history) {
                Step::Retry => {}
                Step::Park(until) => self.park(wanted, until),
                Step::CheckPeer => {
                    let has_left = |end: &mut Self| end.role.is_left_alone();
                    match last_poll(self, has_left, |end| end.poll_leftover(wanted)) {
                        None => {}
                        Some(Err(NoRoom::Abandoned)) => return Err(self.abandoned()),
                        Some(other) => return other.map(drop),
                    }
                }
                Step::TimedOut => return Err(NoRoom::TimedOut),
            }
        }
    }

    fn park(&mut self, wanted: u64, until: u64) {
        let position = self.cursor.position();
        let goal = Goal::of_work(self.awaited(wanted));
        self.role.park(position, until, goal);
    }

    pub(crate) fn wait_for_peer(&mut self, deadline: Deadline) -> Result<(), PeerError> {
        self.wait_until_attached(self.cursor.position(), deadline, Awaited::Nothing)
    }
}

impl Endpoint<ReadCursor> {
    pub(crate) fn wait_for_peer(&mut self, deadline: Deadline) -> Result<(), PeerError> {
        let position = self.cursor.position();
        let unread = Awaited::Message { seen: position };
        self.wait_until_attached(position, deadline, unread)
    }

    fn park(&mut self, until: u64) {
        let position = self.cursor.position();
        let goal = Goal::of_work(self.awaited());
        self.role.park(position, until, goal);
    }
}

/// Repeats `attempt` until it finds something or the deadline has passed. The attempt
/// itself polls the tail, so that it finds the inline copy.
#[inline(never)]
pub(crate) fn wait_for_message<E: End<Cursor = ReadCursor>, R>(
    end: &mut E,
    deadline: Deadline,
    mut attempt: impl FnMut(&mut E) -> Result<R, PopError>,
) -> Result<R, PopError> {
    let mut steps = WaitLoop::new(end.endpoint().role.wait_config(), deadline);
    loop {
        match attempt(end) {
            Err(PopError::Empty) => {}
            Err(PopError::Abandoned) => return Err(end.endpoint().abandoned()),
            other => {
                steps.found(&mut end.endpoint_mut().role.history);
                return other;
            }
        }
        let endpoint = end.endpoint_mut();
        match steps.step(&mut endpoint.role.history) {
            Step::Retry => {}
            Step::Park(until) => endpoint.park(until),
            Step::CheckPeer => {
                let has_left = |end: &mut E| end.endpoint_mut().role.is_left_alone();
                match last_poll(end, has_left, &mut attempt) {
                    None => {}
                    Some(Err(PopError::Empty | PopError::Abandoned)) => {
                        return Err(end.endpoint().abandoned());
                    }
                    Some(other) => return other,
                }
            }
            Step::TimedOut => return Err(PopError::TimedOut),
        }
    }
}
