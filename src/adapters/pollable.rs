//! Endpoints for event loops: a descriptor that is readable while there is work.

use core::fmt;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::reactor::{AsyncError, IntoAsyncError, Outcome, Registration};
use super::select::Sleeping;
use crate::consumer::Consumer;
use crate::endpoint::{End, Endpoint};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::peer::{Change, Goal};
use crate::producer::Producer;
use crate::ring::Record;
use crate::segment::off_standard;

/// An endpoint with a descriptor for an event loop: `epoll`, mio, tokio's `AsyncFd`,
/// glib, asyncio.
///
/// Made by `into_pollable` of each endpoint. Ask the loop whether [`as_fd`](AsFd::as_fd) is
/// *readable*, and then use the endpoint through [`get`](Self::get). The peer may be a plain
/// endpoint, and you need no thread: one thread of the process, `quoit-reactor`, waits for all such
/// endpoints ([`docs::process`](crate::docs::process)). A process can have 127 async and pollable
/// endpoints at a time.
///
/// # When the descriptor is readable
///
/// - **While there is work**: a message for a consumer; room for one record, or for a frame of the
///   given length, for a producer. This is checked when the guard of `get` is dropped, and
///   afterwards whenever the peer publishes or releases.
/// - **After the peer has closed or crashed, until you have seen it**: until a `get` that finds no
///   work. There a `try_` call returns `Abandoned`, or after a crash `Empty` or `Full`, and
///   [`is_abandoned`](Consumer::is_abandoned) is true. A `get` that takes the last message is
///   followed by one more. Then the descriptor is not readable. It becomes readable again for new
///   work, or when another peer attaches, closes or crashes. A crash is noticed at the next
///   liveness check ([`RingOptions::peer_check`](crate::RingOptions::peer_check)).
/// - **Sometimes once without work**: after another peer has attached, or after a wake
///   that was in flight. As with any descriptor, use calls that do not wait, and expect
///   `Empty` or `Full`.
/// - **While the endpoint cannot be waited for**; [`failure`](Self::failure) says why.
///
/// A poisoned endpoint has work, an error to report, until you drop it. An endpoint that you closed
/// yourself waits for nothing: its descriptor is readable only if a `get` has left something to read.
///
/// The descriptor is an eventfd, and therefore always writable: ask for `EPOLLIN` alone.
/// Level-triggered loops need not drain the ring. Edge-triggered ones need not either: a guard that
/// leaves work behind makes another edge. Remove the descriptor from the loop before you drop the
/// pollable endpoint. If you forget a guard (`mem::forget`), the descriptor does not change until
/// the next `get`.
///
/// # Forking
///
/// A child of `fork` shares the eventfd with its parent, and must not wait for it. There `get`
/// neither blocks nor touches the descriptor, [`failure`](Self::failure) is [`AsyncError::Forked`],
/// and the endpoint is like every inherited one: a private copy whose peer has closed.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsRawFd;
///
/// let (mut producer, consumer) = quoit::RingOptions::new(8).heap::<u64>()?;
/// let mut consumer = consumer.into_pollable()?;
/// let mut poll = libc::pollfd {
///     fd: consumer.as_raw_fd(),
///     events: libc::POLLIN,
///     revents: 0,
/// };
/// // SAFETY: the entry outlives the call.
/// assert_eq!(unsafe { libc::poll(&mut poll, 1, 0) }, 0); // nothing to do
/// producer.try_push(7)?;
/// // SAFETY: as above.
/// assert_eq!(unsafe { libc::poll(&mut poll, 1, 1000) }, 1);
/// assert_eq!(consumer.get().try_pop()?, 7);
/// // SAFETY: as above.
/// assert_eq!(unsafe { libc::poll(&mut poll, 1, 0) }, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a dropped endpoint frees its role"]
pub struct Pollable<E> {
    /// Dropped before the endpoint: the reactor never watches a dropped endpoint.
    registration: Registration,
    end: E,
    /// The endpoint, as the reactor sees it.
    as_sleeping: fn(&mut E) -> &mut dyn Sleeping,
    /// Room for this: units, or a frame of this length; ignored by consumers.
    amount: u64,
    /// The units that it takes at the endpoint's position.
    units_of: fn(&E, u64) -> u64,
    event: Arc<Event>,
    /// Sets the event.
    waker: Waker,
    /// The identity of the endpoint whose peer was seen to have closed or crashed, and the epoch of
    /// that peer.
    departed: Option<(u64, u64)>,
    /// The same of a peer that a wait has found to have closed or crashed, until the next `disarm`.
    found: Option<(u64, u64)>,
    /// The address of its sleep word when it was armed last: a guard can put another endpoint in.
    word: usize,
    /// Whether it sleeps on a futex, as every endpoint that `into_pollable` takes.
    is_futex: bool,
    /// The last wait ended with the reactor, or could not begin.
    has_failed: bool,
}

