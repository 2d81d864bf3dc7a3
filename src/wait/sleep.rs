//! The park: how one end, or several together, go to sleep and get up.
//!
//! Everything that sleeps for a ring calls this file: an endpoint by itself, `Select`,
//! and the reactor, which splits it at the wait. The steps, each for all endpoints:
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

/// An endpoint that can be parked.
pub(crate) trait Parkable {
    /// The endpoint's half of its sleep word, and the word.
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32);
    /// The endpoint's own position.
    fn position(&self) -> u64;
    /// The second poll: whether what the end awaits is there.
    fn has_work(&self) -> bool;
    /// Forgets wakes that came too late for an earlier sleep.
    fn drain(&self);
    /// Counts a sleep that begins.
    fn count_sleep(&self);
    /// Counts one that only its deadline ended, though the end was owed a wake, and none
    /// came, or none of many arrived.
    fn count_rescue(&self);
}

/// What the kernel does for those who sleep; times are nanoseconds on its monotonic
/// clock.
pub(crate) trait Kernel {
    /// Has every registered process pass a full fence; `false` if it cannot.
    fn barrier(&self) -> bool;
    /// The time.
    fn now(&self) -> u64;
}

/// How a sleep ended, as far as it tells whether a wake was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a wake that arrived, for the end at this index.
    Woken(usize),
    /// In a way that tells nothing.
    Untold,
    /// By its deadline.
    TimedOut {
        /// The ends that were owed a wake by then, a bit for each index.
        owed: u128,
        /// Whether no wake arrived in the grace after the deadline either. Otherwise the
        /// grace was over at once, because a word had been changed.
        is_late: bool,
    },
}

/// Sleeps until `wait` returns: by a wake, by its deadline, or for no reason. `wait`
/// sleeps while every word of the ends is `PARKED`. Does not sleep at all if an endpoint has
/// something to do. Takes 128 ends at most.
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
    let mut rest = wait(ends, until.min(limit));
    let mut owed = 0;
    if rest == Rest::TimedOut && limit == u64::MAX {
        owed = who_has_work(ends);
        if owed != 0 {
            // The waker may be on its way between position and wake.
            rest = wait(ends, kernel.now() + UNDER_WAY);
        }
    }
    let is_late = rest == Rest::TimedOut;
    let ending = match rest {
        Rest::Woken(index) => Ending::Woken(index),
        _ if owed != 0 && (is_late || is_long) => Ending::TimedOut { owed, is_late },
        _ => Ending::Untold,
    };
    wake_up(ends, ending);
}

/// The ends that have something to do, a bit for each index.
fn who_has_work<P: Parkable>(ends: &[P]) -> u128 {
    let ends = ends.iter().enumerate();
    ends.fold(0, |found, (index, end)| {
        found | u128::from(end.has_work()) << index
    })
}

/// The first half of [`park`]: returns until when the sleep may last, `u64::MAX` if a
/// barrier protects it. `None` if an endpoint has something to do: then all are up again.
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
    // Now, since nobody waits for it: later a waker does.
    ends.iter().for_each(P::count_sleep);
    Some(limit)
}

/// The second half of [`park`].
pub(crate) fn wake_up<P: Parkable>(ends: &mut [P], ending: Ending) {
    for (index, end) in ends.iter_mut().enumerate() {
        let (sleeper, word) = end.sleeper();
        let was_changed = sleeper.get_up(word);
        let is_lost = match ending {
            Ending::TimedOut { owed, is_late } if owed >> index & 1 == 1 => {
                // A changed word: the peer called, or is about to.
                if was_changed {
                    sleeper.is_deaf()
                } else {
                    is_late
                }
            }
            Ending::Woken(woken) if woken == index => {
                sleeper.heard();
                false
            }
            _ => false,
        };
        if is_lost {
            end.count_rescue();
        }
    }
}
