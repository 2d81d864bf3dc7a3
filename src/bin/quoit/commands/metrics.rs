//! `quoit metrics`: the rings for a monitoring system.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use quoit::Role;
use serde_json::{Value, json};

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::Output;
use crate::report::{Ring, seconds};
use crate::sight::ROLES;
use crate::stop::Stop;
use crate::watch::Watch;

/// Prints metrics of rings in Prometheus' text format, or serves them over HTTP
///
/// For the textfile collector of node_exporter: quoit metrics > quoit.prom.tmp && mv
/// quoit.prom.tmp quoit.prom
#[derive(Args)]
pub(crate) struct Metrics {
    /// The rings: names in /dev/shm, paths with a /, or patterns such as 'feed-*'
    /// [default: all in /dev/shm]
    names: Vec<PathBuf>,

    /// Print OpenMetrics 1.0; over HTTP the Accept header of each request decides
    #[arg(long)]
    openmetrics: bool,

    /// Serve GET /metrics at this address until a signal arrives, as in 127.0.0.1:9400
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Between the two looks of one answer, which tell what moves.
const WHILE: Duration = Duration::from_millis(200);
/// How long a client may take.
const SLOWEST: Duration = Duration::from_secs(2);
/// A request has at most this many pieces.
const PIECES: u32 = 8;
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut watch = Watch::new(&self.names)?;
        let Some(address) = self.listen else {
            thread::sleep(WHILE);
            watch.look()?;
            return output.answer(text(&watch, self.openmetrics));
        };
        let interrupt = Interrupt::listen()?;
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, bound) = bind().map_err(Stop::io(format!("listen at {address}")))?;
        output.answer(format!("listening at http://{bound}/metrics\n"))?;
        loop {
            if interrupt.input(listener.as_fd(), 10 * MOMENT)?.is_empty() {
                // What moves between two requests was seen.
                watch.look()?;
                continue;
            }
            // A client that closes the connection, or sends no request, is its own affair.
            if let Ok((client, _)) = listener.accept() {
                let _ = serve(client, &mut watch);
            }
        }
    }
}

fn serve(mut client: TcpStream, watch: &mut Watch) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_write_timeout(Some(SLOWEST))?;
    client.set_read_timeout(Some(SLOWEST / PIECES))?;
    let mut request = Vec::new();
    for _ in 0..PIECES {
        let mut piece = [0; 2048];
        let count = client.read(&mut piece)?;
        request.extend_from_slice(&piece[..count]);
        let Some((status, kind, body)) = answer(&request, watch) else {
            continue;
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        client.write_all(head.as_bytes())?;
        if !request.starts_with(b"HEAD") {
            client.write_all(body.as_bytes())?;
        }
        break;
    }
    Ok(())
}

/// Status, type and body; nothing of a request that is not complete.
fn answer(request: &[u8], watch: &mut Watch) -> Option<(&'static str, &'static str, String)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(status) if status.is_partial() => return None,
        Ok(_) => {}
        Err(_) => return Some(("400 Bad Request", PROMETHEUS, "no request\n".to_owned())),
    }
    let path = parsed.path.and_then(|path| path.split('?').next());
    let refusal = match (parsed.method, path) {
        (Some("GET" | "HEAD"), Some("/metrics" | "/")) => None,
        (Some("GET" | "HEAD"), _) => Some("404 Not Found"),
        _ => Some("405 Method Not Allowed"),
    };
    if let Some(refusal) = refusal {
        return Some((refusal, PROMETHEUS, "try GET /metrics\n".to_owned()));
    }
    let accepts = parsed.headers.iter().any(|header| {
        let value = String::from_utf8_lossy(header.value);
        header.name.eq_ignore_ascii_case("accept") && value.contains("application/openmetrics-text")
    });
    let kind = if accepts { OPENMETRICS } else { PROMETHEUS };
    Some(match watch.look() {
        Ok(()) => ("200 OK", kind, text(watch, accepts)),
        Err(stop) => ("500 Internal Server Error", PROMETHEUS, format!("{stop}\n")),
    })
}

/// Labels, and the value.
type Row = (String, Value);