/// A [`Pollable`] endpoint, in use. The descriptor is up to date again when this is dropped.
#[must_use = "a dropped guard only checks whether there is work"]
pub struct Ready<'a, E> {
    pollable: &'a mut Pollable<E>,
}

impl<T: Record> Consumer<T> {
    /// This endpoint for an event loop: [`Pollable`]. Its descriptor is readable while there is a
    /// record.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why the endpoint cannot be waited for, and returns it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_pollable(self) -> Result<Pollable<Self>, IntoAsyncError<Self>> {
        pollable(self, 1, units)
    }
}

impl FrameConsumer {
    /// This endpoint for an event loop: [`Pollable`]. Its descriptor is readable while there is a
    /// frame.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why the endpoint cannot be waited for, and returns it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_pollable(self) -> Result<Pollable<Self>, IntoAsyncError<Self>> {
        pollable(self, 1, units)
    }
}

impl<T: Record> Producer<T> {
    /// This endpoint for an event loop: [`Pollable`]. Its descriptor is readable while there is
    /// room for a record: watch it only while you have one to push.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why the endpoint cannot be waited for, and returns it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_pollable(self) -> Result<Pollable<Self>, IntoAsyncError<Self>> {
        pollable(self, 1, units)
    }
}

impl FrameProducer {
    /// This endpoint for an event loop: [`Pollable`]. Its descriptor is readable while there is
    /// room for a frame of `len` bytes: watch it only while you have one to push. If `len`
    /// is too long, it is always readable: the push says why.
    ///
    /// # Errors
    ///
    /// [`IntoAsyncError`] says why the endpoint cannot be waited for, and returns it.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and allocates; may start a thread.
    #[expect(clippy::result_large_err, reason = "it gives the end back")]
    pub fn into_pollable(self, len: usize) -> Result<Pollable<Self>, IntoAsyncError<Self>> {
        pollable(self, len as u64, |end, len| end.bytes_needed(len as usize))
    }
}

/// An amount that is given in units.
pub(super) fn units<E>(_end: &E, amount: u64) -> u64 {
    amount
}

pub(super) fn pollable<E: End>(
    end: E,
    amount: u64,
    units_of: fn(&E, u64) -> u64,
) -> Result<Pollable<E>, IntoAsyncError<E>>
where
    Endpoint<E::Cursor>: Sleeping,
{
    let event = match Event::new() {
        Ok(event) => Arc::new(event),
        Err(source) => {
            return Err(IntoAsyncError::new(end, AsyncError::NoDescriptor(source)));
        }
    };
    let registration = match Registration::new(end.endpoint().role()) {
        Ok(registration) => registration,
        Err(reason) => return Err(IntoAsyncError::new(end, reason)),
    };
    let mut pollable = Pollable {
        registration,
        end,
        as_sleeping: |end| end.endpoint_mut(),
        amount,
        units_of,
        waker: Waker::from(Arc::clone(&event)),
        event,
        departed: None,
        found: None,
        word: 0,
        is_futex: true,
        has_failed: false,
    };
    pollable.arm();
    Ok(pollable)
}

