//! The results as tables.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::common::numbers::{scaled, three_digits};

/// The result of one transport.
pub(crate) struct Row {
    pub(crate) transport: &'static str,
    pub(crate) sent: u64,
    pub(crate) verified: u64,
    /// Bytes sent one way, and how long until all was verified.
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
    /// The nanoseconds of each round trip.
    pub(crate) trips: Histogram<u64>,
}

impl Row {
    pub(crate) fn new(transport: &'static str) -> Self {
        Self {
            transport,
            sent: 0,
            verified: 0,
            bytes: 0,
            time: Duration::ZERO,
            trips: Histogram::new(3).expect("it has three digits"),
        }
    }

    /// Messages per second.
    fn rate(&self) -> f64 {
        self.sent as f64 / self.time.as_secs_f64()
    }

    /// The inverse of the time that half of the round trips did not exceed; not finite without any.
    fn speed(&self) -> f64 {
        self.trips.len().min(1) as f64 / self.trips.value_at_quantile(0.5) as f64
    }
}

/// One line for each transport: what was sent, what arrived, how fast.
pub(crate) fn one_way(rows: &[Row]) -> String {
    let head = format!(
        "{:<40} {:>6} {:>8} {:>9}",
        "one way", "bytes", "messages", "content"
    );
    table(&head, rows, Row::rate, |row| {
        let bytes = match row.transport {
            "frames" => "32-255",
            _ => "32",
        };
        let content = row.bytes as f64 / row.time.as_secs_f64();
        format!(
            "{:<7} {:>8} sent {:>9} verified {bytes:>6} {:>8} {:>9}",
            row.transport,
            row.sent,
            row.verified,
            scaled(row.rate()) + "/s",
            scaled(content) + "B/s",
        )
    })
}

/// One line for each transport: how long a message took there and back.
pub(crate) fn round_trips(rows: &[Row]) -> String {
    let line = |name: &str, trips: &str, [p50, p90, p99, p999, max]: [&str; 5]| {
        format!("{name:<14} {trips:>7} {p50:>7} {p90:>7} {p99:>7} {p999:>7} {max:>9}")
    };
    let parts = ["p50", "p90", "p99", "p99.9", "max"];
    let head = line("round trip, ns", "trips", parts);
    table(&head, rows, Row::speed, |row| {
        let parts = [0.5, 0.9, 0.99, 0.999, 1.0].map(|part| match row.trips.len() {
            0 => "-".to_owned(),
            _ => row.trips.value_at_quantile(part).to_string(),
        });
        let trips = row.trips.len().to_string();
        line(row.transport, &trips, parts.each_ref().map(String::as_str))
    })
}

/// Lines with these columns, and then how many times as fast as a pipe and as a socket the row is.
fn table(
    head: &str,
    rows: &[Row],
    speed: fn(&Row) -> f64,
    columns: impl Fn(&Row) -> String,
) -> String {
    let mut text = format!("{head} {:>5} {:>6}", "pipe", "socket");
    for row in rows {
        let [pipe, socket] = ["pipe", "socket"].map(|transport| {
            let other = rows.iter().find(|row| row.transport == transport);
            let ratio = speed(row) / other.map_or(f64::NAN, speed);
            match ratio.is_finite() {
                true => three_digits(ratio) + "x",
                false => "-".to_owned(),
            }
        });
        text += &format!("\n{} {pipe:>5} {socket:>6}", columns(row));
    }
    text
}

/// What the numbers mean.
pub(crate) fn legend(allowed: &[usize]) -> String {
    let places = match allowed {
        [near, .., far] => format!(
            "Processes run where the kernel puts them, but in round trips the endpoints of a
ring stay on core {near} and core {far}."
        ),
        _ => "Only one core may be used, so both processes share it.".to_owned(),
    };
    format!(
        "pipe, socket: how many times as fast as that one, by messages/s and by p50.
Each message is one call at each endpoint, and its making and verifying count.
A ring holds 1 MiB, a pipe 64 KiB. A round trip has 32 bytes each way.
{places}"
    )
}
