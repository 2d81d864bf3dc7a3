//! Endpoints with a descriptor for event loops, which a binding arms before each wait.

use core::fmt;
use core::mem;
use std::os::fd::{AsRawFd, RawFd};

use crate::adapters::pollable::{Pollable, pollable, units};
use crate::adapters::reactor::AsyncError;
use crate::adapters::select::Sleeping;
use crate::endpoint::{End, Endpoint};

/// An endpoint that has a descriptor for event loops after the first request for one.
pub struct Reachable<E>(State<E>);

enum State<E> {
    Plain(E),
    Pollable {
        end: Pollable<E>,
        is_armed: bool,
    },
    /// Between the two states.
    Moving,
}

impl<E> Reachable<E> {
    /// A plain endpoint.
    pub fn new(end: E) -> Self {
        Self(State::Plain(end))
    }

    /// The endpoint, for use. From now on the reactor does not wait for it.
    pub fn get(&mut self) -> &mut E {
        self.take(true)
    }

    /// The same for a call after which it is armed again: the call does not count as seeing it, so that the
    /// descriptor stays readable if the peer has closed or crashed.
    pub fn get_unseen(&mut self) -> &mut E {
        self.take(false)
    }

    fn take(&mut self, sees: bool) -> &mut E {
        match &mut self.0 {
            State::Plain(end) => end,
            State::Pollable { end, is_armed } => {
                match (*is_armed, sees) {
                    (true, true) => end.disarm(),
                    (true, false) => end.unpark(),
                    (false, _) => {}
                }
                *is_armed &= !sees;
                end.end_mut()
            }
            State::Moving => unreachable!("no call sees this state"),
        }
    }
}

/// Makes the descriptor readable as soon as the endpoint has `wanted` units of work, or its peer has
/// closed or crashed, until the next [`get`](Reachable::get).
pub(super) fn arm<E: End>(reachable: &mut Reachable<E>, wanted: u64) -> Result<RawFd, AsyncError>
where
    Endpoint<E::Cursor>: Sleeping,
{
    reachable.0 = match mem::replace(&mut reachable.0, State::Moving) {
        State::Plain(end) => match pollable(end, wanted, units) {
            Ok(end) => {
                let is_armed = true;
                State::Pollable { end, is_armed }
            }
            Err(error) => {
                let (end, reason) = error.into_parts();
                reachable.0 = State::Plain(end);
                return Err(reason);
            }
        },
        State::Pollable { mut end, is_armed } => {
            match is_armed {
                true => end.arm_again_for(wanted),
                false => end.arm_for(wanted),
            }
            let is_armed = true;
            State::Pollable { end, is_armed }
        }
        State::Moving => State::Moving,
    };
    match &reachable.0 {
        State::Pollable { end, .. } => match end.failure() {
            None => Ok(end.as_raw_fd()),
            Some(reason) => Err(reason),
        },
        _ => Err(AsyncError::ReactorDied),
    }
}

impl<E> fmt::Debug for Reachable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reachable").finish_non_exhaustive()
    }
}
