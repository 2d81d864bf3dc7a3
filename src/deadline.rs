//! The deadline of a call.

use std::thread;
use std::time::{Duration, Instant};

use crate::doorbell::now;
use crate::error::Error;

/// Bytes of messages that a call still skips after its deadline because they were there before: a
/// peer that fills a large ring must not decide how long a call takes.
pub(crate) const LATE_BYTES: u64 = 64 << 10;

/// When a call stops waiting: after a [`Duration`], or at an [`Instant`].
///
/// Every `x_timeout` call takes either, and computes one absolute time when it begins.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use quoit::{PopError, RingOptions};
///
/// let (_producer, mut consumer) = RingOptions::new(8).heap::<u32>()?;
/// let moment = Duration::from_millis(1);
/// assert_eq!(consumer.pop_timeout(moment), Err(PopError::TimedOut));
/// let deadline = Instant::now() + moment;
/// assert_eq!(consumer.pop_timeout(deadline), Err(PopError::TimedOut));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    After(Duration),
    At(Instant),
    /// Nanoseconds on the clock of [`now`]; `u64::MAX` is never reached.
    Nanos(u64),
}

impl Deadline {
    /// A deadline that is never reached.
    pub const NEVER: Self = Self(Kind::Nanos(u64::MAX));

    /// The same as an absolute time, for a call that waits more than once.
    pub(crate) fn fixed(self) -> Self {
        match self.0 {
            Kind::Nanos(_) => self,
            _ => Self(Kind::Nanos(self.nanos(now()))),
        }
    }

    /// Whether a deadline that is [`fixed`](Self::fixed) is over.
    pub(crate) fn is_over(self) -> bool {
        self != Self::NEVER && {
            let now = now();
            self.nanos(now) <= now
        }
    }

    /// Nanoseconds until then, for another process, whose clock may differ.
    /// `u64::MAX` is never reached.
    pub(crate) fn left(self) -> u64 {
        if self == Self::NEVER {
            return u64::MAX;
        }
        let now = now();
        self.nanos(now).saturating_sub(now)
    }

    /// Repeats `part`, which gets how much is done and returns how much it did, until all is done.
    /// Reads the clock after each part: a peer that is always ready does not move the deadline. One
    /// part follows the deadline, because it may return a more precise error.
    pub(crate) fn in_parts<E>(
        self,
        all: usize,
        timed_out: E,
        mut part: impl FnMut(usize, Self) -> Result<usize, E>,
    ) -> Result<(), E> {
        let deadline = self.fixed();
        let mut done = 0;
        while done < all {
            let is_last = done > 0 && deadline.is_over();
            done += part(done, deadline)?;
            if is_last && done < all {
                return Err(timed_out);
            }
        }
        Ok(())
    }

    /// The earlier of two.
    pub(crate) fn earlier(self, other: Self) -> Self {
        let now = now();
        Self(Kind::Nanos(self.nanos(now).min(other.nanos(now))))
    }

    /// That many nanoseconds after a time on the clock of [`now`].
    pub(crate) fn after(time: u64, left: u64) -> Self {
        Self(Kind::Nanos(time.saturating_add(left)))
    }

    /// Nanoseconds on the clock of [`now`]. A wait computes them when it first reads the clock.
    pub(crate) fn nanos(self, now: u64) -> u64 {
        let (left, now) = match self.0 {
            Kind::Nanos(nanos) => return nanos,
            Kind::After(duration) => (duration, now),
            Kind::At(instant) => match instant.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return now,
                // Read after the other clock: a thread that is interrupted between the two waits
                // longer, not shorter.
                left => (left, self::now()),
            },
        };
        let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        now.saturating_add(left)
    }

    /// Retries, a millisecond apart, until the deadline, or until the attempt returns `true`. For what
    /// the kernel does not wake: a lock, or memory that another process frees.
    pub(crate) fn retry(
        self,
        mut attempt: impl FnMut() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let deadline = self.fixed();
        loop {
            if attempt()? {
                return Ok(true);
            }
            if deadline.is_over() {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl From<Duration> for Deadline {
    fn from(timeout: Duration) -> Self {
        Self(Kind::After(timeout))
    }
}

impl From<Instant> for Deadline {
    fn from(deadline: Instant) -> Self {
        Self(Kind::At(deadline))
    }
}

/// `None`: the call waits forever.
impl From<Option<Duration>> for Deadline {
    fn from(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    /// How much of ten is done before the deadline, by parts that are always ready.
    fn done(
        timeout: impl Into<Deadline>,
        mut takes: impl FnMut(),
    ) -> (Result<(), &'static str>, usize) {
        let mut count = 0;
        let result = timeout.into().in_parts(10, "late", |done, _| {
            assert_eq!(done, count);
            takes();
            count += 2;
            Ok(2)
        });
        (result, count)
    }

    #[test]
    fn parts_that_are_always_ready_move_no_deadline() {
        assert_eq!(done(Duration::ZERO, || {}), (Err("late"), 4));
        let (result, count) = done(MOMENT, || std::thread::sleep(MOMENT));
        assert_eq!((result, count), (Err("late"), 4));
        for never in [None, Some(Duration::MAX)] {
            assert_eq!(done(never, || {}), (Ok(()), 10));
        }
    }

    #[test]
    fn a_last_part_that_completes_the_whole_is_in_time() {
        let result = Deadline::from(Duration::ZERO).in_parts(2, "late", |_, _| Ok(1));
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn an_instant_is_not_reached_earlier_if_the_clock_was_read_before_an_interruption() {
        let instant = Instant::now() + Duration::from_secs(3600);
        let read = now();
        let left = instant - Instant::now(); // and so `read + left` is not after the instant
        let earliest = read + left.as_nanos() as u64;
        let deadline = Deadline::from(instant).nanos(read - 1_000_000_000);
        assert!(deadline >= earliest, "{} early", earliest - deadline);
        assert_eq!(Deadline::from(Instant::now()).nanos(7), 7, "it is over");
    }

    #[test]
    fn no_duration_overflows() {
        for left in [Duration::MAX, Duration::from_nanos(u64::MAX)] {
            let deadline = Deadline::from(left).fixed();
            assert_eq!(deadline, Deadline::NEVER);
            assert_eq!(deadline.left(), u64::MAX);
            assert!(!deadline.is_over());
        }
        assert_eq!(Deadline::after(u64::MAX - 1, 2), Deadline::NEVER);
        let soon = Deadline::from(MOMENT).fixed();
        assert_eq!(soon.earlier(Deadline::NEVER), soon);
        assert!(soon.left() <= MOMENT.as_nanos() as u64);
        let past = Deadline::after(0, 1);
        assert!(past.is_over());
        assert_eq!(past.left(), 0);
    }

    /// The locks of a ring share one deadline: when the first wait has used it up, the
    /// others are tried once.
    #[test]
    fn a_deadline_that_is_over_leaves_one_attempt() {
        let over = Deadline::from(Duration::ZERO).fixed();
        let mut attempts = 0;
        for found in [false, true] {
            let retried = over.retry(|| {
                attempts += 1;
                Ok(found)
            });
            assert_eq!(retried.expect("no attempt fails"), found);
        }
        assert_eq!(attempts, 2);
        let retried = Deadline::NEVER.retry(|| {
            attempts += 1;
            Ok(attempts == 5)
        });
        assert!(retried.expect("no attempt fails"));
    }
}
