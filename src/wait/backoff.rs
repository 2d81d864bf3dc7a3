//! Wait loop: spin, then yield, then park.

use std::time::Duration;

use crossbeam_utils::Backoff;

use super::arrivals::Arrivals;
use crate::deadline::Deadline;
use crate::doorbell::now;
use crate::sync::spin_loop;

/// How an endpoint waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WaitStrategy {
    /// Spins, and never gives the processor up: for an endpoint that has one to itself. Its only
    /// syscall is the liveness check ([`RingOptions::peer_check`](crate::RingOptions::peer_check)).
    Spin,
    /// Spins for the budget, then yields the processor between polls.
    ///
    /// A thread of real-time priority yields to none of lower priority: if the peer may share its
    /// core, use [`Park`](Self::Park) ([`docs::tuning`](crate::docs::tuning#real-time-priorities)).
    Yield,
    /// Spins for the budget, yields a few times, then sleeps in the kernel until
    /// it is woken.
    #[default]
    Park,
    /// As [`Park`](Self::Park), but an endpoint whose messages (or room) arrive at even intervals
    /// sleeps until just before the next is due, and spins for it: for audio blocks and control
    /// loops. The message is then mostly taken as early as by [`Spin`](Self::Spin), and the peer saves the
    /// system call that wakes. If the intervals are uneven, or too short for a sleep, the endpoint
    /// parks. Applies to the waits of a single endpoint; [`Select`](crate::Select), the async calls
    /// and pollable endpoints park.
    ///
    /// The endpoint wakes before the next message by four times the spread of the intervals, plus
    /// the lateness of its sleeps: a thread under `SCHED_FIFO`, or with a small
    /// `PR_SET_TIMERSLACK`, spins less.
    Adaptive,
}

impl WaitStrategy {
    /// Whether an endpoint with this strategy may sleep.
    pub(crate) fn parks(self) -> bool {
        matches!(self, Self::Park | Self::Adaptive)
    }
}

/// How a process waits at its endpoint of a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitConfig {
    pub(crate) strategy: WaitStrategy,
    /// Nanoseconds of spinning before anything else.
    pub(crate) spin: u64,
    /// Nanoseconds between two liveness checks.
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

/// The shortest interval between two liveness checks: a check is a system call.
const SHORTEST_CHECK: u64 = 1_000_000;
/// The longest: about a century, so that no sum overflows.
const LONGEST_CHECK: u64 = u64::MAX / 4;
/// Spins between two reads of the clock.
const SPINS: u32 = 32;

/// A sleep shorter than this many nanoseconds is not worth its cost.
const SHORTEST_NAP: u64 = 10_000;

/// What an endpoint keeps from one wait to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WaitHistory {
    /// When the next liveness check is due: many short waits check as often as a long one.
    check: Option<u64>,
    arrivals: Arrivals,
}

impl WaitHistory {
    /// Whether a check is due, for an endpoint that checks this often.
    pub(crate) fn is_due(&mut self, interval: u64) -> bool {
        let now = now();
        now >= self.next_check(now, interval)
    }

    /// When, for an endpoint that waits now and checks this often.
    fn next_check(&mut self, now: u64, interval: u64) -> u64 {
        let fresh = now + interval;
        let next = self.check.map_or(fresh, |next| next.min(fresh));
        self.check = Some(next);
        next
    }

    /// After a sign of life. A check that finds a crash does not reset it, and the next wait checks
    /// again at once.
    pub(crate) fn reset(&mut self) {
        self.check = None;
    }
}

/// The steps of one wait. The clock is not read before a few spins
/// have passed: a reply that is in flight should not wait for that.
#[derive(Debug)]
pub(crate) struct WaitLoop {
    wait: WaitConfig,
    deadline: Deadline,
    spins: u32,
    backoff: Backoff,
    times: Option<Times>,
    /// When the sleep just before the next message should end.
    nap: Option<u64>,
}

#[derive(Debug)]
struct Times {
    start: u64,
    spin_until: u64,
    deadline: u64,
    /// The peer was checked after the deadline.
    last_check: bool,
}

impl Times {
    /// The time of a check that is due then, or the deadline if that is near: a caller
    /// that waits again and again, for about an interval, wakes once each time.
    fn joined(&self, check: u64, interval: u64) -> u64 {
        let is_near = match check.checked_sub(self.deadline) {
            // A check may be early, if that is rare.
            Some(early) => {
                early < interval - interval / 8
                    && self.deadline.saturating_sub(self.start) >= interval / 2
            }
            None => self.deadline - check < interval / 8,
        };
        if is_near { self.deadline } else { check }
    }
}

