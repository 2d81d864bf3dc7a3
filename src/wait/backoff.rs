//! Wait loop: spin, then yield, then park.

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
    /// itself. Makes no syscall but the check whether its peer lives
    /// ([`RingOptions::peer_check`](crate::RingOptions::peer_check)).
    Spin,
    /// Spins for the budget, then yields the processor between looks.
    Yield,
    /// Spins for the budget, yields a few times, then sleeps in the kernel until
    /// it is woken.
    #[default]
    Park,
}

/// How a process waits at its endpoint of a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitConfig {
    pub(crate) strategy: WaitStrategy,
    /// Nanoseconds of spinning before anything else.
    pub(crate) spin: u64,
    /// Nanoseconds between two checks whether the peer lives.
    pub(crate) peer_check: u64,
}

impl WaitConfig {
    pub(crate) fn new(strategy: WaitStrategy, spin: Duration, peer_check: Duration) -> Self {
        let spin = match strategy {
            WaitStrategy::Spin => u64::MAX,
            _ => nanos(spin),
        };
        Self {
            strategy,
            spin,
            peer_check: nanos(peer_check).clamp(SHORTEST_CHECK, LONGEST_CHECK),
        }
    }
}

/// The shortest interval between two checks whether the peer lives: a check is a
/// system call.
const SHORTEST_CHECK: u64 = 1_000_000;
/// The longest: about a century, so that no sum overflows.
const LONGEST_CHECK: u64 = u64::MAX / 4;
/// Spins between two reads of the clock.
const SPINS: u32 = 32;

/// When an endpoint checks next whether its peer still lives. Kept from one wait to
/// the next, so that many short waits check as often as a long one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LivenessTimer(Option<u64>);

impl LivenessTimer {
    /// Whether a check is due, for an endpoint that checks this often.
    pub(crate) fn is_due(&mut self, interval: u64) -> bool {
        let now = now();
        now >= self.next_check(now, interval)
    }

    /// When, for an endpoint that waits now and checks this often.
    fn next_check(&mut self, now: u64, interval: u64) -> u64 {
        let fresh = now + interval;
        let next = self.0.map_or(fresh, |next| next.min(fresh));
        self.0 = Some(next);
        next
    }

    /// After a sign of life. After a check that finds the peer gone there is no
    /// reset, and the next wait checks again at once.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

/// The steps of one wait. The clock is not read before a few spins
/// have passed: a reply that is under way should not wait for that.
#[derive(Debug)]
pub(crate) struct WaitLoop {
    wait: WaitConfig,
    deadline: Deadline,
    spins: u32,
    backoff: Backoff,
    times: Option<Times>,
}

#[derive(Debug)]
struct Times {
    spin_until: u64,
    deadline: u64,
    /// The peer was checked after the deadline.
    last_check: bool,
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

impl WaitLoop {
    pub(crate) fn new(wait: WaitConfig, deadline: Deadline) -> Self {
        Self {
            wait,
            deadline,
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
            deadline: self.deadline.nanos(now),
            last_check: false,
        });
        let next_check = liveness.next_check(now, self.wait.peer_check);
        let is_over = now >= times.deadline;
        // A short wait checks, too. Checks that take longer than their interval do not
        // move the deadline: one may follow it.
        if now >= next_check && !times.last_check {
            times.last_check = is_over;
            return Step::CheckPeer;
        }
        if is_over {
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

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn config(strategy: WaitStrategy, peer_check: Duration) -> WaitConfig {
        WaitConfig::new(strategy, Duration::ZERO, peer_check)
    }

    /// The checks of a wait whose clock goes on by a millisecond a step.
    fn checks(config: WaitConfig, milliseconds: u64) -> Vec<u64> {
        let mut wait = WaitLoop::new(config, Deadline::NEVER);
        let mut liveness = LivenessTimer::default();
        let mut checks = Vec::new();
        for now in 0..=milliseconds {
            match wait.step_by_clock(now * MS, &mut liveness) {
                Step::CheckPeer => {
                    checks.push(now);
                    liveness.reset();
                }
                Step::Park(until) => {
                    assert!(until <= now * MS + config.peer_check, "it sleeps too long");
                }
                _ => {}
            }
        }
        checks
    }

    #[test]
    fn a_wait_checks_its_peer_as_often_as_it_was_told() {
        for strategy in [WaitStrategy::Spin, WaitStrategy::Yield, WaitStrategy::Park] {
            let checks = |interval| checks(config(strategy, Duration::from_millis(interval)), 300);
            // After a check the next step begins a new interval.
            assert_eq!(checks(5)[..3], [5, 11, 17]);
            assert_eq!(checks(100), [100, 201]);
            assert_eq!(checks(0), checks(1), "a millisecond is the shortest");
            assert_eq!(checks(u64::MAX), []);
        }
    }

    #[test]
    fn many_short_waits_check_as_often_as_a_long_one() {
        let config = config(WaitStrategy::Park, Duration::from_millis(5));
        let mut liveness = LivenessTimer::default();
        let steps = [0, 2, 4, 5].map(|now| {
            let mut wait = WaitLoop::new(config, Duration::from_millis(1).into());
            wait.step_by_clock(now * MS, &mut liveness)
        });
        assert!(!steps[..3].contains(&Step::CheckPeer), "{steps:?}");
        assert_eq!(steps[3], Step::CheckPeer);
    }

    #[test]
    fn checks_that_take_longer_than_their_interval_move_no_deadline() {
        let config = config(WaitStrategy::Park, Duration::from_millis(1));
        let mut liveness = LivenessTimer::default();
        let mut wait = WaitLoop::new(config, Duration::from_millis(10).into());
        // Each check finds a peer that lives, and has taken 5 ms.
        let steps: Vec<_> = (0..6)
            .map(|turn| {
                let step = wait.step_by_clock(turn * 5 * MS, &mut liveness);
                if step == Step::CheckPeer {
                    liveness = LivenessTimer(Some((turn * 5 + 1) * MS));
                }
                step
            })
            .collect();
        use Step::{CheckPeer, Park, TimedOut};
        assert_eq!(
            steps,
            [Park(MS), CheckPeer, CheckPeer, TimedOut, TimedOut, TimedOut]
        );
    }

    #[test]
    fn a_shorter_interval_counts_at_once() {
        let mut liveness = LivenessTimer::default();
        assert_eq!(liveness.next_check(0, 100), 100);
        assert_eq!(liveness.next_check(10, 5), 15);
        assert_eq!(liveness.next_check(12, 100), 15);
    }
}
