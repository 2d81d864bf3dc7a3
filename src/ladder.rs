//! The way down while waiting: spin, yield, park.

use std::time::Duration;

use crossbeam_utils::Backoff;

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
pub(crate) struct WaitConfig {
    pub(crate) strategy: WaitStrategy,
    /// Nanoseconds of spinning before anything else.
    pub(crate) spin: u64,
}

impl WaitConfig {
    pub(crate) fn new(strategy: WaitStrategy, spin: Duration) -> Self {
        let spin = match strategy {
            WaitStrategy::Spin => u64::MAX,
            _ => u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX),
        };
        Self { strategy, spin }
    }
}

/// How long to wait at most; `None` is as long as it takes.
pub(crate) type Timeout = Option<Duration>;

/// How often a waiting end looks whether its peer still lives.
pub(crate) const LIVENESS_INTERVAL: u64 = 100_000_000;
/// Spins between two looks at the clock.
const SPINS: u32 = 32;

/// When an end looks next whether its peer still lives. Kept from one wait to
/// the next, so that many short waits look as often as a long one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LivenessTimer(Option<u64>);

impl LivenessTimer {
    /// When, for an end that waits now.
    fn next_check(&mut self, now: u64) -> u64 {
        *self.0.get_or_insert(now + LIVENESS_INTERVAL)
    }

    /// After a sign of life. A peer that is gone is looked at again by the next
    /// wait, at once.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// One wait's way down the ladder. The clock is not read before a few spins
/// have passed: a reply that is under way should not wait for that.
#[derive(Debug)]
pub(crate) struct Ladder {
    wait: WaitConfig,
    timeout: Timeout,
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
    Retry,
    /// Sleep, at most until then, and try again.
    Park(u64),
    /// See whether the peer still lives, then try again.
    CheckPeer,
    /// Give up.
    TimedOut,
}

impl Ladder {
    pub(crate) fn new(wait: WaitConfig, timeout: Timeout) -> Self {
        Self {
            wait,
            timeout,
            spins: 0,
            backoff: Backoff::new(),
            times: None,
        }
    }

    /// Passes some time, or says how to.
    #[inline]
    pub(crate) fn step(&mut self, liveness: &mut LivenessTimer) -> Step {
        self.spins = self.spins.wrapping_add(1);
        if self.spins % SPINS != 0 && self.wait.spin > 0 {
            spin_loop();
            return Step::Retry;
        }
        self.step_by_clock(now(), liveness)
    }

    fn step_by_clock(&mut self, now: u64, liveness: &mut LivenessTimer) -> Step {
        let times = self.times.get_or_insert_with(|| Times {
            spin_until: now.saturating_add(self.wait.spin),
            deadline: self.timeout.map_or(u64::MAX, |timeout| {
                let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
                now.saturating_add(nanos)
            }),
        });
        let next_check = liveness.next_check(now);
        if now >= next_check {
            return Step::CheckPeer;
        }
        if now >= times.deadline {
            return Step::TimedOut;
        }
        if now < times.spin_until {
            return Step::Retry;
        }
        let sleepy = self.wait.spin == 0 || self.backoff.is_completed();
        match self.wait.strategy {
            WaitStrategy::Spin => {}
            WaitStrategy::Park if sleepy => {
                return Step::Park(times.deadline.min(next_check));
            }
            WaitStrategy::Yield | WaitStrategy::Park => self.backoff.snooze(),
        }
        Step::Retry
    }
}
