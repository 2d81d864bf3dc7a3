//! Endpoints for async programs, on any runtime.

mod consumer;
mod producer;

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use core::time::Duration;

pub use self::consumer::{AsyncConsumer, AsyncFrameConsumer};
pub use self::producer::{AsyncFrameProducer, AsyncProducer};
use super::reactor::{IntoAsyncError, Outcome, Registration};
use super::select::Sleeping;
use crate::cursor::{Awaited, ReadCursor, WriteCursor};
use crate::deadline::Deadline;
use crate::endpoint::{End, Endpoint};
use crate::error::{ClaimError, NoRoom, PeerError, PopError};
use crate::peer::{Change, Goal};
use crate::ring::Watch;

/// This many polls in a row may be ready at once. The next one lets the other tasks of its thread
/// run.
const BUDGET: u32 = 128;

/// An endpoint that is registered with the reactor.
struct AsyncEnd<E> {
    /// Dropped before the endpoint: the reactor never watches a dropped endpoint.
    registration: Registration,
    watch: Watch,
    /// What the endpoint is parked for, or was parked for last.
    goal: Option<Goal>,
    /// How many polls in a row were ready at once.
    at_once: u32,
    /// The peer's epoch when the stream ended.
    ended: Option<u64>,
    end: E,
}

impl<E: fmt::Debug> fmt::Debug for AsyncEnd<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt(f)
    }
}

/// What a future waits for.
#[derive(Clone, Copy)]
enum Until {
    /// A message or this many units of room, or that the peer closes or crashes.
    Work(u64),
    /// Another peer than the one with this epoch, or a message or room.
    Attached { awaited: Awaited, epoch: u64 },
    /// Only that the peer closes or crashes.
    Departed,
}

/// Why a wait found nothing.
enum NothingFound {
    Abandoned,
    ReactorDied,
}

