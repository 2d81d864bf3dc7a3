//! Waiting: spin, then yield.
//!
//! A wait ends when what it waits for is there, when its deadline on the
//! monotonic clock has passed, or when the peer is found gone; no wait is
//! unbounded on a peer that can die.

use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

/// How often a waiting end looks whether its peer still lives.
const LOOK: Duration = Duration::from_millis(100);

/// When a wait is over; `None` is never.
pub(crate) type Deadline = Option<Instant>;

/// The deadline that lies `timeout` ahead; too far ahead is never.
pub(crate) fn within(timeout: Duration) -> Deadline {
    Instant::now().checked_add(timeout)
}

/// One wait's way down the ladder.
#[derive(Debug)]
pub(crate) struct Ladder {
    backoff: Backoff,
    deadline: Deadline,
    next_look: Option<Instant>,
}

/// What the waiting end does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try again.
    Again,
    /// See whether the peer still lives, then try again.
    Look,
    /// Give up.
    TimedOut,
}

impl Ladder {
    pub(crate) fn new(deadline: Deadline) -> Self {
        Self {
            backoff: Backoff::new(),
            deadline,
            next_look: None,
        }
    }

    /// Passes some time: first a few spins, then the processor to others.
    pub(crate) fn step(&mut self) -> Step {
        self.backoff.snooze();
        if !self.backoff.is_completed() {
            return Step::Again;
        }
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Step::TimedOut;
        }
        match self.next_look {
            Some(look) if look > now => Step::Again,
            look => {
                self.next_look = Some(now + LOOK);
                if look.is_some() {
                    Step::Look
                } else {
                    Step::Again
                }
            }
        }
    }
}
