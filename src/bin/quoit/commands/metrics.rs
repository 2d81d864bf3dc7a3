//! `quoit metrics`: the rings for a monitoring system.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
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
/// Bytes of the longest request.
const LONGEST: usize = 8192;
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
    let until = Instant::now() + SLOWEST;
    client.set_nonblocking(false)?;
    client.set_write_timeout(Some(SLOWEST))?;
    let mut request = Vec::new();
    let (status, kind, body) = loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut piece = [0; 1024];
        client.set_read_timeout(Some(left.max(Duration::from_nanos(1))))?;
        let count = client.read(&mut piece)?;
        if count == 0 || left.is_zero() || request.len() > LONGEST {
            return Ok(());
        }
        request.extend_from_slice(&piece[..count]);
        if let Some(answer) = answer(&request, watch) {
            break answer;
        }
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    match request.starts_with(b"HEAD") {
        true => Ok(()),
        false => client.write_all(body.as_bytes()),
    }
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

/// The families, each with its rows.
struct Families {
    text: String,
    is_openmetrics: bool,
}

impl Families {
    fn family(&mut self, (name, kind, help): Family) {
        // In OpenMetrics a family has no suffix.
        let suffix = if kind == "counter" { "_total" } else { "" };
        let family = if self.is_openmetrics { "" } else { suffix };
        let about =
            format!("# HELP quoit_{name}{family} {help}\n# TYPE quoit_{name}{family} {kind}\n");
        self.text += &about;
    }

    /// A metric, with its labels, of the family that was last.
    fn row(&mut self, (name, kind, _): Family, labels: &str, value: &Value) {
        let suffix = if kind == "counter" { "_total" } else { "" };
        let value = value
            .as_bool()
            .map_or(value.clone(), |is| u8::from(is).into());
        let _ = writeln!(self.text, "quoit_{name}{suffix}{{{labels}}} {value}");
    }
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
    let mut families = Families {
        text: String::new(),
        is_openmetrics,
    };
    let rings = watch.rings.iter().map(|ring| {
        let name = format!("ring=\"{}\"", escaped(&ring.entry.shown()));
        (
            name,
            json!(Ring::of(&ring.entry, Some(&ring.motion), None)),
            ring.motion.moved,
        )
    });
    let mut rings: Vec<_> = rings.collect();
    families.family(STATE);
    for (name, ring, _) in &rings {
        families.row(
            STATE,
            &format!("{name},state={}", ring["state"]),
            &true.into(),
        );
    }
    // A corrupt ring has no numbers that mean anything.
    rings.retain(|(_, ring, _)| ring["state"] == "ok");
    families.family(WRONG);
    for (name, ring, _) in &rings {
        let count = ring["wrong"].as_array().map_or(0, Vec::len);
        families.row(WRONG, name, &count.into());
    }
    for (key, family) in OF_RING {
        families.family(family);
        for (name, ring, _) in &rings {
            families.row(family, &format!("{name},unit={}", ring["unit"]), &ring[key]);
        }
    }
    let labels = |name: &str| ROLES.map(|role| format!("{name},role=\"{role}\""));
    for (key, family) in OF_ENDPOINT {
        families.family(family);
        for (name, ring, _) in &rings {
            for (labels, role) in labels(name).iter().zip(ROLES) {
                families.row(family, labels, &ring[role.to_string()][key]);
            }
        }
    }
    families.family(MOVED);
    for (name, _, moved) in &rings {
        for (labels, time) in labels(name).iter().zip(moved) {
            if let Some(time) = time {
                families.row(MOVED, labels, &seconds(*time).into());
            }
        }
    }
    if is_openmetrics {
        families.text += "# EOF\n";
    }
    families.text
}
