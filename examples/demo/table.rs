//! The results as tables.

use super::common::numbers::{scaled, three_digits};
use super::endpoint::Report;

/// The result of one transport.
pub(crate) struct Row {
    pub(crate) transport: &'static str,
    /// The totals of both endpoints.
    pub(crate) ends: [Report; 2],
}

/// Numbers that are not measured are not finite.
impl Row {
    pub(crate) fn new(transport: &'static str) -> Self {
        let ends = [Report::default(); 2];
        Self { transport, ends }
    }

    /// Whether each endpoint has verified everything that the other one sent.
    pub(crate) fn is_clean(&self) -> bool {
        let [near, far] = self.ends;
        [(near, far), (far, near)].iter().all(|(receiver, sender)| {
            receiver.check.is_clean() && receiver.check.verified == sender.sent
        })
    }

    /// The fault, if there is one.
    fn flaws(&self) -> String {
        let [near, far] = self.ends;
        match self.is_clean() {
            true => String::new(),
            false => format!("  FAILED: there {}; back {}", far.check, near.check),
        }
    }

    /// Messages per second.
    fn rate(&self) -> f64 {
        let [_, far] = self.ends;
        far.timed as f64 * 1e9 / far.nanoseconds as f64
    }

    /// The inverse of the time that half of the round trips did not exceed.
    fn speed(&self) -> f64 {
        let [near, _] = self.ends;
        near.trips.min(1) as f64 / near.trip_nanoseconds[0] as f64
    }
}

/// How many times as fast as a pipe and as a socket `row` is.
fn ratios(rows: &[Row], row: &Row, speed: fn(&Row) -> f64) -> [String; 2] {
    ["pipe", "socket"].map(|transport| {
        let other = rows.iter().find(|row| row.transport == transport);
        let ratio = speed(row) / other.map_or(f64::NAN, speed);
        shown(ratio, |ratio| format!("{}x", three_digits(ratio)))
    })
}

/// A measured number, or a dash.
fn shown(number: f64, show: impl Fn(f64) -> String) -> String {
    match number.is_finite() {
        true => show(number),
        false => "-".to_owned(),
    }
}

/// One line for each transport: what was sent, what arrived, how fast.
pub(crate) fn one_way(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<40} {:>6} {:>8} {:>9} {:>5} {:>6}\n",
        "one way", "bytes", "messages", "content", "pipe", "socket"
    );
    for row in rows {
        let [near, far] = row.ends;
        let bytes = if row.transport == "frames" {
            "16-255"
        } else {
            "32"
        };
        let content = row.rate() * far.bytes as f64 / far.timed as f64;
        let [pipe, socket] = ratios(rows, row, Row::rate);
        text += &format!(
            "{:<7} {:>8} sent {:>9} verified {bytes:>6} {:>8} {:>9} {pipe:>5} {socket:>6}{}\n",
            row.transport,
            near.sent,
            far.check.verified,
            shown(row.rate(), |rate| scaled(rate) + "/s"),
            shown(content, |rate| scaled(rate) + "B/s"),
            row.flaws()
        );
    }
    text
}

/// One line for each transport: how long a message took there and back.
pub(crate) fn round_trips(rows: &[Row]) -> String {
    let mut text = format!(
        "\n{:<14} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9} {:>5} {:>6}\n",
        "round trip, ns", "trips", "p50", "p90", "p99", "p99.9", "max", "pipe", "socket"
    );
    for row in rows {
        let [near, _] = row.ends;
        let [p50, p90, p99, p999, max] =
            near.trip_nanoseconds.map(|nanoseconds| match near.trips {
                0 => "-".to_owned(),
                _ => nanoseconds.to_string(),
            });
        let [pipe, socket] = ratios(rows, row, Row::speed);
        text += &format!(
            "{:<14} {:>7} {p50:>7} {p90:>7} {p99:>7} {p999:>7} {max:>9} {pipe:>5} {socket:>6}{}\n",
            row.transport,
            near.trips,
            row.flaws()
        );
    }
    text
}

/// What the numbers mean.
pub(crate) fn legend(cores: Option<[usize; 2]>) -> String {
    let places = match cores {
        Some([near, far]) => format!(
            "Processes run where the kernel puts them, but in round trips the endpoints of a
ring stay on core {near} and core {far}."
        ),
        None => "Only one core may be used, so both processes share it.".to_owned(),
    };
    format!(
        "
pipe, socket: how many times as fast as that one, by messages/s and by p50.
Each message is one call at each endpoint, and its making and verifying count.
A ring holds 1 MiB, a pipe 64 KiB. A round trip has 32 bytes each way.
{places}
"
    )
}
