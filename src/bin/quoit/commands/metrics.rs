//! `quoit metrics`: the rings for a monitoring system.

use std::io::{self, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::event::PollFlags;
use serde_json::{Value, json};

use crate::interrupt::{Interrupt, MOMENT};
use crate::output::{Output, plain};
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

/// How long a client may take.
const SLOWEST: Duration = Duration::from_secs(2);
/// A request has at most this many pieces.
const PIECES: u32 = 8;
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let Some(address) = self.listen else {
            let watch = Watch::twice(&self.names)?;
            let mut text = text(&watch, self.openmetrics);
            if io::stdout().is_terminal() {
                text = text.lines().map(|line| plain(line) + "\n").collect();
            }
            output.answer(text)?;
            return watch.must_find_all();
        };
        let mut watch = Watch::new(&self.names)?;
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
            let request = Some((listener.as_fd(), PollFlags::IN));
            if interrupt.poll(request, Some(10 * MOMENT))?.is_empty() {
                // What moves between two requests was seen. A request says what fails.
                let _ = watch.look();
                continue;
            }
            match listener.accept() {
                // A client that closes the connection, or sends no request, is its own affair.
                Ok((client, _)) => drop(serve(client, &mut watch)),
                // It may be there still, without a descriptor for it.
                Err(_) => interrupt.sleep(MOMENT)?,
            }
        }
    }
}

fn serve(mut client: TcpStream, watch: &mut Watch) -> io::Result<()> {
    client.set_nonblocking(false)?;
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
        let until = Instant::now() + SLOWEST;
        write_all(&mut client, head.as_bytes(), until)?;
        if !request.starts_with(b"HEAD") {
            write_all(&mut client, body.as_bytes(), until)?;
        }
        break;
    }
    Ok(())
}

/// For a client that reads slowly the timeout of a socket would begin again with each piece.
fn write_all(client: &mut TcpStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        client.set_write_timeout(Some(left))?;
        match client.write(bytes) {
            // As after a stop: with a timeout the kernel does not restart the call.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => bytes = &bytes[written?..],
        }
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
    let is_openmetrics = parsed.headers.iter().any(|header| {
        let value = String::from_utf8_lossy(header.value);
        header.name.eq_ignore_ascii_case("accept") && value.contains("application/openmetrics-text")
    });
    let path = parsed.path.and_then(|path| path.split('?').next());
    let refused = match (parsed.method, path) {
        (Some("GET" | "HEAD"), Some("/metrics" | "/")) => match watch.look() {
            Ok(()) if is_openmetrics => return Some(("200 OK", OPENMETRICS, text(watch, true))),
            Ok(()) => return Some(("200 OK", PROMETHEUS, text(watch, false))),
            Err(stop) => ("500 Internal Server Error", format!("{stop}\n")),
        },
        (Some("GET" | "HEAD"), _) => ("404 Not Found", "try GET /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "try GET /metrics\n".to_owned()),
    };
    Some((refused.0, PROMETHEUS, refused.1))
}

/// What a family has rows of.
#[derive(Clone, Copy)]
enum Of {
    /// Each ring, and whether it can be read.
    All,
    /// Sound rings: a corrupt one has no numbers that mean anything.
    Ring,
    Role,
}

/// Each with its key in the JSON of a ring, or of an endpoint.
#[rustfmt::skip]
const FAMILIES: [(Of, &str, &str, &str, &str); 13] = [
    (Of::All, "state", "state", "gauge", "Each ring, and whether it can be read: 1 with its state."),
    (Of::Ring, "wrong", "wrong", "gauge", "What quoit stat calls wrong."),
    (Of::Ring, "capacity", "capacity", "gauge", "What the ring holds, in its unit."),
    (Of::Ring, "fill", "unread", "gauge", "Published and not released, in its unit."),
    (Of::Ring, "tail", "pushed", "counter", "The tail: published since the ring was made."),
    (Of::Ring, "head", "popped", "counter", "The head: released since the ring was made."),
    (Of::Role, "alive", "attached", "gauge", "Whether a process holds the role."),
    (Of::Role, "epoch", "attaches", "counter", "How often the role was taken."),
    (Of::Role, "parks", "parks", "counter", "Sleeps."),
    (Of::Role, "wakes", "wakes", "counter", "Wake-ups sent to the peer."),
    (Of::Role, "rescues", "rescues", "counter", "Sleeps that only a timeout ended."),
    (Of::Role, "dropped", "dropped", "counter", "Messages that the process says it dropped."),
    (Of::Role, "moved", "last_move_timestamp_seconds", "gauge", "When an endpoint was seen to move last; missing until it is."),
];

/// A label's value, as both formats have it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    text.replace('\n', r"\n")
}

fn text(watch: &Watch, is_openmetrics: bool) -> String {
    let rings = watch.rings.iter().map(|ring| {
        let mut facts = json!(Ring::of(&ring.entry, Some(&ring.motion), None));
        for (role, time) in ROLES.into_iter().zip(ring.motion.moved) {
            // It is null of a ring that cannot be read.
            if let Some(end) = facts.get_mut(role.to_string()) {
                end["moved"] = json!(time.map(seconds));
            }
        }
        (format!("ring=\"{}\"", escaped(&ring.entry.shown())), facts)
    });
    let rings: Vec<_> = rings.collect();
    let mut text = String::new();
    for (of, key, name, kind, help) in FAMILIES {
        let suffix = if kind == "counter" { "_total" } else { "" };
        // In OpenMetrics a family has none.
        let family = if is_openmetrics { "" } else { suffix };
        text += &format!("# HELP quoit_{name}{family} {help}\n");
        text += &format!("# TYPE quoit_{name}{family} {kind}\n");
        for (labels, value) in rings
            .iter()
            .flat_map(|(ring, facts)| rows(of, key, ring, facts))
        {
            text += &format!("quoit_{name}{suffix}{{{labels}}} {value}\n");
        }
    }
    text + if is_openmetrics { "# EOF\n" } else { "" }
}

/// Labels and values.
fn rows(of: Of, key: &str, ring: &str, facts: &Value) -> Vec<(String, Value)> {
    let (value, is_sound) = (&facts[key], facts["state"] == "ok");
    match of {
        Of::All => vec![(format!("{ring},state={value}"), 1.into())],
        Of::Ring if is_sound => match value {
            Value::Array(all) => vec![(ring.to_owned(), all.len().into())],
            number => vec![(format!("{ring},unit={}", facts["unit"]), number.clone())],
        },
        Of::Role if is_sound => {
            let rows = ROLES.into_iter().map(|role| {
                let value = match &facts[role.to_string()][key] {
                    Value::Bool(is) => u8::from(*is).into(),
                    value => value.clone(),
                };
                (format!("{ring},role=\"{role}\""), value)
            });
            rows.filter(|(_, value)| !value.is_null()).collect()
        }
        _ => Vec::new(),
    }
}
