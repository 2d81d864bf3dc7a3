//! Ends of rings for async programs, on any runtime.

mod consumer;
mod producer;
mod reactor;

use core::fmt;
use core::slice;
use core::task::{Context, Poll};
use std::error;
use std::io;

pub use self::consumer::{AsyncConsumer, AsyncFrameConsumer};
pub use self::producer::{AsyncFrameProducer, AsyncProducer};
use self::reactor::{Bed, Ending, MOST_ENDS, NoBed};
use super::select::Sleeping;
use crate::cursor::{Awaited, ReadCursor, WriteCursor};
use crate::doorbell::wait_any;
use crate::endpoint::{End, Endpoint};
use crate::error::{ClaimError, NoRoom, PopError, debug_as_display};
use crate::parker::{DROWSY, Sleeper};
use crate::sync::AtomicU32;
use crate::wait::{Parkable, System, fall_asleep, wake_up};

/// Why an end cannot be used in async code.
#[non_exhaustive]
pub enum AsyncError {
    /// The end sleeps on a semaphore: only rings with
    /// [`DoorbellKind::Futex`](crate::DoorbellKind::Futex) can be waited for
    /// together.
    NotAFutex,
    /// 127 ends of this process are async already, as many as can be waited for
    /// at once.
    TooManyEnds,
    /// The system cannot wait for many words; Linux can from 5.16 on.
    Unsupported(io::Error),
    /// The thread that waits for all rings could not be started.
    NoThread(io::Error),
}

impl fmt::Display for AsyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFutex => f.write_str(
                "the ring sleeps on a semaphore; create it with DoorbellKind::Futex \
                 to wait for it in async code",
            ),
            Self::TooManyEnds => write!(
                f,
                "this process has {MOST_ENDS} async ends of rings already; drop one, or wait \
                 for the ring in a thread of its own"
            ),
            Self::Unsupported(source) => write!(
                f,
                "this kernel cannot wait for many rings ({source}); Linux 5.16 can; wait for \
                 the ring in a thread of its own"
            ),
            Self::NoThread(source) => {
                write!(f, "could not start the thread quoit-reactor: {source}")
            }
        }
    }
}

debug_as_display!(
    enum AsyncError {
        NotAFutex,
        TooManyEnds,
        Unsupported(source),
        NoThread(source),
    }
);

impl error::Error for AsyncError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unsupported(source) | Self::NoThread(source) => Some(source),
            _ => None,
        }
    }
}

impl From<AsyncError> for io::Error {
    fn from(error: AsyncError) -> Self {
        let kind = match &error {
            AsyncError::NotAFutex => io::ErrorKind::InvalidInput,
            AsyncError::TooManyEnds => io::ErrorKind::QuotaExceeded,
            AsyncError::Unsupported(_) => io::ErrorKind::Unsupported,
            AsyncError::NoThread(source) => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// Why an end cannot be used in async code, with the end.
pub struct IntoAsyncError<E> {
    end: E,
    reason: AsyncError,
}

impl<E> IntoAsyncError<E> {
    /// The end, unchanged, with its role.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_inner(self) -> E {
        self.end
    }

    /// The reason alone.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn reason(&self) -> &AsyncError {
        &self.reason
    }
}

/// Shows the reason, never the end.
impl<E> fmt::Debug for IntoAsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reason, f)
    }
}

impl<E> fmt::Display for IntoAsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<E> error::Error for IntoAsyncError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.reason.source()
    }
}

/// Drops the end, and its role is free.
impl<E> From<IntoAsyncError<E>> for AsyncError {
    fn from(error: IntoAsyncError<E>) -> Self {
        error.reason
    }
}

/// Drops the end, and its role is free.
impl<E> From<IntoAsyncError<E>> for io::Error {
    fn from(error: IntoAsyncError<E>) -> Self {
        error.reason.into()
    }
}

/// An end that is registered with the reactor.
#[derive(Debug)]
struct AsyncEnd<E> {
    /// Left before the end is: nobody looks at an end that is gone.
    bed: Bed,
    end: E,
    /// What the end awaits, if it is parked: its sleep word is `PARKED`, or was until the
    /// peer changed it.
    parked: Option<Awaited>,
}

