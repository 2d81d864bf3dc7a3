//! The park: how one end, or several together, go to sleep and get up.
//!
//! Everything that sleeps for a ring calls this file: an end by itself, `Select`,
//! and the reactor, which splits it at the wait. The steps, each for all ends:
//!
//! ```text
//! DROWSY in the word     the peer fences from now on
//! one barrier            where the peer may have been spared its fence
//! PARKED in the word     the peer wakes this end from now on; fence (PARK)
//! second poll            of what the end awaits, a value that was fixed before
//! wait                   in the kernel, or in the reactor
//! grace                  a waker may be between its position and the word
//! awake in the word
//! ```
//!
//! `parker.rs` says why no wake-up is lost. This file makes no syscall and follows
//! no pointer; `loom-tests/` compiles it as it stands.

use super::super::parker::{Rest, Sleeper, UNDER_WAY, UNPROTECTED};
use super::super::sync::AtomicU32;

/// An end that can be parked.
pub(crate) trait Parkable {
    /// The end's half of its sleep word, and the word.
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32);
    /// The end's own position.
    fn position(&self) -> u64;
    /// The second poll: whether what the end awaits is there.
    fn has_work(&self) -> bool;
    /// Forgets wakes that came too late for an earlier sleep.
    fn drain(&self);
    /// Counts a sleep. `rescued`: only its deadline ended it, though there was
    /// something to do, and no wake for it, or none that arrives.
    fn count_sleep(&self, rescued: bool);
}

/// What the kernel does for those who sleep; times are nanoseconds on its monotonic
/// clock.
pub(crate) trait Kernel {
    /// Has every registered process pass a full fence; `false` if it cannot.
    fn barrier(&self) -> bool;
    /// The time.
    fn now(&self) -> u64;
}

/// Sleeps until `wait` returns: by a wake, by its deadline, or for no reason. `wait`
/// sleeps while every word of the ends is `PARKED`. Does not sleep at all if an end has
/// something to do.
pub(crate) fn park<P: Parkable>(
    ends: &mut [P],
    kernel: &impl Kernel,
    until: u64,
    mut wait: impl FnMut(&[P], u64) -> Rest,
) {
    let Some(limit) = fall_asleep(ends, kernel) else {
        return;
    };
    let is_long = until.saturating_sub(kernel.now()) >= UNDER_WAY;
    if wait(ends, until.min(limit)) == Rest::Ended {
        return wake_up(ends, false);
    }
    let is_protected = limit == u64::MAX;
    // The waker may be on its way between position and word.
    let late = is_protected
        && ends.iter().any(P::has_work)
        && wait(ends, kernel.now() + UNDER_WAY) == Rest::TimedOut;
    oversleep(ends, late, is_long && is_protected);
}

/// The first half of [`park`]: returns until when the sleep may last, `u64::MAX` if a
/// barrier protects it. `None` if an end has something to do: then all are up again.
pub(crate) fn fall_asleep<P: Parkable>(ends: &mut [P], kernel: &impl Kernel) -> Option<u64> {
    let mut barrier_due = false;
    for end in &mut *ends {
        let position = end.position();
        let (sleeper, word) = end.sleeper();
        barrier_due |= sleeper.drowse(word, position);
    }
    let mut limit = u64::MAX;
    if barrier_due {
        let is_protected = kernel.barrier();
        for end in &mut *ends {
            end.sleeper().0.shielded(is_protected);
        }
        if !is_protected {
            limit = kernel.now() + UNPROTECTED;
        }
    }
    for end in &mut *ends {
        end.drain();
        let (sleeper, word) = end.sleeper();
        sleeper.lie_down(word);
    }
    if ends.iter().any(P::has_work) {
        for end in ends {
            let (sleeper, word) = end.sleeper();
            sleeper.get_up(word);
        }
        return None;
    }
    Some(limit)
}

/// The second half of [`park`]. `late`: the sleep's deadline and the grace after it have
/// passed, and an end had something to do.
pub(crate) fn wake_up<P: Parkable>(ends: &mut [P], late: bool) {
    for end in ends {
        let late = late && end.has_work();
        let (sleeper, word) = end.sleeper();
        let was_woken = sleeper.get_up(word);
        if was_woken {
            sleeper.heard();
        }
        end.count_sleep(late && !was_woken);
    }
}

/// [`wake_up`] when the deadline has ended the sleep. `is_long`: a wake for what is there
/// would have arrived in time, but for an accident.
fn oversleep<P: Parkable>(ends: &mut [P], late: bool, is_long: bool) {
    for end in ends {
        let has_work = end.has_work();
        let (sleeper, word) = end.sleeper();
        let is_lost = if sleeper.get_up(word) {
            // The peer changed the word, and nobody heard of it.
            has_work && is_long && sleeper.is_deaf()
        } else {
            has_work && late
        };
        end.count_sleep(is_lost);
    }
}
