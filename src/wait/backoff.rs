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
    start: u64,
    spin_until: u64,
    deadline: u64,
}

impl Times {
    /// The time of a check that is due then, or the deadline if that is near: a caller
    /// that waits again and again, for about an interval, wakes once each time.
    fn joined(&self, check: u64, interval: u64) -> u64 {
        let is_near = match check.checked_sub(self.deadline) {
            // A check that is early is no harm, if there are not many.
            Some(early) => {
                early < interval - interval / 8 && self.deadline - self.start >= interval / 2
            }
            None => self.deadline - check < interval / 8,
        };
        if is_near { self.deadline } else { check }
    }
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
            start: now,
            spin_until: now.saturating_add(self.wait.spin),
            deadline: self.deadline.nanos(now),
        });
        let next_check = liveness.next_check(now, self.wait.peer_check);
        let next_check = times.joined(next_check, self.wait.peer_check);
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

    /// When a caller wakes who waits again and again, and when it checks.
    fn wakes(timeout: u64, first_check: u64) -> (Vec<u64>, Vec<u64>) {
        let config = config(WaitStrategy::Park, Duration::from_millis(100));
        let mut liveness = LivenessTimer(Some(first_check * MS));
        let (mut wakes, mut checks) = (Vec::new(), Vec::new());
        let mut now = 0;
        while now < 10_000 * MS {
            let mut wait = WaitLoop::new(config, Duration::from_millis(timeout).into());
            loop {
                match wait.step_by_clock(now, &mut liveness) {
                    Step::Park(until) => {
                        // A little late, as always.
                        now = until + MS / 10;
                        wakes.push(now);
                    }
                    Step::CheckPeer => {
                        checks.push(now);
                        liveness.reset();
                    }
                    Step::Retry => now += 1000,
                    Step::TimedOut => break,
                }
            }
        }
        (wakes, checks)
    }

    #[test]
    fn waits_of_about_an_interval_wake_once_each_and_check_in_time() {
        for timeout in [90, 99, 100, 101, 110, 200, 300, 1000] {
            for first_check in (1..=100).step_by(3) {
                let (wakes, checks) = wakes(timeout, first_check);
                // Eleven a second, or one each time.
                let most = (10_000 / timeout + 2).max(110);
                let count = wakes.len() as u64;
                assert!(
                    count <= most,
                    "{count} of {most}: {timeout} ms, {first_check} ms"
                );
                let gaps = checks.windows(2).map(|pair| pair[1] - pair[0]);
                let longest = gaps.max().expect("checks");
                assert!(
                    longest < 113 * MS,
                    "{longest}: {timeout} ms, {first_check} ms"
                );
            }
        }
    }

    #[test]
    fn a_shorter_interval_counts_at_once() {
        let mut liveness = LivenessTimer::default();
        assert_eq!(liveness.next_check(0, 100), 100);
        assert_eq!(liveness.next_check(10, 5), 15);
        assert_eq!(liveness.next_check(12, 100), 15);
    }
}
