//! The results as tables.

use super::common::figures::{scaled, three_digits};
use super::end::{Transport, word};
use super::report::Report;

/// The result of one transport.
pub(crate) struct Row {
    pub(crate) transport: Transport,
    near: Report,
    far: Report,
}

impl Row {
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            near: Report::new(),
            far: Report::new(),
        }
    }

    /// Takes the totals of both endpoints.
    pub(crate) fn take(&mut self, (near, far): (Report, Report)) {
        (self.near, self.far) = (near, far);
    }

    /// Whether each endpoint has verified everything that the other one sent.
    pub(crate) fn is_clean(&self) -> bool {
        let got_all = |receiver: &Report, sender: &Report| {
            receiver.check.is_clean() && receiver.check.verified == sender.sent
        };
        got_all(&self.far, &self.near) && got_all(&self.near, &self.far)
    }

    /// The fault, if there is one.
    fn flaws(&self) -> String {
        if self.is_clean() {
            return String::new();
        }
        format!(
            "  FAILED: there {}; back {}",
            self.far.check, self.near.check
        )
    }

    /// Messages per second, if any were timed.
    fn rate(&self) -> Option<f64> {
        let timed = self.far.timed as f64;
        (timed > 0.0).then(|| timed / self.far.time.as_secs_f64())
    }

    /// Bytes of content per second.
    fn throughput(&self) -> Option<f64> {
        self.rate()?;
        Some(self.far.bytes as f64 / self.far.time.as_secs_f64())
    }

    /// Nanoseconds that this part of the round trips did not exceed.
    fn nanoseconds(&self, part: f64) -> Option<f64> {
        let trips = &self.near.round_trips;
        (!trips.is_empty()).then(|| trips.value_at_quantile(part) as f64)
    }

    fn round_trips_per_second(&self) -> Option<f64> {
        Some(1e9 / self.nanoseconds(0.5)?)
    }
}

/// How many times as fast as a pipe and as a socket `row` is.
fn ratios(rows: &[Row], row: &Row, speed: impl Fn(&Row) -> Option<f64>) -> [String; 2] {
    [Transport::Pipe, Transport::Socket].map(|transport| {
        let other = rows.iter().find(|row| row.transport == transport);
        let ratio = || Some(speed(row)? / speed(other?)?);
        shown(ratio(), |ratio| format!("{}x", three_digits(ratio)))
    })
}

/// A measured number, or a dash.
fn shown(number: Option<f64>, show: impl Fn(f64) -> String) -> String {
    number.map_or_else(|| "-".to_owned(), show)
}

/// One line for each transport: what was sent, what arrived, how fast.
pub(crate) fn one_way(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<40} {:>6} {:>8} {:>9} {:>5} {:>6}\n",
        "one way", "bytes", "messages", "content", "pipe", "socket"
    );
    for row in rows {
        let bytes = match row.transport {
            Transport::Frames => "16-255",
            _ => "32",
        };
        let [pipe, socket] = ratios(rows, row, Row::rate);
        text += &format!(
            "{:<6} {:>9} sent {:>9} verified {bytes:>6} {:>8} {:>9} {pipe:>5} {socket:>6}{}\n",
            word(row.transport),
            row.near.sent,
            row.far.check.verified,
            shown(row.rate(), |rate| format!("{}/s", scaled(rate))),
            shown(row.throughput(), |rate| format!("{}B/s", scaled(rate))),
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
        let part = |part| shown(row.nanoseconds(part), |time| time.to_string());
        let [pipe, socket] = ratios(rows, row, Row::round_trips_per_second);
        text += &format!(
            "{:<14} {:>7} {:>7} {:>7} {:>7} {:>7} {:>9} {pipe:>5} {socket:>6}{}\n",
            word(row.transport),
            row.near.round_trips.len(),
            part(0.5),
            part(0.9),
            part(0.99),
            part(0.999),
            part(1.0),
            row.flaws()
        );
    }
    text
}

/// What the numbers mean.
pub(crate) fn legend(cores: Option<(usize, usize)>) -> String {
    let places = match cores {
        Some((near, far)) => format!(
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
