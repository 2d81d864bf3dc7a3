//! A steady rate, in short bursts.

use std::thread;
use std::time::{Duration, Instant};

use super::MOMENT;

/// Longer bursts would delay the caller's other work.
const LONGEST: u64 = 1 << 16;

/// Computes how many messages are due.
pub(crate) struct Pace {
    /// Messages per second; 0 for no limit.
    rate: u64,
    last: Instant,
    owed: f64,
}

impl Pace {
    pub(crate) fn new(rate: u64) -> Self {
        let (last, owed) = (Instant::now(), 0.0);
        Self { rate, last, owed }
    }

    /// Waits a millisecond, unless the rate has no limit; returns how many messages are due then.
    pub(crate) fn burst(&mut self) -> u64 {
        if self.rate == 0 {
            return LONGEST;
        }
        thread::sleep(Duration::from_millis(1));
        // Time lost in a full ring is not caught up.
        let passed = self.last.elapsed().min(MOMENT);
        self.last = Instant::now();
        self.owed += passed.as_secs_f64() * self.rate as f64;
        let due = self.owed as u64;
        self.owed -= due as f64;
        due.min(LONGEST)
    }
}
