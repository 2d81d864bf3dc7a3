//! What a bridge reports: notes as text, and metrics in the OpenMetrics format.

use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A metric: its name, its type and what it means. The order is that of [`Count`].
const METRICS: [(&str, &str, &str); 13] = [
    (
        "messages",
        "counter",
        "Messages that the other side has permanently",
    ),
    ("bytes", "counter", "Bytes of payload of these messages"),
    (
        "published",
        "counter",
        "Messages that were sent to the server or pushed into the ring, repeats included",
    ),
    (
        "duplicates",
        "counter",
        "Messages that were there already, and were not carried over twice",
    ),
    (
        "realignments",
        "counter",
        "How often the bridge asked the server where to continue",
    ),
    (
        "gaps",
        "counter",
        "How often messages were read from the stream itself, since another delivery had them",
    ),
    (
        "refused",
        "counter",
        "Messages that the server refused for a while",
    ),
    (
        "dead_letters",
        "counter",
        "Messages that did not fit into the ring and went to the dead-letter subject",
    ),
    (
        "missing",
        "counter",
        "Messages that were deleted from the stream before they arrived",
    ),
    (
        "in_flight",
        "gauge",
        "Messages that were sent and not acknowledged",
    ),
    (
        "position",
        "gauge",
        "The ring's position after the last message that was carried over",
    ),
    (
        "sequence",
        "gauge",
        "The stream's sequence of the last message that was carried over",
    ),
    (
        "connects",
        "counter",
        "How often the connection to the server was made",
    ),
];

/// Which metric.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Messages,
    Bytes,
    Published,
    Duplicates,
    Realignments,
    Gaps,
    Refused,
    DeadLetters,
    Missing,
    InFlight,
    Position,
    Sequence,
    Connects,
}

#[derive(Default)]
struct Inner {
    ring: String,
    direction: &'static str,
    counts: [AtomicU64; METRICS.len()],
    is_connected: AtomicBool,
    tell: Option<fn(&str)>,
}

/// The counts of one ring, and where its notes go. A clone is the same.
#[derive(Clone, Default)]
pub struct Report(Arc<Inner>);

impl Report {
    /// For a ring of this name, which goes `out` or `in`. Each note is given to `tell`, one
    /// line without its end.
    pub fn new(ring: &str, direction: &'static str, tell: Option<fn(&str)>) -> Self {
        Self(Arc::new(Inner {
            ring: ring.to_owned(),
            direction,
            tell,
            ..Inner::default()
        }))
    }

    pub(crate) fn note(&self, text: &str) {
        if let Some(tell) = self.0.tell {
            tell(&format!("{} {}: {text}", self.0.direction, self.0.ring));
        }
    }

    pub(crate) fn add(&self, count: Count, number: u64) {
        self.0.counts[count as usize].fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, count: Count, number: u64) {
        self.0.counts[count as usize].store(number, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self, is_connected: bool) {
        self.0.is_connected.store(is_connected, Ordering::Relaxed);
        if is_connected {
            self.add(Count::Connects, 1);
        }
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("ring", &self.0.ring)
            .field("direction", &self.0.direction)
            .finish_non_exhaustive()
    }
}

/// All of these in OpenMetrics text.
pub fn openmetrics(reports: &[Report]) -> String {
    let mut text = String::new();
    for (index, (name, kind, help)) in METRICS.iter().enumerate() {
        let value = |inner: &Inner| inner.counts[index].load(Ordering::Relaxed);
        family(&mut text, reports, (name, kind, help), value);
    }
    let help = "1 while there is a connection to the server";
    let value = |inner: &Inner| u64::from(inner.is_connected.load(Ordering::Relaxed));
    family(&mut text, reports, ("connected", "gauge", help), value);
    text.push_str("# EOF\n");
    text
}

fn family(
    text: &mut String,
    reports: &[Report],
    (name, kind, help): (&str, &str, &str),
    value: impl Fn(&Inner) -> u64,
) {
    let suffix = if kind == "counter" { "_total" } else { "" };
    // Writing to a string does not fail.
    let _ = writeln!(text, "# TYPE quoit_nats_{name} {kind}");
    let _ = writeln!(text, "# HELP quoit_nats_{name} {help}.");
    for Report(inner) in reports {
        let ring = escaped(&inner.ring);
        let (direction, value) = (inner.direction, value(inner));
        let _ = writeln!(
            text,
            "quoit_nats_{name}{suffix}{{ring=\"{ring}\",direction=\"{direction}\"}} {value}"
        );
    }
}

/// As the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Answers each HTTP request with the metrics, until it is dropped.
pub async fn serve(listener: TcpListener, reports: Vec<Report>) -> Infallible {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // As when the process has no free descriptor: the rings must not wait for that.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let text = openmetrics(&reports);
        // A slow client does not delay the others.
        tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(5), answer(socket, text)).await;
        });
    }
}

async fn answer(mut socket: TcpStream, text: String) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 8192 {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; \
         charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(text.as_bytes()).await?;
    socket.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_each_metric_of_each_ring() {
        let one = Report::new("a\"b\\c", "out", None);
        let two = Report::new("d", "in", None);
        one.add(Count::Messages, 3);
        two.set(Count::Sequence, 5);
        two.connected(true);
        let text = openmetrics(&[one, two]);
        for line in [
            "quoit_nats_messages_total{ring=\"a\\\"b\\\\c\",direction=\"out\"} 3",
            "quoit_nats_messages_total{ring=\"d\",direction=\"in\"} 0",
            "quoit_nats_sequence{ring=\"d\",direction=\"in\"} 5",
            "quoit_nats_connects_total{ring=\"d\",direction=\"in\"} 1",
            "quoit_nats_connected{ring=\"d\",direction=\"in\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        assert_eq!(types.count(), METRICS.len() + 1);
    }
}
