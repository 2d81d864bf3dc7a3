//! What both endpoints have: one thread at a time, no forked child, and waits that
//! Ctrl-C ends.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, compiler_fence};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PySystemExit, PyTypeError, PyValueError};
use pyo3::prelude::*;
use quoit::raw::{RawConsumer, RawProducer, Reachable};
use quoit::{ClaimError, Deadline, PeerError, PopError};

use crate::fault::{self, raise};
use crate::fork::generation;
use crate::lease::Turns;

/// How often a wait looks for signals.
const SLICE: Duration = Duration::from_millis(50);

/// Until when a call waits: not at all, or up to a moment, or forever.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    No,
    Until(Option<Instant>),
}

impl Wait {
    /// Of a call that has both arguments.
    pub(crate) fn of(timeout: Option<f64>, is_try: bool) -> PyResult<Self> {
        if is_try {
            Ok(Self::No)
        } else {
            Self::seconds(timeout)
        }
    }

    /// Seconds from now; `None` is forever.
    pub(crate) fn seconds(timeout: Option<f64>) -> PyResult<Self> {
        let Some(timeout) = timeout else {
            return Ok(Self::Until(None));
        };
        if timeout.is_nan() || timeout < 0.0 {
            return Err(PyValueError::new_err(
                "a timeout is a number of seconds, 0 or more, or None to wait forever",
            ));
        }
        let timeout = Duration::try_from_secs_f64(timeout).ok();
        Ok(Self::Until(
            timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        ))
    }
}

/// What differs between the endpoints.
pub(crate) trait Side: Send {
    /// How a look or a wait fails.
    type Error: Send;
    /// Whether there are this many units now; how many are known of.
    fn look(&mut self, wanted: u64) -> Result<u64, Self::Error>;
    /// Waits for them.
    fn sleep(&mut self, wanted: u64, deadline: Deadline) -> Result<(), Self::Error>;
    /// Whether it fails for now only.
    fn is_passing(error: &Self::Error) -> bool;
    /// Whether the poll found that the peer closed or crashed: a wait checks it closely.
    fn is_abandonment(error: &Self::Error) -> bool;
    /// The exception.
    fn raise(error: Self::Error) -> PyErr;
    /// Waits for the peer.
    fn await_peer(&mut self, deadline: Deadline) -> Result<(), PeerError>;
    /// Moves the position, and wakes the peer. `false` in a forked child.
    fn advance(&mut self, units: u64) -> bool;
}

impl Side for RawConsumer {
    type Error = PopError;

    fn look(&mut self, wanted: u64) -> Result<u64, PopError> {
        self.poll(wanted, None).map(|found| found.unread)
    }

    fn sleep(&mut self, wanted: u64, deadline: Deadline) -> Result<(), PopError> {
        self.wait(wanted, None, deadline).map(drop)
    }

    fn is_passing(error: &PopError) -> bool {
        matches!(error, PopError::Empty | PopError::TimedOut)
    }

    fn is_abandonment(error: &PopError) -> bool {
        matches!(error, PopError::Abandoned)
    }

    fn raise(error: PopError) -> PyErr {
        fault::pop(error)
    }

    fn await_peer(&mut self, deadline: Deadline) -> Result<(), PeerError> {
        self.wait_for_peer_timeout(deadline)
    }

    fn advance(&mut self, units: u64) -> bool {
        let head = self.position().wrapping_add(units);
        store(self.words().own, head);
        self.follow(head);
        self.moved();
        true
    }
}

impl Side for RawProducer {
    type Error = ClaimError;

    fn look(&mut self, wanted: u64) -> Result<u64, ClaimError> {
        match self.room() {
            room if room >= wanted => Ok(room),
            _ => self.poll(wanted),
        }
    }

    fn sleep(&mut self, wanted: u64, deadline: Deadline) -> Result<(), ClaimError> {
        self.wait(wanted, deadline)
    }

    fn is_passing(error: &ClaimError) -> bool {
        matches!(error, ClaimError::Full | ClaimError::TimedOut)
    }

    fn is_abandonment(error: &ClaimError) -> bool {
        matches!(error, ClaimError::Abandoned)
    }

