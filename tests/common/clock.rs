//! A wait that ends when something is so, or by the report of a hang.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_micros(50));
    }
}
