//! Ends of rings for async programs, on any runtime.

mod consumer;
mod producer;

use core::task::{Context, Poll};

pub use self::consumer::{AsyncConsumer, AsyncFrameConsumer};
pub use self::producer::{AsyncFrameProducer, AsyncProducer};
use super::reactor::{IntoAsyncError, Outcome, Registration};
use super::select::Sleeping;
use crate::cursor::{ReadCursor, WriteCursor};
use crate::endpoint::{End, Endpoint};
use crate::error::{ClaimError, NoRoom, PopError};
use crate::ring::Goal;

/// An end that is registered with the reactor.
#[derive(Debug)]
struct AsyncEnd<E> {
    /// Dropped before the end is: nobody watches an end that is gone.
    registration: Registration,
    end: E,
}

/// Why a wait found nothing.
enum NothingFound {
    PeerGone,
    ReactorDied,
}

impl<E: End> AsyncEnd<E>
where
    Endpoint<E::Cursor>: Sleeping,
{
    fn new(end: E) -> Result<Self, IntoAsyncError<E>> {
        match Registration::new(end.endpoint().role()) {
            Ok(registration) => Ok(Self { registration, end }),
            Err(reason) => Err(IntoAsyncError::new(end, reason)),
        }
    }

    /// Repeats `attempt` until it finds something, or the peer is gone and there is
    /// nothing. Meanwhile the end is parked, for `wanted` units: the first half of the
    /// park in one poll, the wait in the reactor, the second half in the next poll.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Poll<Result<R, NothingFound>> {
        let end = self.end.endpoint();
        let is_undisturbed =
            self.registration.is_parked() && !end.role().has_work(end.awaited(wanted));
        if is_undisturbed && self.registration.keep_waiting(cx.waker()) {
            // Something else has woken the task.
            return Poll::Pending;
        }
        let mut outcome = self.unpark();
        loop {
            if let Some(found) = attempt(&mut self.end) {
                return Poll::Ready(Ok(found));
            }
            let end = self.end.endpoint_mut();
            match outcome.take() {
                Some(Outcome::ReactorDied) => return Poll::Ready(Err(NothingFound::ReactorDied)),
                Some(Outcome::Expired | Outcome::Late) if end.role_mut().is_left_alone() => {
                    // What it left behind comes first.
                    let found = attempt(&mut self.end);
                    return Poll::Ready(found.ok_or(NothingFound::PeerGone));
                }
                _ => {}
            }
            let goal = Goal {
                awaited: end.awaited(wanted),
                departed: None,
            };
            match self.registration.park(end, goal, cx.waker()) {
                Ok(true) => return Poll::Pending,
                Ok(false) => {}
                Err(_) => return Poll::Ready(Err(NothingFound::ReactorDied)),
            }
        }
    }

    /// Ends the park, if there is one: before the end does anything else. Returns how the
    /// wait ended, if it had ended.
    fn unpark(&mut self) -> Option<Outcome> {
        self.registration.unpark(self.end.endpoint_mut())
    }

    /// The end, for what does not wait.
    fn end(&mut self) -> &mut E {
        self.unpark();
        &mut self.end
    }

    fn into_end(mut self) -> E {
        self.unpark();
        self.end
    }
}

impl<E: End<Cursor = ReadCursor>> AsyncEnd<E> {
    /// Repeats `attempt` until it finds something or the producer is gone.
    fn poll_message<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&mut E) -> Result<R, PopError>,
    ) -> Poll<Result<R, PopError>> {
        let attempt = |end: &mut E| match attempt(end) {
            Err(PopError::Empty) => None,
            other => Some(other),
        };
        let found = self.poll(cx, 1, attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(PopError::ReactorDied),
            Err(NothingFound::PeerGone) | Ok(Err(PopError::Abandoned)) => {
                Err(self.end.endpoint().abandoned())
            }
            Ok(found) => found,
        })
    }

    /// [`poll_message`](Self::poll_message) as a stream sees it: at its end when the
    /// producer is gone, and when it has reported that the ring is corrupt.
    fn poll_item<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&mut E) -> Result<R, PopError>,
    ) -> Poll<Option<Result<R, PopError>>> {
        let was_corrupt = self.end.endpoint().cursor.corruption().is_some();
        self.poll_message(cx, attempt).map(|found| match found {
            Err(PopError::Abandoned | PopError::Superseded) => None,
            Err(PopError::Corrupt) if was_corrupt => None,
            found => Some(found),
        })
    }
}

impl<E: End<Cursor = WriteCursor>> AsyncEnd<E> {
    /// Repeats `attempt` until there is room for `wanted` units or the consumer is gone.
    fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
        mut attempt: impl FnMut(&mut E) -> Result<(), ClaimError>,
    ) -> Poll<Result<(), ClaimError>> {
        let attempt = |end: &mut E| match attempt(end) {
            Err(ClaimError::Full) => None,
            other => Some(other),
        };
        let found = self.poll(cx, wanted, attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(ClaimError::ReactorDied),
            Err(NothingFound::PeerGone) | Ok(Err(ClaimError::Abandoned)) => {
                Err(self.end.endpoint().abandoned().into())
            }
            Ok(found) => found,
        })
    }

    /// Waits for room for one record.
    fn poll_one(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoRoom>> {
        let attempt = |end: &mut E| match end.endpoint_mut().room(1) {
            Err(NoRoom::Full) => None,
            other => Some(other.map(drop)),
        };
        let found = self.poll(cx, 1, attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(NoRoom::ReactorDied),
            Err(NothingFound::PeerGone) | Ok(Err(NoRoom::Abandoned)) => {
                Err(self.end.endpoint().abandoned())
            }
            Ok(found) => found,
        })
    }
}