    fn raise(error: ClaimError) -> PyErr {
        fault::claim(error)
    }

    fn await_peer(&mut self, deadline: Deadline) -> Result<(), PeerError> {
        self.wait_for_peer_timeout(deadline)
    }

    fn advance(&mut self, units: u64) -> bool {
        let tail = self.position().wrapping_add(units);
        store(self.words().own, tail);
        self.follow(tail);
        self.moved(units)
    }
}

/// Stores the shared position of this endpoint.
fn store(line: *mut u64, position: u64) {
    // SAFETY: the line is a word of the mapped header, aligned, and this endpoint's.
    let word = unsafe { AtomicU64::from_ptr(line) };
    // publish -> ready, reclaim -> free: the bytes before the position.
    word.store(position, Ordering::Release);
    // awake -> drowsy: the position is stored before the peer's word is loaded.
    compiler_fence(Ordering::SeqCst);
}

/// An endpoint that is locked for one call.
pub(crate) struct Locked<'a, E>(MutexGuard<'a, Option<Box<Reachable<E>>>>);

impl<E> Locked<'_, E> {
    pub(crate) fn get(&mut self) -> &mut E {
        self.0.as_mut().expect("checked when it was locked").get()
    }
}

/// [`Reachable::arm`] of both endpoints.
pub(crate) trait Arm {
    fn arm_for(&mut self, units: u64) -> PyResult<RawFd>;
}

impl Arm for Reachable<RawConsumer> {
    fn arm_for(&mut self, units: u64) -> PyResult<RawFd> {
        self.arm(units)
            .map_err(|error| raise("SystemRefused", error))
    }
}

impl Arm for Reachable<RawProducer> {
    fn arm_for(&mut self, units: u64) -> PyResult<RawFd> {
        self.arm(units)
            .map_err(|error| raise("SystemRefused", error))
    }
}

/// An endpoint.
pub(crate) struct End<E> {
    /// `None` once it is closed. Never waited for: a thread that waits has the GIL. Boxed, because
    /// Python aligns its objects to 16 bytes.
    end: Mutex<Option<Box<Reachable<E>>>>,
    /// How many units a task waits for at the descriptor; 0 if none waits. Touched with the GIL only.
    awaited: AtomicU64,
    pub(crate) turns: Arc<Turns>,
    /// The program ends, and waits for no thread. Touched with the GIL only.
    is_ending: AtomicBool,
    generation: u64,
}