impl<E: End> AsyncEnd<E>
where
    Endpoint<E::Cursor>: Sleeping,
{
    fn new(mut end: E) -> Result<Self, IntoAsyncError<E>> {
        match Self::register(&mut end) {
            Ok(bed) => Ok(Self {
                bed,
                end,
                parked: None,
            }),
            Err(reason) => Err(IntoAsyncError { end, reason }),
        }
    }

    fn register(end: &mut E) -> Result<Bed, AsyncError> {
        let role = end.endpoint().role();
        if !role.sleeps_on_futex() {
            return Err(AsyncError::NotAFutex);
        }
        // A kernel that has the call sees a word that is not `PARKED`.
        let up = AtomicU32::new(DROWSY);
        wait_any([&up].into_iter(), 0).map_err(AsyncError::Unsupported)?;
        Bed::take(role.watch()).map_err(|error| match error {
            NoBed::AllTaken => AsyncError::TooManyEnds,
            NoBed::NoThread(source) => AsyncError::NoThread(source),
        })
    }

    /// Repeats `attempt` until it finds something; `None` if the peer is gone and there
    /// is nothing. Meanwhile the end is parked, for `wanted` units: the first half of the
    /// park in one poll, the wait in the reactor, the second half in the next poll.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Poll<Option<R>> {
        let end = self.end.endpoint();
        let is_undisturbed = self.parked.is_some() && !end.role().has_work(end.awaited(wanted));
        if is_undisturbed && self.bed.sleep_on(cx.waker()) {
            // Something else has woken the task.
            return Poll::Pending;
        }
        let mut check_peer = self.get_up();
        loop {
            if let Some(found) = attempt(&mut self.end) {
                return Poll::Ready(Some(found));
            }
            let end = self.end.endpoint_mut();
            if core::mem::take(&mut check_peer) && end.role_mut().is_left_alone() {
                // What it left behind comes first.
                return Poll::Ready(attempt(&mut self.end));
            }
            let awaited = end.awaited(wanted);
            let mut parked = Parked { end, awaited };
            if let Some(limit) = fall_asleep(slice::from_mut(&mut parked), &System) {
                self.bed.lie_down(cx.waker(), awaited, limit);
                self.parked = Some(awaited);
                return Poll::Pending;
            }
        }
    }

    /// Ends the park, if there is one: before the end does anything else. Returns whether
    /// it is time to see whether the peer lives.
    fn get_up(&mut self) -> bool {
        let Some(awaited) = self.parked.take() else {
            return false;
        };
        let ending = self.bed.get_up();
        let is_late = ending == Some(Ending::Late);
        let end = self.end.endpoint_mut();
        let mut parked = Parked { end, awaited };
        wake_up(slice::from_mut(&mut parked), is_late);
        is_late || ending == Some(Ending::Expired)
    }

    /// The end, for what does not wait.
    fn end(&mut self) -> &mut E {
        self.get_up();
        &mut self.end
    }

    fn into_end(mut self) -> E {
        self.get_up();
        self.end
    }
}

/// An end that is parked in the reactor.
struct Parked<'a, C> {
    end: &'a mut Endpoint<C>,
    awaited: Awaited,
}

impl<C> Parkable for Parked<'_, C>
where
    Endpoint<C>: Sleeping,
{
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32) {
        self.end.role_mut().sleeper()
    }

    fn position(&self) -> u64 {
        self.end.position()
    }

    fn has_work(&self) -> bool {
        self.end.role().has_work(self.awaited)
    }

    fn drain(&self) {
        self.end.role().drain();
    }

    fn count_sleep(&self, rescued: bool) {
        self.end.role().count_sleep(rescued);
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
            None | Some(Err(PopError::Abandoned)) => Err(self.end.endpoint().abandoned()),
            Some(found) => found,
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
            None | Some(Err(ClaimError::Abandoned)) => Err(self.end.endpoint().abandoned().into()),
            Some(found) => found,
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
            None | Some(Err(NoRoom::Abandoned)) => Err(self.end.endpoint().abandoned()),
            Some(found) => found,
        })
    }
}
