//! The clock that all processes share, and time limits that a loaded machine may exceed sometimes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::PATIENCE;

/// Nanoseconds on the monotonic clock, which the endpoints of a ring use.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Repeats until one attempt takes at most `most`: the machine may be busy, but not during
/// every attempt.
pub(crate) fn once_within(most: Duration, mut attempt: impl FnMut() -> Duration) {
    const TRIES: usize = 6;
    let mut times = Vec::new();
    while times.len() < TRIES {
        let time = attempt();
        if time <= most {
            return;
        }
        times.push(time);
    }
    panic!("never within {most:?}: {times:?}");
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_micros(50));
    }
}
