//! The way down while waiting: spin, yield, park.

use std::time::Duration;

use crossbeam_utils::Backoff;

use crate::deadline::Deadline;
use crate::doorbell::now;
use crate::sync::spin_loop;

/// How an end of a ring waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WaitStrategy {
    /// Spins, and never gives the processor away: for an end that has one to
    /// itself. Makes no syscall but a look at the peer ten times a second.
    Spin,
    /// Spins for the budget, then yields the processor between looks.
    Yield,
    /// Spins for the budget, yields a few times, then sleeps in the kernel until
    /// it is woken.
    #[default]
    Park,
}

/// How a process waits at its end of a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) strategy: WaitStrategy,
    /// Nanoseconds of spinning before anything else.
    pub(crate) spin: u64,
}

impl Patience {
    pub(crate) fn new(strategy: WaitStrategy, spin: Duration) -> Self {
        let spin = match strategy {
            WaitStrategy::Spin => u64::MAX,
            _ => u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX),
        };
        Self { strategy, spin }
    }
}

/// How often a waiting end looks whether its peer still lives.
pub(crate) const LOOK: u64 = 100_000_000;
/// Spins between two looks at the clock.
const SPINS: u32 = 32;

/// When an end looks next whether its peer still lives. Kept from one wait to
/// the next, so that many short waits look as often as a long one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NextLook(Option<u64>);

impl NextLook {
    /// When, for an end that waits now.
    fn time(&mut self, now: u64) -> u64 {
        *self.0.get_or_insert(now + LOOK)
    }

    /// After a sign of life. A peer that is gone is looked at again by the next
    /// wait, at once.
    pub(crate) fn put_off(&mut self) {
        self.0 = None;
    }
}

/// One wait's way down the ladder. The clock is not read before a few spins
/// have passed: a reply that is under way should not wait for that.
#[derive(Debug)]
pub(crate) struct Ladder {
    patience: Patience,
    deadline: Deadline,
    spins: u32,
    backoff: Backoff,
    times: Option<Times>,
}

#[derive(Debug)]
struct Times {
    spin_until: u64,
    deadline: u64,
}

/// What the waiting end does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try again.
    Again,
    /// Sleep, at most until then, and try again.
    Park(u64),
    /// See whether the peer still lives, then try again.
    Look,
    /// Give up.
    TimedOut,
}

impl Ladder {
    pub(crate) fn new(patience: Patience, deadline: Deadline) -> Self {
        Self {
            patience,
            deadline,
            spins: 0,
            backoff: Backoff::new(),
            times: None,
        }
    }

    /// Passes some time, or says how to.
    #[inline]
    pub(crate) fn step(&mut self, next_look: &mut NextLook) -> Step {
        self.spins = self.spins.wrapping_add(1);
        if self.spins % SPINS != 0 && self.patience.spin > 0 {
            spin_loop();
            return Step::Again;
        }
        self.step_by_clock(now(), next_look)
    }

    fn step_by_clock(&mut self, now: u64, next_look: &mut NextLook) -> Step {
        let times = self.times.get_or_insert_with(|| Times {
            spin_until: now.saturating_add(self.patience.spin),
            deadline: self.deadline.nanos(now),
        });
        let next_look = next_look.time(now);
        if now >= next_look {
            return Step::Look;
        }
        if now >= times.deadline {
            return Step::TimedOut;
        }
        if now < times.spin_until {
            return Step::Again;
        }
        let sleepy = self.patience.spin == 0 || self.backoff.is_completed();
        match self.patience.strategy {
            WaitStrategy::Spin => {}
            WaitStrategy::Park if sleepy => {
                return Step::Park(times.deadline.min(next_look));
            }
            WaitStrategy::Yield | WaitStrategy::Park => self.backoff.snooze(),
        }
        Step::Again
    }
}