impl<E: Side> End<E>
where
    Reachable<E>: Arm,
{
    pub(crate) fn new(end: E) -> Self {
        Self {
            end: Mutex::new(Some(Box::new(Reachable::new(end)))),
            awaited: AtomicU64::new(0),
            turns: Arc::default(),
            is_ending: AtomicBool::new(false),
            generation: generation(),
        }
    }

    /// Whether this process holds the role.
    fn is_ours(&self) -> bool {
        self.generation == generation()
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, Option<Box<Reachable<E>>>>> {
        if !self.is_ours() {
            return Err(raise(
                "Forked",
                "the role belongs to the process that forked this one; open the ring by its name \
                 in this process, and take a role there",
            ));
        }
        match self.end.try_lock() {
            Ok(end) => Ok(end),
            Err(TryLockError::Poisoned(end)) => Ok(end.into_inner()),
            Err(TryLockError::WouldBlock) => Err(raise(
                "Busy",
                "another thread waits in a call on this endpoint; use an endpoint from one thread \
                 at a time, or give each thread a ring of its own",
            )),
        }
    }

    /// Runs `call` on the endpoint and its descriptor.
    fn hold<R>(&self, call: impl FnOnce(&mut Reachable<E>) -> PyResult<R>) -> PyResult<R> {
        match &mut *self.lock()? {
            Some(end) => call(end),
            None => Err(closed()),
        }
    }

    /// How many units a task waits for.
    fn awaited(&self) -> Option<u64> {
        Some(self.awaited.load(Ordering::Relaxed)).filter(|units| *units != 0)
    }

    /// The endpoint, for a call that waits for others as well.
    pub(crate) fn locked(&self) -> PyResult<Locked<'_, E>> {
        let end = self.lock()?;
        match (&*end, self.awaited()) {
            (None, _) => Err(closed()),
            (Some(_), None) => Ok(Locked(end)),
            (Some(_), Some(_)) => Err(raise(
                "Busy",
                "a task waits for this endpoint; let either the task or the select have it",
            )),
        }
    }

    /// Runs `call` on the endpoint. No task waits at the descriptor during the call; what the call sees,
    /// the task has not seen.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut E) -> PyResult<R>) -> PyResult<R> {
        self.hold(|end| {
            let result = call(match self.awaited() {
                Some(_) => end.get_unseen(),
                None => end.get(),
            });
            if let Some(units) = self.awaited() {
                // Then the descriptor is readable, and the failure the task's: the call has had its effect.
                let _ = end.arm_for(units);
            }
            result
        })
    }

    /// The descriptor, readable as soon as there are this many units or the peer has closed
    /// or crashed, until [`disarm`](Self::disarm).
    pub(crate) fn arm(&self, wanted: impl FnOnce(&E) -> PyResult<u64>) -> PyResult<RawFd> {
        self.hold(|end| {
            let units = wanted(end.get())?;
            let descriptor = end.arm_for(units)?;
            self.awaited.store(units, Ordering::Relaxed);
            Ok(descriptor)
        })
    }

    /// No task waits any more. Never fails: it may be that the endpoint is closed, or that another
    /// thread waits in a call, during which the descriptor is quiet.
    pub(crate) fn disarm(&self) {
        self.awaited.store(0, Ordering::Relaxed);
        let _ = self.hold(|end| {
            end.get();
            Ok(())
        });
    }

    /// Runs `act` as soon as there are as many units as `wanted` says, with their number;
    /// `None` if there are not, and the call does not wait. The GIL is released only for
    /// the wait itself.
    pub(crate) fn act<R>(
        &self,
        py: Python<'_>,
        wait: Wait,
        wanted: impl Fn(&E) -> PyResult<u64>,
        act: impl FnOnce(&mut E, u64) -> PyResult<R>,
    ) -> PyResult<Option<R>> {
        let mut act = Some(act);
        loop {
            let mut attempt = |end: &mut E| {
                let units = wanted(end)?;
                match end.look(units) {
                    Ok(found) => {
                        return act.take().map(|act| act(end, found)).transpose().map(Some);
                    }
                    Err(error) => match wait {
                        Wait::No if E::is_passing(&error) => return Ok(Some(None)),
                        Wait::Until(_) if E::is_passing(&error) || E::is_abandonment(&error) => {}
                        _ => return Err(E::raise(error)),
                    },
                }
                match py.detach(|| end.sleep(units, slice(wait))) {
                    Err(error) if !E::is_passing(&error) || is_over(wait) => Err(E::raise(error)),
                    _ => Ok(None),
                }
            };
            if let Some(done) = self.with(&mut attempt)? {
                return Ok(done);
            }
            self.check(py)?;
        }
    }

    /// Waits until the peer is there.
    pub(crate) fn wait_for_peer(&self, py: Python<'_>, wait: Wait) -> PyResult<()> {
        loop {
            let waited = self.with(|end| Ok(py.detach(|| end.await_peer(slice(wait)))))?;
            match waited {
                Ok(()) => return Ok(()),
                Err(PeerError::TimedOut) if !is_over(wait) => self.check(py)?,
                Err(error) => return Err(fault::peer(error)),
            }
        }
    }

    /// Between two parts of a wait. A signal's handler may use this endpoint, and close it.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_ending.load(Ordering::Relaxed) {
            // A thread ends with it, and prints nothing.
            return Err(PySystemExit::new_err(()));
        }
        py.check_signals()
    }

    /// Has the wait of another thread end soon, for the end of the program.
    pub(crate) fn end_wait(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Frees the role. In a child there is none.
    pub(crate) fn close(&self) -> PyResult<()> {
        if self.is_ours() {
            self.turns.check()?;
            self.turns.next();
            *self.lock()? = None;
        }
        Ok(())
    }

    /// Whether there is no role to use.
    pub(crate) fn is_closed(&self) -> bool {
        !self.is_ours() || self.lock().is_ok_and(|end| end.is_none())
    }
}

