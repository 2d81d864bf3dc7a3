//! The park: how one endpoint, or several together, sleep and wake.
//!
//! Everything that sleeps for a ring calls this file: a single endpoint, `Select`,
//! and the reactor, which splits it at the wait. The steps, each for all endpoints:
//!
//! ```text
//! DROWSY in the word     the peer fences from now on
//! one barrier            where the peer may have skipped its fence
//! PARKED in the word     the peer wakes it from now on; fence (PARK)
//! second poll            for the awaited position, a value that was fixed before
//! wait                   in the kernel, or in the reactor
//! grace                  a waker may be between its position and the word
//! AWAKE in the word
//! ```
//!
//! `parker.rs` says why no wake-up is lost. This file makes no syscall and follows
//! no pointer; `loom-tests/` compiles it unchanged.

use super::super::parker::{Rest, Sleeper, UNFENCED_PARK_NS, WAKE_GRACE_NS};
use super::super::sync::AtomicU32;

/// An endpoint that can be parked.
pub(crate) trait Parkable {
    /// The endpoint's half of its sleep word, and the word.
    fn sleeper(&mut self) -> (&mut Sleeper, &AtomicU32);
    /// The endpoint's own position.
    fn position(&self) -> u64;
    /// The second poll: whether the message or room is there.
    fn has_work(&self) -> bool;
    /// Drains wakes that arrived too late for an earlier sleep.
    fn drain(&self);
    /// Counts a sleep that begins.
    fn count_sleep(&self);
    /// Counts a sleep that only its deadline ended, although the peer should have sent a wake: none
    /// was sent, or none of many arrived.
    fn count_rescue(&self);
}

/// What the kernel does for a sleep; times are nanoseconds on its monotonic
/// clock.
pub(crate) trait Kernel {
    /// Makes every registered process execute a full fence; `false` if it cannot.
    fn barrier(&self) -> bool;
    /// The time.
    fn now(&self) -> u64;
}

/// How a sleep ended, for the count of missed wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a wake that arrived, for the endpoint at this index.
    Woken(usize),
    /// In a way that does not count.
    Untold,
    /// By its deadline.
    TimedOut {
        /// The endpoints that should have got a wake by then, a bit for each index.
        owed: u128,
        /// Whether no wake arrived in the grace after the deadline either. Otherwise the
        /// grace was over at once, because a word had been changed.
        is_late: bool,
    },
}

/// Sleeps until `wait` returns: by a wake, by its deadline, or for no reason. `wait` sleeps while
/// every word of the endpoints is `PARKED`. Does not sleep if an endpoint has something to do.
/// Takes 128 endpoints at most.
pub(crate) fn park<P: Parkable>(
    ends: &mut [P],
    kernel: &impl Kernel,
    until: u64,
    mut wait: impl FnMut(&[P], u64) -> Rest,
) {
    let Some(limit) = start_sleep(ends, kernel) else {
        return;
    };
    let is_long = until.saturating_sub(kernel.now()) >= WAKE_GRACE_NS;
    let mut rest = wait(ends, until.min(limit));
    let mut owed = 0;
    if rest == Rest::TimedOut && limit == u64::MAX {
        owed = with_work(ends);
        if owed != 0 {
            // The waker may be between position and wake.
            rest = wait(ends, kernel.now() + WAKE_GRACE_NS);
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

/// The endpoints that have something to do, a bit for each index.
fn with_work<P: Parkable>(ends: &[P]) -> u128 {
    let ends = ends.iter().enumerate();
    ends.fold(0, |found, (index, end)| {
        found | u128::from(end.has_work()) << index
    })
}

/// The first half of [`park`]: returns until when the sleep may last, `u64::MAX` if a
/// barrier protects it. `None` if an endpoint has something to do: then none is parked.
pub(crate) fn start_sleep<P: Parkable>(ends: &mut [P], kernel: &impl Kernel) -> Option<u64> {
    let mut barrier_due = false;
    for end in &mut *ends {
        let position = end.position();
        let (sleeper, word) = end.sleeper();
        barrier_due |= sleeper.begin_park(word, position);
    }
    let mut limit = u64::MAX;
    if barrier_due {
        let is_protected = kernel.barrier();
        for end in &mut *ends {
            end.sleeper().0.barrier_done(is_protected);
        }
        if !is_protected {
            limit = kernel.now() + UNFENCED_PARK_NS;
        }
    }
    for end in &mut *ends {
        end.drain();
        let (sleeper, word) = end.sleeper();
        sleeper.set_parked(word);
    }
    if ends.iter().any(P::has_work) {
        for end in ends {
            let (sleeper, word) = end.sleeper();
            sleeper.clear_parked(word);
        }
        return None;
    }
    // Now, since nothing waits for it: later a waker does.
    ends.iter().for_each(P::count_sleep);
    Some(limit)
}

/// The second half of [`park`].
pub(crate) fn wake_up<P: Parkable>(ends: &mut [P], ending: Ending) {
    for (index, end) in ends.iter_mut().enumerate() {
        let (sleeper, word) = end.sleeper();
        let was_changed = sleeper.clear_parked(word);
        let is_lost = match ending {
            Ending::TimedOut { owed, is_late } if owed >> index & 1 == 1 => {
                // A changed word: the peer has woken, or is about to.
                if was_changed {
                    sleeper.note_missed_wake()
                } else {
                    is_late
                }
            }
            Ending::Woken(woken) if woken == index => {
                sleeper.note_wake();
                false
            }
            _ => false,
        };
        if is_lost {
            end.count_rescue();
        }
    }
}
