//! `quoit metrics`: the rings for a monitoring system.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;

use crate::entry::Entry;
use crate::interrupt::{Input, Interrupt, MOMENT};
use crate::names::{self, expanded};
use crate::output::Output;
use crate::report::seconds;
use crate::sight::{Look, Peer, ROLES};
use crate::stop::Stop;
use crate::wrong::wrong;

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

    /// Serve GET /metrics at this address until a signal comes, as in 127.0.0.1:9400
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

/// When both ends of a ring, which its incarnation names, were seen to move.
type Moves = BTreeMap<u64, ([u64; 2], [Option<SystemTime>; 2])>;

impl Metrics {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        let mut moves = Moves::new();
        let Some(address) = self.listen else {
            self.look(&mut moves)?;
            thread::sleep(WHILE);
            let text = text(&self.look(&mut moves)?, &moves, self.openmetrics);
            return output.answer(text.as_bytes());
        };
        let interrupt = Interrupt::listen()?;
        let doing = || format!("listen at {address}");
        let listener = TcpListener::bind(address).map_err(Stop::io(doing()))?;
        let nonblocking = listener.set_nonblocking(true);
        let bound = nonblocking.and_then(|()| listener.local_addr());
        let bound = bound.map_err(Stop::io(doing()))?;
        output.answer(format!("listening at http://{bound}/metrics\n").as_bytes())?;
        loop {
            if let Input::None = interrupt.input(listener.as_fd(), 10 * MOMENT)? {
                // What moves between two requests was seen.
                self.look(&mut moves)?;
                continue;
            }
            // A client that goes away, or sends no request, is its own affair.
            if let Ok((client, _)) = listener.accept() {
                let _ = self.serve(client, &mut moves);
            }
        }
    }

    fn look(&self, moves: &mut Moves) -> Result<Vec<Entry>, Stop> {
        let names = match &*self.names {
            [] => names::all()?,
            given => expanded(given)?,
        };
        let entries: Vec<_> = names.into_iter().filter_map(Entry::of).collect();
        let mut seen = Moves::new();
        for entry in &entries {
            let Ok((_, look)) = &entry.ring else { continue };
            let (positions, incarnation) = (look.sample.positions, look.info.incarnation);
            let now = [positions.tail, positions.head];
            let before = moves.get(&incarnation);
            let mut times = before.map_or([None; 2], |(_, times)| *times);
            if let Some((then, _)) = before {
                for at in 0..2 {
                    if now[at] != then[at] {
                        times[at] = Some(SystemTime::now());
                    }
                }
            }
            seen.insert(incarnation, (now, times));
        }
        *moves = seen;
        Ok(entries)
    }

    fn serve(&self, mut client: TcpStream, moves: &mut Moves) -> io::Result<()> {
        let until = Instant::now() + SLOWEST;
        client.set_nonblocking(false)?;
        client.set_write_timeout(Some(SLOWEST))?;
        let mut request = Vec::new();
        let (status, kind, body) = loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || request.len() > LONGEST {
                return Ok(());
            }
            client.set_read_timeout(Some(left))?;
            let mut piece = [0; 1024];
            let count = client.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            request.extend_from_slice(&piece[..count]);
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&request) {
                Ok(httparse::Status::Partial) => continue,
                Err(_) => break ("400 Bad Request", PROMETHEUS, "no request\n".to_owned()),
                Ok(httparse::Status::Complete(_)) => {}
            }
            let path = parsed
                .path
                .map(|path| path.split('?').next().unwrap_or(path));
            match (parsed.method, path) {
                (Some("GET" | "HEAD"), Some("/metrics" | "/")) => {}
                (Some("GET" | "HEAD"), _) => {
                    break ("404 Not Found", PROMETHEUS, "try /metrics\n".to_owned());
                }
                _ => break ("405 Method Not Allowed", PROMETHEUS, String::new()),
            }
            let accepts = parsed.headers.iter().any(|header| {
                let value = String::from_utf8_lossy(header.value);
                header.name.eq_ignore_ascii_case("accept")
                    && value.contains("application/openmetrics-text")
            });
            let kind = if accepts { OPENMETRICS } else { PROMETHEUS };
            break match self.look(moves) {
                Ok(entries) => ("200 OK", kind, text(&entries, moves, accepts)),
                Err(stop) => ("500 Internal Server Error", PROMETHEUS, format!("{stop}\n")),
            };
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
        Ok(())
    }
}

/// What a metric is of: its labels and value.
type Row = (String, String);

/// The families, each with its rows.
struct Families {
    text: String,
    is_openmetrics: bool,
}

