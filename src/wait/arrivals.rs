//! When messages arrive, if at even intervals: the estimate of
//! [`WaitStrategy::Adaptive`](super::WaitStrategy::Adaptive).
//!
//! Mean and mean deviation of the interval between two waits' ends, as TCP estimates
//! a round trip (Jacobson, Congestion Avoidance and Control, 1988). An endpoint that sleeps
//! until just before the next message also learns how late the kernel ends its sleeps.

/// Intervals in a row near the mean after which the intervals count as even.
const EVEN: u32 = 8;
/// The limit of the count of such intervals.
const MOST_EVEN: u32 = 16;
/// What an interval far from the mean subtracts from that count.
const OUTLIER: u32 = 4;
/// The least nanoseconds before the next message at which an endpoint is up.
const SHORTEST_MARGIN: u64 = 5_000;
/// Nanoseconds: a sleep that ends later than this does not count.
const LONGEST_OVERSLEEP: u64 = 200_000;

/// The waits of one endpoint so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    last: u64,
    mean: u64,
    deviation: u64,
    even: u32,
    /// How late the kernel ends this endpoint's sleeps.
    oversleep: u64,
}

/// When an endpoint spins for the next message: nanoseconds on the clock of the waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Arrivals {
    /// A wait has succeeded.
    pub(super) fn message_arrived(&mut self, now: u64) {
        let interval = now.saturating_sub(self.last);
        self.last = now;
        let off = interval.abs_diff(self.mean);
        if off < self.mean / 4 {
            self.even = (self.even + 1).min(MOST_EVEN);
            self.mean = towards(self.mean, interval, 8);
            self.deviation = towards(self.deviation, off, 8);
        } else {
            self.even = self.even.saturating_sub(OUTLIER);
            if self.even == 0 {
                self.mean = interval;
                self.deviation = 0;
            }
        }
    }

    /// A sleep until a given time has ended this much later.
    pub(super) fn overslept(&mut self, by: u64) {
        let by = by.min(LONGEST_OVERSLEEP);
        // Grows at once and shrinks slowly: being late costs more than being early.
        self.oversleep = by.max(towards(self.oversleep, by, 16));
    }

    /// When to be up for the next message, if the intervals are even, and long compared with the
    /// wait for one message.
    pub(super) fn window(&self) -> Option<Window> {
        let margin = SHORTEST_MARGIN + self.oversleep + 4 * self.deviation;
        if self.even < EVEN || margin >= self.mean / 4 {
            return None;
        }
        let due = self.last.saturating_add(self.mean);
        Some(Window {
            begin: due.saturating_sub(margin),
            end: due.saturating_add(margin),
        })
    }
}

/// `mean`, moved part of the way to `sample`.
fn towards(mean: u64, sample: u64, parts: u64) -> u64 {
    if sample >= mean {
        mean.saturating_add((sample - mean) / parts)
    } else {
        mean - (mean - sample).div_ceil(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 1_000_000;

    fn even(messages: u64) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for number in 1..=messages {
            arrivals.message_arrived(number * PERIOD);
        }
        arrivals
    }

    #[test]
    fn even_messages_open_a_window_around_the_next_one() {
        assert_eq!(even(EVEN.into()).window(), None, "too few to know");
        let window = even(20).window().expect("they come evenly");
        assert_eq!(window.begin, 21 * PERIOD - SHORTEST_MARGIN);
        assert_eq!(window.end, 21 * PERIOD + SHORTEST_MARGIN);
    }

    #[test]
    fn the_window_opens_earlier_for_a_kernel_that_ends_sleeps_late() {
        let mut arrivals = even(20);
        arrivals.overslept(60_000);
        let begin = |arrivals: &Arrivals| arrivals.window().expect("a window").begin;
        assert_eq!(begin(&arrivals), 21 * PERIOD - SHORTEST_MARGIN - 60_000);
        arrivals.overslept(0);
        assert_eq!(begin(&arrivals), 21 * PERIOD - SHORTEST_MARGIN - 56_250);
        for _ in 0..1000 {
            arrivals.overslept(0);
        }
        assert_eq!(begin(&arrivals), 21 * PERIOD - SHORTEST_MARGIN);
    }

    #[test]
    fn one_message_that_is_missed_changes_nothing() {
        let mut arrivals = even(20);
        arrivals.message_arrived(22 * PERIOD);
        let window = arrivals.window().expect("still even");
        assert_eq!(window.begin, 23 * PERIOD - SHORTEST_MARGIN);
    }

    #[test]
    fn a_new_period_is_learned() {
        let mut arrivals = even(20);
        for number in 1..=20 {
            arrivals.message_arrived(20 * PERIOD + number * 3 * PERIOD);
        }
        let window = arrivals.window().expect("even again");
        assert_eq!(window.begin, 83 * PERIOD - SHORTEST_MARGIN);
    }

    #[test]
    fn messages_that_spread_open_no_window() {
        let mut arrivals = Arrivals::default();
        let mut time = 0;
        for number in 0..1000_u64 {
            // Within a quarter of the mean, so that the deviation decides.
            time += PERIOD + (number * 7919 % 5) * 80_000;
            arrivals.message_arrived(time);
        }
        assert_eq!(arrivals.window(), None);
        // Intervals of which none is near another.
        let mut arrivals = Arrivals::default();
        let mut time = 0;
        for number in 0..1000 {
            time += PERIOD << (number % 3);
            arrivals.message_arrived(time);
            assert_eq!(arrivals.window(), None);
        }
    }

    #[test]
    fn messages_too_close_for_a_sleep_open_no_window() {
        let mut arrivals = Arrivals::default();
        for number in 0..100 {
            arrivals.message_arrived(number * SHORTEST_MARGIN);
        }
        assert_eq!(arrivals.window(), None);
    }
}