/// The text of a family, with its rows.
fn family(
    (name, kind, help): Family,
    is_openmetrics: bool,
    rows: impl Iterator<Item = Row>,
) -> String {
    let suffix = if kind == "counter" { "_total" } else { "" };
    // In OpenMetrics a family has none.
    let family = if is_openmetrics { "" } else { suffix };
    let mut text = format!("# HELP quoit_{name}{family} {help}\n");
    text += &format!("# TYPE quoit_{name}{family} {kind}\n");
    for (labels, value) in rows {
        let value = value
            .as_bool()
            .map_or(value.clone(), |is| u8::from(is).into());
        text += &format!("quoit_{name}{suffix}{{{labels}}} {value}\n");
    }
    text
}

/// Name, kind and help.
type Family = (&'static str, &'static str, &'static str);

const STATE: Family = (
    "state",
    "gauge",
    "Each ring, and whether it can be read: 1 with its state.",
);
const WRONG: Family = ("wrong", "gauge", "What quoit stat calls wrong.");
const MOVED: Family = (
    "last_move_timestamp_seconds",
    "gauge",
    "When an endpoint was seen to move last; missing until it is.",
);

/// Each with its key in the JSON of a ring.
#[rustfmt::skip]
const OF_RING: [(&str, Family); 4] = [
    ("capacity", ("capacity", "gauge", "What the ring holds, in its unit.")),
    ("fill", ("unread", "gauge", "Published and not released, in its unit.")),
    ("tail", ("pushed", "counter", "The tail: published since the ring was made.")),
    ("head", ("popped", "counter", "The head: released since the ring was made.")),
];

/// Each with its key in the JSON of an endpoint.
#[rustfmt::skip]
const OF_ENDPOINT: [(&str, Family); 6] = [
    ("alive", ("attached", "gauge", "Whether a process holds the role.")),
    ("epoch", ("attaches", "counter", "How often the role was taken.")),
    ("parks", ("parks", "counter", "Sleeps.")),
    ("wakes", ("wakes", "counter", "Wake-ups sent to the peer.")),
    ("rescues", ("rescues", "counter", "Sleeps that only a timeout ended.")),
    ("dropped", ("dropped", "counter", "Messages that the process says it dropped.")),
];

/// A label's value, as both formats have it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    text.replace('\n', r"\n")
}

fn text(watch: &Watch, is_openmetrics: bool) -> String {
    let rings = watch.rings.iter().map(|ring| {
        let name = format!("ring=\"{}\"", escaped(&ring.entry.shown()));
        let facts = json!(Ring::of(&ring.entry, Some(&ring.motion), None));
        (name, facts, ring.motion.moved)
    });
    let rings: Vec<_> = rings.collect();
    let states = rings.iter().map(|(name, ring, _)| {
        let labels = format!("{name},state={}", ring["state"]);
        (labels, true.into())
    });
    let mut text = family(STATE, is_openmetrics, states);
    // A corrupt ring has no numbers that mean anything.
    let sound = rings.iter().filter(|(_, ring, _)| ring["state"] == "ok");
    let wrong = sound.clone().map(|(name, ring, _)| {
        let count = ring["wrong"].as_array().map_or(0, Vec::len);
        (name.clone(), count.into())
    });
    text += &family(WRONG, is_openmetrics, wrong);
    for (key, about) in OF_RING {
        let rows = sound.clone().map(|(name, ring, _)| {
            let labels = format!("{name},unit={}", ring["unit"]);
            (labels, ring[key].clone())
        });
        text += &family(about, is_openmetrics, rows);
    }
    let labels = |name: &str, role: Role| format!("{name},role=\"{role}\"");
    for (key, about) in OF_ENDPOINT {
        let rows = sound.clone().flat_map(|(name, ring, _)| {
            let value = |role: Role| ring[role.to_string()][key].clone();
            ROLES.map(|role| (labels(name, role), value(role)))
        });
        text += &family(about, is_openmetrics, rows);
    }
    let rows = sound.flat_map(|(name, _, moved)| {
        let ends = ROLES.into_iter().zip(*moved);
        ends.filter_map(move |(role, time)| Some((labels(name, role), seconds(time?).into())))
    });
    text += &family(MOVED, is_openmetrics, rows);
    text + if is_openmetrics { "# EOF\n" } else { "" }
}
