//! One endpoint's wait in the reactor: what ends it, and when it is due.

use std::task::Waker;

use super::outcome::Outcome;
use crate::doorbell::now;
use crate::parker::{PARKED, Rest, WAKE_GRACE_NS};
use crate::peer::Goal;
use crate::ring::Watch;
use crate::sync::WORD;
use crate::wait::Ending;

/// A time that is never reached.
pub(super) const NEVER: u64 = u64::MAX / 2;

/// A wait that began, and when it is due.
pub(super) struct Wait {
    pub(super) watch: Watch,
    pub(super) waker: Waker,
    goal: Goal,
    /// When it began; a time that is never reached if no barrier protects it.
    since: u64,
    pub(super) until: u64,
    action: DueAction,
}

/// What happens at the time of a wait.
#[derive(Clone, Copy)]
enum DueAction {
    /// Make the liveness check.
    CheckPeer,
    /// End the wait: no barrier protects it.
    Expire,
    /// End the wait: the peer has moved, and its wake has not arrived.
    Rescue,
}

impl Wait {
    /// A wait from now on. It may last until `limit`.
    pub(super) fn new(watch: Watch, waker: Waker, goal: Goal, limit: u64) -> Self {
        let (since, until, action) = match limit {
            u64::MAX => {
                let now = now();
                (now, next_check(now, &watch), DueAction::CheckPeer)
            }
            limit => (NEVER, limit, DueAction::Expire),
        };
        Self {
            watch,
            waker,
            goal,
            since,
            until,
            action,
        }
    }

    /// Whether and how the wait has ended. `rest` is how the thread's sleep ended, by the slot.
    pub(super) fn check(&mut self, now: u64, rest: Rest, slot: usize) -> Option<Outcome> {
        // park <-> wake: the peer changes the word before it wakes.
        if self.watch.word().load(WORD) != PARKED {
            return Some(Outcome::Reached(self.ending(now, rest, slot)));
        }
        if now < self.until {
            return None;
        }
        match self.action {
            DueAction::Expire => return Some(Outcome::Expired),
            DueAction::Rescue => return Some(Outcome::Late),
            DueAction::CheckPeer if self.watch.is_reached(self.goal) => {
                // The waker may be between position and word.
                (self.until, self.action) = (now + WAKE_GRACE_NS, DueAction::Rescue);
            }
            DueAction::CheckPeer if self.watch.is_over(self.goal.change) => {
                return Some(Outcome::Expired);
            }
            DueAction::CheckPeer => self.until = next_check(now, &self.watch),
        }
        None
    }

    /// How the sleep of an endpoint whose word was changed has ended. The deadline of a short sleep
    /// means nothing, nor does a wake for another endpoint.
    fn ending(&self, now: u64, rest: Rest, slot: usize) -> Ending {
        let is_long = || now.saturating_sub(self.since) >= WAKE_GRACE_NS;
        match rest {
            Rest::Woken(woken) if woken == slot => Ending::Woken(0),
            Rest::TimedOut if is_long() && self.watch.is_reached(self.goal) => Ending::TimedOut {
                owed: 1,
                is_late: false,
            },
            _ => Ending::Untold,
        }
    }
}

/// The next tick: the same for all endpoints with this interval, so that they share one wake.
fn next_check(now: u64, watch: &Watch) -> u64 {
    let interval = watch.peer_check();
    (now / interval + 1) * interval
}