impl Families {
    fn family(&mut self, name: &str, kind: &str, help: &str, rows: impl Iterator<Item = Row>) {
        let suffix = match kind {
            "counter" => "_total",
            _ => "",
        };
        // The names of families differ: in OpenMetrics it has no suffix.
        let family = match self.is_openmetrics {
            true => name.to_owned(),
            false => format!("{name}{suffix}"),
        };
        let _ = write!(
            self.text,
            "# HELP quoit_{family} {help}\n# TYPE quoit_{family} {kind}\n"
        );
        for (labels, value) in rows {
            let _ = writeln!(self.text, "quoit_{name}{suffix}{{{labels}}} {value}");
        }
    }
}

/// A label's value, as both formats have it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', r"\\").replace('"', "\\\"");
    text.replace('\n', r"\n")
}

/// Name, kind and help.
type Family = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
const OF_RING: [Family; 4] = [
    ("capacity", "gauge", "What the ring holds, in its unit."),
    ("unread", "gauge", "Published and not released, in its unit."),
    ("pushed", "counter", "The tail: published since the ring was made."),
    ("popped", "counter", "The head: released since the ring was made."),
];

#[rustfmt::skip]
const OF_END: [Family; 6] = [
    ("attached", "gauge", "Whether a process holds the role."),
    ("attaches", "counter", "How often the role was taken."),
    ("parks", "counter", "Sleeps."),
    ("wakes", "counter", "Wake-ups sent to the peer."),
    ("rescues", "counter", "Sleeps that only a timeout ended."),
    ("dropped", "counter", "Messages that the process says it dropped."),
];

fn of_ring(look: &Look, name: &str) -> u64 {
    let positions = look.sample.positions;
    match name {
        "capacity" => look.info.capacity,
        "unread" => positions.len(),
        "pushed" => positions.tail,
        _ => positions.head,
    }
}

fn of_end(peer: &Peer, name: &str) -> u64 {
    match name {
        "attached" => peer.is_alive.into(),
        "attaches" => peer.state.epoch,
        "parks" => peer.state.parks,
        "wakes" => peer.state.wakes,
        "rescues" => peer.state.rescues,
        _ => peer.state.dropped,
    }
}

fn text(entries: &[Entry], moves: &Moves, is_openmetrics: bool) -> String {
    let mut families = Families {
        text: String::new(),
        is_openmetrics,
    };
    let ring = |entry: &Entry| format!("ring=\"{}\"", escaped(&entry.shown()));
    let state = |entry: &Entry| match &entry.ring {
        Ok((_, look)) if look.corrupt.is_some() => "corrupt",
        Ok(_) => "ok",
        Err(trouble) => trouble.state(),
    };
    let states = entries.iter().map(|entry| {
        let labels = format!("{},state=\"{}\"", ring(entry), state(entry));
        (labels, "1".to_owned())
    });
    let help = "Each ring, and whether it can be read: 1 with its state.";
    families.family("state", "gauge", help, states);
    // A corrupt ring has no numbers that mean anything.
    let sound: Vec<_> = entries
        .iter()
        .filter_map(|entry| Some((ring(entry), entry, &entry.ring.as_ref().ok()?.1)))
        .filter(|(_, _, look)| look.corrupt.is_none())
        .collect();
    let troubles = sound.iter().map(|(labels, entry, look)| {
        let count = wrong(&entry.shown(), look, None).len();
        (labels.clone(), count.to_string())
    });
    let help = "What quoit stat calls wrong.";
    families.family("wrong", "gauge", help, troubles);
    for (name, kind, help) in OF_RING {
        let rows = sound.iter().map(|(labels, _, look)| {
            let labels = format!("{labels},unit=\"{}\"", look.unit());
            (labels, of_ring(look, name).to_string())
        });
        families.family(name, kind, help, rows);
    }
    for (name, kind, help) in OF_END {
        let rows = sound.iter().flat_map(|(labels, _, look)| {
            ROLES.map(|role| {
                let labels = format!("{labels},role=\"{role}\"");
                (labels, of_end(&look.peer(role), name).to_string())
            })
        });
        families.family(name, kind, help, rows);
    }
    let moved = sound.iter().flat_map(|(labels, _, look)| {
        let times = moves.get(&look.info.incarnation);
        let times = times.map_or([None; 2], |(_, times)| *times);
        let times = ROLES.into_iter().zip(times);
        let times = times.filter_map(|(role, time)| Some((role, time?)));
        times.map(move |(role, time)| {
            let labels = format!("{labels},role=\"{role}\"");
            (labels, format!("{:.3}", seconds(time)))
        })
    });
    let help = "When an end was seen to move last; missing until it is.";
    families.family("last_move_timestamp_seconds", "gauge", help, moved);
    if is_openmetrics {
        families.text += "# EOF\n";
    }
    families.text
}
