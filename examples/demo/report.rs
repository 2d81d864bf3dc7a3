//! What an endpoint has done so far, as one line of text between two processes.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::common::check::Check;

/// What an endpoint has sent, received and measured since it began.
pub(crate) struct Report {
    pub(crate) sent: u64,
    pub(crate) check: Check,
    /// Messages that came while the clock ran, their bytes, and the time.
    pub(crate) timed: u64,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    /// Nanoseconds of each round trip.
    pub(crate) round_trips: Histogram<u64>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            check: Check::starting_at(0),
            timed: 0,
            bytes: 0,
            time: Duration::ZERO,
            round_trips: Histogram::new(3).expect("three digits are a precision"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check {
            verified,
            lost,
            torn,
            repeated,
            ..
        } = self.check;
        write!(f, "{} {verified} {lost} {torn} {repeated} ", self.sent)?;
        let nanoseconds = self.time.as_nanos();
        write!(f, "{} {} {nanoseconds}", self.timed, self.bytes)?;
        for bucket in self.round_trips.iter_recorded() {
            let (value, count) = (bucket.value_iterated_to(), bucket.count_at_value());
            write!(f, " {value} {count}")?;
        }
        Ok(())
    }
}

impl FromStr for Report {
    type Err = Box<dyn Error>;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let (fixed, buckets) = numbers.split_first_chunk().ok_or("a report is cut short")?;
        let [
            sent,
            verified,
            lost,
            torn,
            repeated,
            timed,
            bytes,
            nanoseconds,
        ] = *fixed;
        let mut report = Self::new();
        report.sent = sent;
        report.check.verified = verified;
        report.check.lost = lost;
        report.check.torn = torn;
        report.check.repeated = repeated;
        report.timed = timed;
        report.bytes = bytes;
        report.time = Duration::from_nanos(nanoseconds);
        for bucket in buckets.chunks_exact(2) {
            report.round_trips.record_n(bucket[0], bucket[1])?;
        }
        Ok(report)
    }
}