impl<E> Pollable<E> {
    /// The endpoint, to use.
    ///
    /// # Real-time
    ///
    /// Makes syscalls and takes a lock, here and when the guard is dropped. Allocates only to count a
    /// missed wake-up, or to start the thread `quoit-reactor` again. If you put another endpoint in,
    /// the drop waits until that thread has left the old one's sleep.
    pub fn get(&mut self) -> Ready<'_, E> {
        self.disarm();
        Ready { pollable: self }
    }

    /// The endpoint, read only.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn get_ref(&self) -> &E {
        &self.end
    }

    /// Returns the plain endpoint, with its position. The descriptor is closed.
    ///
    /// # Real-time
    ///
    /// Makes syscalls; waits until the thread `quoit-reactor` has left the endpoint's sleep.
    pub fn into_inner(mut self) -> E {
        self.disarm();
        self.end
    }

    /// Why this endpoint cannot be waited for: [`AsyncError::Forked`] in a child of `fork`,
    /// [`AsyncError::NotAFutex`] if a guard has put in an endpoint that sleeps on a semaphore,
    /// [`AsyncError::ReactorDied`] if the last wait ended with the thread `quoit-reactor`, or could
    /// not begin. The descriptor is readable then, so that your loop calls `get`, which tries
    /// again. `None` if all is well.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn failure(&self) -> Option<AsyncError> {
        if self.registration.is_inherited() {
            Some(AsyncError::Forked)
        } else if !self.is_futex {
            Some(AsyncError::NotAFutex)
        } else {
            self.has_failed.then_some(AsyncError::ReactorDied)
        }
    }

    /// The endpoint, which is not parked.
    pub(super) fn end_mut(&mut self) -> &mut E {
        &mut self.end
    }

    /// [`arm`](Self::arm), from now on for this much room.
    pub(super) fn arm_for(&mut self, amount: u64) {
        self.amount = amount;
        self.arm();
    }

    /// The same for an endpoint that is armed, and was not seen since: the descriptor stays readable if
    /// the peer has closed or crashed.
    pub(super) fn arm_again_for(&mut self, amount: u64) {
        self.unpark();
        self.amount = amount;
        if self.found.is_some() && self.found != self.departed {
            self.event.set();
        } else {
            self.arm();
        }
    }

    /// Units of room for the amount. A frame may take padding as well, which depends on the position.
    fn wanted(&self) -> u64 {
        (self.units_of)(&self.end, self.amount)
    }

    /// Ends the park, for a caller that sees the endpoint.
    pub(super) fn disarm(&mut self) {
        self.unpark();
        self.departed = self.found.take().or(self.departed);
    }

    /// Ends the park, and checks whether the peer has closed or crashed.
    pub(super) fn unpark(&mut self) {
        if self.registration.is_inherited() {
            return;
        }
        let wanted = self.wanted();
        let end = (self.as_sleeping)(&mut self.end);
        let outcome = self.registration.unpark(end);
        self.has_failed = outcome == Some(Outcome::ReactorDied);
        let epoch = end.role().peer_epoch();
        let may_have_crashed = matches!(outcome, Some(Outcome::Expired | Outcome::Late));
        let closed_or_crashed =
            end.role().peer_closed() || may_have_crashed && end.role_mut().is_left_alone();
        // First deliver what it published before.
        if closed_or_crashed && end.poll(wanted) != Some(false) {
            self.found = Some((end.identity(), epoch));
        }
    }

    /// Makes the descriptor say whether there is work, and parks the endpoint if there is none.
    fn arm(&mut self) {
        // The eventfd of a child is its parent's.
        if self.registration.is_inherited() {
            return;
        }
        let wanted = self.wanted();
        let end = (self.as_sleeping)(&mut self.end);
        let word = ptr::from_ref(end.role().own_word()).addr();
        if mem::replace(&mut self.word, word) != word {
            self.registration.forget_last();
        }
        self.is_futex = end.role().sleeps_on_futex();
        if !self.is_futex || end.poll(wanted) == Some(false) {
            return self.event.set();
        }
        // Before the second poll, which is the park's: a later wake sets it again.
        self.event.drain();
        let epoch = end.role().peer_epoch();
        let change = match self.departed {
            Some(departed) if departed == (end.identity(), epoch) => Change::Successor(epoch),
            _ => Change::Departure,
        };
        // In a forked child's copy both endpoints are closed, which is news once.
        let is_news = change == Change::Departure && end.role().is_inherited();
        if end.role().is_closed() && !is_news {
            return;
        }
        let goal = Goal {
            awaited: end.awaited(wanted),
            change,
        };
        let parked = self.registration.park(end, goal, &self.waker);
        self.has_failed |= parked.is_err();
        if !matches!(parked, Ok(true)) {
            self.event.set();
        }
    }
}

impl<E> AsFd for Pollable<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.0.as_fd()
    }
}

impl<E> AsRawFd for Pollable<E> {
    fn as_raw_fd(&self) -> RawFd {
        self.event.0.as_raw_fd()
    }
}

/// Shows the descriptor, never the endpoint.
impl<E> fmt::Debug for Pollable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pollable")
            .field("fd", &self.as_raw_fd())
            .field("failure", &self.failure())
            .finish_non_exhaustive()
    }
}

impl<E> Deref for Ready<'_, E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.pollable.end
    }
}

impl<E> DerefMut for Ready<'_, E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.pollable.end
    }
}

impl<E> Drop for Ready<'_, E> {
    fn drop(&mut self) {
        self.pollable.arm();
    }
}

impl<E> fmt::Debug for Ready<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// An eventfd: readable or not.
struct Event(File);

impl Event {
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no memory.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        off_standard(fd.into()).map(Self)
    }

    /// Makes it readable. A full counter is readable already.
    fn set(&self) {
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable. Fails if it is unreadable already.
    fn drain(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl Wake for Event {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}