impl<E: End> AsyncEnd<E>
where
    Endpoint<E::Cursor>: Sleeping,
{
    fn new(end: E) -> Result<Self, IntoAsyncError<E>> {
        let role = end.endpoint().role();
        match Registration::new(role) {
            Ok(registration) => Ok(Self {
                registration,
                watch: role.watch(),
                goal: None,
                at_once: 0,
                ended: None,
                end,
            }),
            Err(reason) => Err(IntoAsyncError::new(end, reason)),
        }
    }

    /// Repeats `attempt` until it succeeds, or nothing more can arrive. In between the endpoint is
    /// parked: the first half of the park in one poll, the wait in the reactor, the second half in
    /// the next poll.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        until: Until,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Poll<Result<R, NothingFound>> {
        ready!(self.poll_budget(cx));
        // A goal does not distinguish a restarted peer from one that stayed: the attempt does, and
        // may be repeated, since it only reads the peer's state.
        let is_by_state = matches!(until, Until::Departed);
        let is_undisturbed =
            self.is_undisturbed(until) && !(is_by_state && attempt(&mut self.end).is_some());
        if is_undisturbed && self.registration.keep_waiting(cx.waker()) {
            // Something else has woken the task.
            return Poll::Pending;
        }
        let mut outcome = self.unpark();
        let found = loop {
            if let Some(found) = attempt(&mut self.end) {
                break Ok(found);
            }
            match outcome.take() {
                Some(Outcome::ReactorDied) => break Err(NothingFound::ReactorDied),
                Some(Outcome::Expired | Outcome::Late) if self.is_hopeless(until) => {
                    // First deliver what the peer published before.
                    break attempt(&mut self.end).ok_or(NothingFound::Abandoned);
                }
                _ => {}
            }
            let goal = self.goal_of(until);
            let end = self.end.endpoint_mut();
            match self.registration.park(end, goal, cx.waker()) {
                Ok(true) => self.goal = Some(goal),
                Ok(false) => continue,
                Err(_) => break Err(NothingFound::ReactorDied),
            }
            // The second poll for a restarted peer, which wakes in any case, after its epoch.
            if is_by_state {
                if let Some(found) = attempt(&mut self.end) {
                    self.unpark();
                    break Ok(found);
                }
            }
            self.at_once = 0;
            return Poll::Pending;
        };
        self.at_once += 1;
        Poll::Ready(found)
    }

    /// Pending, once, when the budget is spent; the task runs again after others.
    fn poll_budget(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at_once < BUDGET {
            return Poll::Ready(());
        }
        self.at_once = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready, and counted, unless the budget is spent.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_budget(cx));
        self.at_once += 1;
        Poll::Ready(())
    }

    /// What ends the wait, for the park and the reactor.
    fn goal_of(&self, until: Until) -> Goal {
        match until {
            Until::Work(wanted) => Goal::of_work(self.end.endpoint().awaited(wanted)),
            Until::Attached { awaited, epoch } => Goal {
                awaited,
                change: Change::Attachment(epoch),
            },
            Until::Departed => Goal::of_work(Awaited::Nothing),
        }
    }

    /// Whether the endpoint is parked for this, and it is not there.
    fn is_undisturbed(&self, until: Until) -> bool {
        self.registration.is_parked() && {
            let goal = self.goal_of(until);
            self.goal == Some(goal) && !self.watch.is_reached(goal)
        }
    }

    /// Whether a wait that a liveness check has ended cannot succeed. Makes syscalls.
    fn is_hopeless(&mut self, until: Until) -> bool {
        let role = self.end.endpoint_mut().role_mut();
        match until {
            Until::Attached { .. } => role.is_superseded(),
            Until::Work(_) | Until::Departed => role.is_left_alone(),
        }
    }

    /// What the first poll of a wait has left. A child of `fork` polls first again: its copy has no
    /// peer to wait for.
    fn first_poll(&self, since: Option<u64>) -> Option<u64> {
        since.filter(|_| !self.registration.is_inherited())
    }

    /// Waits for a peer that attaches after the first poll, or for a message or room; `since`
    /// belongs to that wait. `wait` says at the first poll whether a peer is there.
    fn poll_attached(
        &mut self,
        cx: &mut Context<'_>,
        since: &mut Option<u64>,
        awaited: Awaited,
        wait: fn(&mut Endpoint<E::Cursor>, Deadline) -> Result<(), PeerError>,
    ) -> Poll<Result<(), PeerError>> {
        let epoch = if let Some(epoch) = self.first_poll(*since) {
            epoch
        } else {
            ready!(self.poll_budget(cx));
            let end = self.end().endpoint_mut();
            let epoch = end.role().peer_epoch();
            let found = wait(end, Duration::ZERO.into());
            if found != Err(PeerError::TimedOut) {
                self.at_once += 1;
                return Poll::Ready(found);
            }
            *since.insert(epoch)
        };
        let until = Until::Attached { awaited, epoch };
        let (goal, watch) = (self.goal_of(until), self.watch.clone());
        let is_there = |_: &mut E| watch.is_reached(goal).then_some(());
        self.poll(cx, until, is_there)
            .map_err(|reason| match reason {
                NothingFound::Abandoned => PeerError::Superseded,
                NothingFound::ReactorDied => PeerError::ReactorDied,
            })
    }

    /// Waits until the peer of the first poll has closed or crashed; `since` belongs to that wait.
    fn poll_closed(
        &mut self,
        cx: &mut Context<'_>,
        since: &mut Option<u64>,
    ) -> Poll<Result<(), PeerError>> {
        let epoch = if let Some(epoch) = self.first_poll(*since) {
            epoch
        } else {
            ready!(self.poll_budget(cx));
            let role = self.end().endpoint_mut().role_mut();
            let epoch = role.peer_epoch();
            if role.is_left_alone() {
                self.at_once += 1;
                return Poll::Ready(self.departed());
            }
            *since.insert(epoch)
        };
        let has_left = |end: &mut E| {
            let role = end.endpoint().role();
            // Or the peer has restarted.
            let closed_or_crashed = role.peer_closed() || role.peer_epoch() > epoch.max(1);
            closed_or_crashed.then_some(())
        };
        let found = self.poll(cx, Until::Departed, has_left);
        found.map(|found| match found {
            Ok(()) => Ok(()),
            Err(NothingFound::Abandoned) => self.departed(),
            Err(NothingFound::ReactorDied) => Err(PeerError::ReactorDied),
        })
    }

    async fn closed(&mut self) -> Result<(), PeerError> {
        let mut since = None;
        poll_fn(|cx| self.poll_closed(cx, &mut since)).await
    }

    /// The result of a wait for the peer to leave: a peer that can never attach never leaves.
    fn departed(&self) -> Result<(), PeerError> {
        if self.end.endpoint().role().peer_epoch() == 0 {
            return Err(PeerError::Superseded);
        }
        Ok(())
    }

    /// Ends the park, if there is one: before the endpoint does anything else. Returns how the
    /// wait ended, if it had ended.
    fn unpark(&mut self) -> Option<Outcome> {
        self.registration.unpark(self.end.endpoint_mut())
    }

    /// The endpoint, for calls that do not wait.
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
    /// Repeats `attempt` until it succeeds or the producer has closed or crashed.
    fn poll_message<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&mut E) -> Result<R, PopError>,
    ) -> Poll<Result<R, PopError>> {
        let attempt = |end: &mut E| match attempt(end) {
            Err(PopError::Empty) => None,
            other => Some(other),
        };
        let found = self.poll(cx, Until::Work(1), attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(PopError::ReactorDied),
            Err(NothingFound::Abandoned) | Ok(Err(PopError::Abandoned)) => {
                Err(self.end.endpoint().abandoned())
            }
            Ok(found) => found,
        })
    }

    /// [`poll_message`](Self::poll_message) for a stream, which ends when the producer has closed
    /// or crashed, and after it has reported that the ring is corrupt.
    fn poll_item<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(&mut E) -> Result<R, PopError>,
    ) -> Poll<Option<Result<R, PopError>>> {
        let end = self.end.endpoint();
        let was_corrupt = end.cursor.corruption().is_some();
        // Before the poll: a restarted producer may attach during it.
        let epoch = end.role.peer_epoch();
        let item = ready!(self.poll_message(cx, attempt));
        let has_ended = match item {
            Err(PopError::Abandoned | PopError::Superseded) => true,
            Err(PopError::Corrupt) => was_corrupt,
            _ => false,
        };
        self.ended = has_ended.then_some(epoch);
        Poll::Ready((!has_ended).then_some(item))
    }

    /// Whether the stream has ended, and no producer has attached since.
    fn has_ended(&self) -> bool {
        let end = self.end.endpoint();
        let is_over = |epoch| end.cursor.corruption().is_some() || end.role.peer_epoch() == epoch;
        self.ended.is_some_and(is_over)
    }

    async fn wait_for_producer(&mut self) -> Result<(), PeerError> {
        let mut since = None;
        let seen = self.end.endpoint().cursor.position();
        let unread = Awaited::Message { seen };
        let wait = Endpoint::<ReadCursor>::wait_for_peer;
        poll_fn(|cx| self.poll_attached(cx, &mut since, unread, wait)).await
    }
}

impl<E: End<Cursor = WriteCursor>> AsyncEnd<E> {
    /// Repeats `attempt` until there is room for `wanted` units or the consumer has closed or
    /// crashed.
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
        let found = self.poll(cx, Until::Work(wanted), attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(ClaimError::ReactorDied),
            Err(NothingFound::Abandoned) | Ok(Err(ClaimError::Abandoned)) => {
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
        let found = self.poll(cx, Until::Work(1), attempt);
        found.map(|found| match found {
            Err(NothingFound::ReactorDied) => Err(NoRoom::ReactorDied),
            Err(NothingFound::Abandoned) | Ok(Err(NoRoom::Abandoned)) => {
                Err(self.end.endpoint().abandoned())
            }
            Ok(found) => found,
        })
    }

    async fn wait_for_consumer(&mut self) -> Result<(), PeerError> {
        let mut since = None;
        let wait = Endpoint::<WriteCursor>::wait_for_peer;
        poll_fn(|cx| self.poll_attached(cx, &mut since, Awaited::Nothing, wait)).await
    }
}