/// What the waiting endpoint does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Try again.
    Retry,
    /// Sleep, at most until then, and try again.
    Park(u64),
    /// Make the liveness check, then try again.
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
            nap: None,
        }
    }

    /// Waits a little, or returns how to wait.
    #[inline]
    pub(crate) fn step(&mut self, history: &mut WaitHistory) -> Step {
        self.spins = self.spins.wrapping_add(1);
        if self.spins % SPINS != 0 && self.wait.spin > 0 {
            spin_loop();
            return Step::Retry;
        }
        self.step_by_clock(now(), history)
    }

    /// The wait has succeeded.
    #[inline]
    pub(crate) fn found(&self, history: &mut WaitHistory) {
        history.reset();
        if self.spins > 0 && self.wait.strategy == WaitStrategy::Adaptive {
            history.arrivals.message_arrived(now());
        }
    }

    fn step_by_clock(&mut self, now: u64, history: &mut WaitHistory) -> Step {
        let times = self.times.get_or_insert_with(|| Times {
            start: now,
            spin_until: now.saturating_add(self.wait.spin),
            deadline: self.deadline.nanos(now),
            last_check: false,
        });
        let next_check = history.next_check(now, self.wait.peer_check);
        let next_check = times.joined(next_check, self.wait.peer_check);
        let is_over = now >= times.deadline;
        // A short wait checks as well. Checks that take longer than their interval do not
        // move the deadline: one may follow it.
        if now >= next_check && !times.last_check {
            times.last_check = is_over;
            return Step::CheckPeer;
        }
        if is_over {
            return Step::TimedOut;
        }
        if let Some(end) = self.nap.take_if(|end| *end <= now) {
            history.arrivals.overslept(now - end);
        }
        let window = match self.wait.strategy {
            WaitStrategy::Adaptive => history.arrivals.window(),
            _ => None,
        };
        if let Some(window) = window.filter(|window| now < window.end) {
            if now + SHORTEST_NAP >= window.begin {
                return Step::Retry;
            }
            self.nap = Some(window.begin);
            return Step::Park(window.begin.min(times.deadline).min(next_check));
        }
        if now < times.spin_until {
            return Step::Retry;
        }
        let sleepy = self.wait.spin == 0 || self.backoff.is_completed();
        match self.wait.strategy {
            WaitStrategy::Spin => {}
            WaitStrategy::Park | WaitStrategy::Adaptive if sleepy => {
                return Step::Park(times.deadline.min(next_check));
            }
            _ => self.backoff.snooze(),
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

    /// The checks of a wait whose clock advances by a millisecond a step.
    fn checks(config: WaitConfig, milliseconds: u64) -> Vec<u64> {
        let mut wait = WaitLoop::new(config, Deadline::NEVER);
        let mut history = WaitHistory::default();
        let mut checks = Vec::new();
        for now in 0..=milliseconds {
            match wait.step_by_clock(now * MS, &mut history) {
                Step::CheckPeer => {
                    checks.push(now);
                    history.reset();
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
    fn a_wait_checks_its_peer_at_the_given_interval() {
        for strategy in [
            WaitStrategy::Spin,
            WaitStrategy::Yield,
            WaitStrategy::Park,
            WaitStrategy::Adaptive,
        ] {
            let checks = |interval| checks(config(strategy, Duration::from_millis(interval)), 300);
            // After a check the next step begins a new interval.
            assert_eq!(checks(5)[..3], [5, 11, 17]);
            assert_eq!(checks(100), [100, 201]);
            assert_eq!(checks(0), checks(1), "a millisecond is the shortest");
            assert_eq!(checks(u64::MAX), [0; 0]);
        }
    }

    #[test]
    fn many_short_waits_check_as_often_as_a_long_one() {
        let config = config(WaitStrategy::Park, Duration::from_millis(5));
        let mut history = WaitHistory::default();
        let steps = [0, 2, 4, 5].map(|now| {
            let mut wait = WaitLoop::new(config, Duration::from_millis(1).into());
            wait.step_by_clock(now * MS, &mut history)
        });
        assert!(!steps[..3].contains(&Step::CheckPeer), "{steps:?}");
        assert_eq!(steps[3], Step::CheckPeer);
    }

    /// When a caller that waits again and again wakes, and when it checks.
    fn wakes(timeout: u64, first_check: u64) -> (Vec<u64>, Vec<u64>) {
        let config = config(WaitStrategy::Park, Duration::from_millis(100));
        let mut history = WaitHistory {
            check: Some(first_check * MS),
            ..WaitHistory::default()
        };
        let (mut wakes, mut checks) = (Vec::new(), Vec::new());
        let mut now = 0;
        while now < 10_000 * MS {
            let mut wait = WaitLoop::new(config, Duration::from_millis(timeout).into());
            loop {
                match wait.step_by_clock(now, &mut history) {
                    Step::Park(until) => {
                        // A little late, as always.
                        now = until + MS / 10;
                        wakes.push(now);
                    }
                    Step::CheckPeer => {
                        checks.push(now);
                        history.reset();
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
    fn a_check_joins_a_deadline_that_is_near() {
        for (waited, check, joined) in [
            (1000, 900, 900), // an eighth before the deadline
            (1000, 901, 1000),
            (1000, 1000, 1000),
            (1000, 1699, 1000),
            (1000, 1700, 1700), // it would be too rare
            (400, 1699, 1000),
            (399, 1699, 1699), // a short wait: its checks would be too frequent
        ] {
            let times = Times {
                start: 1000 - waited,
                spin_until: 0,
                deadline: 1000,
                last_check: false,
            };
            assert_eq!(times.joined(check, 800), joined, "{waited} {check}");
        }
    }

    #[test]
    fn checks_that_take_longer_than_their_interval_move_no_deadline() {
        let config = config(WaitStrategy::Park, Duration::from_millis(1));
        let mut history = WaitHistory::default();
        let mut wait = WaitLoop::new(config, Duration::from_millis(10).into());
        // Each check finds a live peer, and takes 5 ms.
        let steps: Vec<_> = (0..6)
            .map(|turn| {
                let step = wait.step_by_clock(turn * 5 * MS, &mut history);
                if step == Step::CheckPeer {
                    history.check = Some((turn * 5 + 1) * MS);
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
        let mut history = WaitHistory::default();
        assert_eq!(history.next_check(0, 100), 100);
        assert_eq!(history.next_check(10, 5), 15);
        assert_eq!(history.next_check(12, 100), 15);
    }

    /// Of an endpoint whose messages arrived every 10 ms, the last at 200.
    fn even_history() -> WaitHistory {
        let mut history = WaitHistory::default();
        for number in 1..=20 {
            history.arrivals.message_arrived(number * 10 * MS);
        }
        history
    }

    #[test]
    fn an_adaptive_wait_sleeps_until_just_before_the_next_message_and_spins_for_it() {
        let adaptive = config(WaitStrategy::Adaptive, Duration::from_millis(100));
        let mut history = even_history();
        let mut wait = WaitLoop::new(adaptive, Deadline::NEVER);
        let Step::Park(begin) = wait.step_by_clock(201 * MS, &mut history) else {
            panic!("it does not sleep");
        };
        assert!(begin < 210 * MS && begin > 209 * MS, "{begin}");
        // The kernel ends the sleep 30 µs late: the next one is that much shorter.
        let step = wait.step_by_clock(begin + 30_000, &mut history);
        assert_eq!(step, Step::Retry, "it spins");
        assert_eq!(wait.step_by_clock(210 * MS, &mut history), Step::Retry);
        // Nothing arrived: it parks like any other.
        let step = wait.step_by_clock(211 * MS, &mut history);
        assert_eq!(step, Step::Park(301 * MS));
        let mut wait = WaitLoop::new(adaptive, Deadline::NEVER);
        let earlier = wait.step_by_clock(201 * MS, &mut history);
        assert_eq!(earlier, Step::Park(begin - 30_000));
    }

    #[test]
    fn an_adaptive_wait_keeps_its_deadline_and_its_liveness_checks() {
        let adaptive = config(WaitStrategy::Adaptive, Duration::from_millis(5));
        let mut history = even_history();
        let soon = Duration::from_millis(2).into();
        let mut wait = WaitLoop::new(adaptive, soon);
        let step =
            |wait: &mut WaitLoop, now, history: &mut _| wait.step_by_clock(now * MS, history);
        assert_eq!(step(&mut wait, 201, &mut history), Step::Park(203 * MS));
        assert_eq!(step(&mut wait, 203, &mut history), Step::TimedOut);
        let mut wait = WaitLoop::new(adaptive, Deadline::NEVER);
        assert_eq!(step(&mut wait, 203, &mut history), Step::Park(206 * MS));
        assert_eq!(step(&mut wait, 206, &mut history), Step::CheckPeer);
    }

    #[test]
    fn only_an_adaptive_end_learns_and_only_from_waits() {
        let mut parks = WaitHistory::default();
        let mut busy = WaitHistory::default();
        for _ in 0..100 {
            let mut wait =
                WaitLoop::new(config(WaitStrategy::Park, Duration::MAX), Deadline::NEVER);
            wait.step(&mut parks);
            wait.found(&mut parks);
            let wait = WaitLoop::new(
                config(WaitStrategy::Adaptive, Duration::MAX),
                Deadline::NEVER,
            );
            wait.found(&mut busy);
        }
        assert_eq!(
            format!("{parks:?}"),
            format!("{:?}", WaitHistory::default())
        );
        assert_eq!(format!("{busy:?}"), format!("{:?}", WaitHistory::default()));
        let mut wait = WaitLoop::new(
            config(WaitStrategy::Adaptive, Duration::MAX),
            Deadline::NEVER,
        );
        wait.step(&mut busy);
        wait.found(&mut busy);
        assert_ne!(format!("{busy:?}"), format!("{parks:?}"), "this one waited");
    }
}