/// Positions of records are no places of frames.
pub(crate) fn check_frames(slot_size: u64) -> PyResult<()> {
    match slot_size {
        0 => Ok(()),
        _ => Err(PyTypeError::new_err("this ring holds records, not frames")),
    }
}

fn closed() -> PyErr {
    raise("Closed", "this endpoint is closed; open the ring again")
}

/// The end of one part of a wait.
pub(crate) fn slice(wait: Wait) -> Deadline {
    let soon = Instant::now() + SLICE;
    match wait {
        Wait::Until(Some(until)) => until.min(soon).into(),
        _ => soon.into(),
    }
}

/// Whether the time of a wait is up.
pub(crate) fn is_over(wait: Wait) -> bool {
    match wait {
        Wait::No => true,
        Wait::Until(until) => until.is_some_and(|until| until <= Instant::now()),
    }
}

/// The methods of both classes.
macro_rules! shared {
    ($class:ident, $peer:literal) => {
        const _: () = {
            use $crate::end::Wait;

            #[pyo3::pymethods]
            impl $class {
                /// The descriptor is quiet, and no task waits any more.
                fn disarm(&self) {
                    self.end.disarm();
                }

                #[doc = concat!("Waits until a ", $peer, " is attached.")]
                #[pyo3(signature = (timeout=None))]
                fn wait_for_peer(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
                    self.end.wait_for_peer(py, Wait::seconds(timeout)?)
                }

                /// Closes the endpoint and frees its role.
                fn close(&self) -> PyResult<()> {
                    self.end.close()
                }

                /// Has the wait of another thread end soon, for the end of the program.
                fn end_wait(&self) {
                    self.end.end_wait();
                }

                /// Tells the peer that this endpoint has closed, while views of its memory live.
                fn leave(&self) -> PyResult<()> {
                    self.end.with(|end| Ok(end.close()))
                }

                /// Whether this endpoint is closed, or its role is another process's.
                #[getter]
                fn closed(&self) -> bool {
                    self.end.is_closed()
                }

                /// The name of the ring.
                #[getter]
                fn name(&self) -> PyResult<String> {
                    self.end.with(|end| Ok(end.name().to_owned()))
                }

                /// Distinguishes this ring from others of the same name.
                #[getter]
                fn incarnation(&self) -> PyResult<u64> {
                    self.end.with(|end| Ok(end.incarnation()))
                }

                /// How many records, or bytes for frames, the ring holds.
                #[getter]
                fn capacity(&self) -> PyResult<u64> {
                    self.end.with(|end| Ok(end.capacity()))
                }

                /// The position of the next message.
                #[getter]
                fn position(&self) -> PyResult<u64> {
                    self.end.with(|end| Ok(end.position()))
                }

                /// What is unread, in records, or bytes for frames. A snapshot.
                #[getter]
                fn unread(&self) -> PyResult<u64> {
                    self.end.with(|end| Ok(end.len()))
                }

                #[doc = concat!("How often a ", $peer, " has attached.")]
                #[getter]
                fn peer_epoch(&self) -> PyResult<u64> {
                    self.end.with(|end| Ok(end.peer_epoch()))
                }

                /// What has poisoned the endpoint: the field, and what was found.
                #[getter]
                fn corruption(&self) -> PyResult<Option<(&'static str, u64)>> {
                    self.end
                        .with(|end| Ok(end.corruption().map(|is| (is.field, is.found))))
                }

                #[doc = concat!("Whether a ", $peer, " attached, and has closed or crashed since.")]
                fn is_abandoned(&self) -> PyResult<bool> {
                    self.end.with(|end| Ok(end.is_abandoned()))
                }

                /// Whether the ring was unlinked or replaced.
                fn is_superseded(&self) -> PyResult<bool> {
                    self.end.with(|end| Ok(end.is_superseded()))
                }

                /// Counts messages that this program refused or skipped, for `quoit stat`.
                fn count_dropped(&self, messages: u64) -> PyResult<()> {
                    self.end.with(|end| Ok(end.count_dropped(messages)))
                }
            }
        };
    };
}
pub(crate) use shared;
