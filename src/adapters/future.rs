//! Ends of rings for async programs, on any runtime.

mod consumer;
mod producer;
mod reactor;

use core::fmt;
use core::task::{Context, Poll};
use std::error;
use std::io;

pub use self::consumer::AsyncConsumer;
pub use self::producer::AsyncProducer;
use self::reactor::{Bed, Ending, MOST_ENDS, NoBed};
use super::select::Sleeping;
use crate::doorbell::{self, wait_any};
use crate::parker::DROWSY;
use crate::sync::AtomicU32;

/// Why an end cannot be used in async code.
#[derive(Debug)]
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

/// An end that sleeps in the reactor's house.
#[derive(Debug)]
struct Guest<E> {
    /// Left before the end is: nobody looks at an end that is gone.
    bed: Bed,
    end: E,
    /// The sleep word is `PARKED`, or was until the peer changed it.
    lies: bool,
}

impl<E: Sleeping> Guest<E> {
    fn new(mut end: E) -> Result<Self, AsyncError> {
        let role = end.role();
        if !role.sleeps_on_futex() {
            return Err(AsyncError::NotAFutex);
        }
        // A kernel that has the call sees a word that is not `PARKED`.
        let up = AtomicU32::new(DROWSY);
        wait_any([&up].into_iter(), 0).map_err(AsyncError::Unsupported)?;
        let bed = Bed::take(role.watch()).map_err(|error| match error {
            NoBed::AllTaken => AsyncError::TooManyEnds,
            NoBed::NoThread(source) => AsyncError::NoThread(source),
        })?;
        Ok(Self {
            bed,
            end,
            lies: false,
        })
    }

    /// Repeats `attempt` until it finds something; `None` if the peer is gone
    /// and there is nothing. Meanwhile the end sleeps, for `wanted` units.
    ///
    /// The steps are those of [`Sleeper::park`](crate::parker::Sleeper::park):
    /// the first half in one poll, the wait in the reactor, and the last step in
    /// the next poll.
    fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        wanted: u64,
        mut attempt: impl FnMut(&mut E) -> Option<R>,
    ) -> Poll<Option<R>> {
        let undisturbed = self.lies && !self.end.stirred(wanted);
        if undisturbed && self.bed.sleep_on(cx.waker()) {
            // Something else has woken the task.
            return Poll::Pending;
        }
        let mut look = self.get_up();
        loop {
            if let Some(found) = attempt(&mut self.end) {
                return Poll::Ready(Some(found));
            }
            if core::mem::take(&mut look) && self.end.role().is_left_alone() {
                // What it left behind comes first.
                return Poll::Ready(attempt(&mut self.end));
            }
            if self.lie_down(cx, wanted) {
                return Poll::Pending;
            }
        }
    }

    /// Goes to sleep; `false` if there is something to do after all.
    fn lie_down(&mut self, cx: &Context<'_>, wanted: u64) -> bool {
        let position = self.end.position();
        let role = self.end.role();
        let mut protected = true;
        if role.drowse(position) {
            protected = doorbell::barrier();
            role.shielded(protected);
        }
        role.lie_down();
        if self.end.stirred(wanted) {
            self.end.role().get_up(false, false);
            return false;
        }
        self.bed.lie_down(cx.waker(), protected);
        self.lies = true;
        true
    }

    /// Ends the sleep, if there is one: before the end does anything else.
    /// Returns whether it is time to see whether the peer lives.
    fn get_up(&mut self) -> bool {
        if !core::mem::take(&mut self.lies) {
            return false;
        }
        let ending = self.bed.get_up();
        let late = ending == Some(Ending::Late);
        self.end.role().get_up(true, late);
        late || ending == Some(Ending::Expired)
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
