//! `quoit bench`: rings beside a pipe and a Unix socket, on this machine.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use quoit::{Consumer, Producer, RingOptions, WaitStrategy};
use serde::Serialize;
use serde_json::json;
use zerocopy::IntoBytes;

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::standard::Standard;
use crate::stop::Stop;

/// Measures rings on this machine, beside a pipe and a Unix socket
///
/// Round trips and streams of 64-byte messages between two processes. All take turns in
/// short slices, so that a busy machine slows all of them. Takes about 15 seconds.
#[derive(Args)]
pub(crate) struct Bench {
    /// Take a tenth of the time, and be rougher
    #[arg(long)]
    quick: bool,

    /// The cores of the two processes, as in 2,3 [default: the scheduler's choice]
    #[arg(long, value_name = "A,B", value_parser = pair)]
    cores: Option<(usize, usize)>,

    /// Be the other process
    #[arg(long, hide = true)]
    partner: Option<Mechanism>,

    /// The rings of the other process
    #[arg(long, hide = true, default_value = "")]
    rings: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mechanism {
    Pipe,
    Unix,
    Spin,
    Park,
}

const MECHANISMS: [(Mechanism, &str); 4] = [
    (Mechanism::Pipe, "pipe"),
    (Mechanism::Unix, "Unix socket"),
    (Mechanism::Park, "quoit parked"),
    (Mechanism::Spin, "quoit spinning"),
];

/// A cache line; its first word says whether it is to be sent back.
type Message = [u64; 8];
const ECHO: Message = [1; 8];
const KEEP: Message = [0; 8];

const ROUNDS: u32 = 20;
/// Trips, or messages of a stream, in a slice.
const SLICE: u32 = 5000;
/// Messages of a stream that are timed together.
const BATCH: u32 = 100;

/// `2,3`
fn pair(text: &str) -> Result<(usize, usize), String> {
    let cores: Vec<_> = text.split(',').map(|core| core.trim().parse()).collect();
    match cores[..] {
        [Ok(a), Ok(b)] if a != b && a < 1024 && b < 1024 => Ok((a, b)),
        _ => Err("two different numbers, as in 2,3".to_owned()),
    }
}

fn stay_on(core: usize) -> io::Result<()> {
    // SAFETY: all zeroes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a core that `pair` lets through is within the set.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: the set lives through the call and has its size.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Both directions of a way between two processes.
enum Link {
    Files(File, File),
    Rings(Box<(Producer<Message>, Consumer<Message>)>),
}

impl Link {
    fn send(&mut self, message: &Message) -> io::Result<()> {
        match self {
            Self::Files(to, _) => to.write_all(message.as_bytes()),
            Self::Rings(ends) => ends.0.push(*message).map_err(io::Error::other),
        }
    }

    fn receive(&mut self) -> io::Result<Message> {
        let mut message = KEEP;
        match self {
            Self::Files(_, from) => from.read_exact(message.as_mut_bytes())?,
            Self::Rings(ends) => message = ends.1.pop().map_err(io::Error::other)?,
        }
        Ok(message)
    }

    /// Of the process that was started.
    fn of_partner(mechanism: Mechanism, rings: &str) -> Result<Self, Stop> {
        let file = |standard: Standard| standard.file().map_err(Stop::io("measure"));
        Ok(match mechanism {
            Mechanism::Pipe | Mechanism::Unix => {
                Self::Files(file(Standard::Output)?, file(Standard::Input)?)
            }
            _ => {
                let [to, from] = ["b", "a"].map(|end| format!("{rings}{end}"));
                let options = options(mechanism);
                let (to, from) = (options.open::<Message>(to)?, options.open::<Message>(from)?);
                Self::Rings(Box::new((to.producer()?, from.consumer()?)))
            }
        })
    }
}

fn options(mechanism: Mechanism) -> RingOptions {
    let options = RingOptions::new(1024).prefault(true).unlink_on_drop(true);
    match mechanism {
        Mechanism::Spin => options.wait_strategy(WaitStrategy::Spin),
        _ => options,
    }
}

/// A way, and what was measured of it, in ns.
struct Contestant {
    name: &'static str,
    link: Option<Link>,
    child: Child,
    /// What the names of its rings begin with.
    rings: String,
    trips: Histogram<u64>,
    streams: Histogram<u64>,
}

impl Contestant {
    fn start(mechanism: Mechanism, name: &'static str, core: Option<usize>) -> Result<Self, Stop> {
        let failed = || Stop::io("start a process");
        let rings = format!("quoit-bench-{}-{name}-", std::process::id()).replace(' ', "-");
        let program = env::current_exe().map_err(failed())?;
        let mut command = Command::new(program);
        let partner = mechanism.to_possible_value();
        let partner = partner.as_ref().map_or("", |value| value.get_name());
        command.args(["bench", "--partner", partner, "--rings", &rings]);
        if let Some(core) = core {
            command.arg(format!("--cores={core},{}", core + 1));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut ends = None;
        match mechanism {
            Mechanism::Pipe => {
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
            }
            Mechanism::Unix => {
                let (ours, theirs) = UnixStream::pair().map_err(failed())?;
                let again = [&ours, &theirs].map(UnixStream::try_clone);
                let [our, their] = again.map(|socket| socket.map(OwnedFd::from));
                let their = their.map_err(failed())?;
                command.stdin(OwnedFd::from(theirs)).stdout(their);
                let our = our.map_err(failed())?.into();
                ends = Some(Link::Files(OwnedFd::from(ours).into(), our));
            }
            _ => {
                let options = options(mechanism);
                let [to, from] = ["a", "b"].map(|end| format!("{rings}{end}"));
                let to = options.create::<Message>(to)?;
                let from = options.create::<Message>(from)?;
                let pair = (to.producer()?, from.consumer()?);
                ends = Some(Link::Rings(Box::new(pair)));
            }
        }
        let mut child = command.spawn().map_err(failed())?;
        if let Some((to, from)) = child.stdin.take().zip(child.stdout.take()) {
            let [to, from] = [OwnedFd::from(to), OwnedFd::from(from)].map(File::from);
            ends = Some(Link::Files(to, from));
        }
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        Ok(Self {
            name,
            link: ends,
            child,
            rings,
            trips: histogram(),
            streams: histogram(),
        })
    }

    fn slice(&mut self, length: u32) -> io::Result<()> {
        let link = self.link.as_mut().expect("it has not ended");
        for _ in 0..length {
            let start = Instant::now();
            link.send(&ECHO)?;
            link.receive()?;
            self.trips += start.elapsed().as_nanos() as u64;
        }
        for _ in 0..length / BATCH {
            let start = Instant::now();
            for _ in 0..BATCH {
                link.send(&KEEP)?;
            }
            self.streams += start.elapsed().as_nanos() as u64 / u64::from(BATCH);
        }
        // All of the stream has arrived when this is back.
        link.send(&ECHO)?;
        link.receive().map(drop)
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        drop(self.link.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        for end in ["a", "b"] {
            // Of some ways there are none.
            let _ = quoit::unlink(format!("{}{end}", self.rings));
        }
    }
}

impl Bench {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        if let Some((core, _)) = self.cores {
            let doing = format!("run on core {core}");
            stay_on(core).map_err(Stop::io(doing))?;
        }
        if let Some(mechanism) = self.partner {
            return partner(mechanism, &self.rings);
        }
        let interrupt = Interrupt::listen()?;
        let other = self.cores.map(|(_, core)| core);
        let mut all = Vec::new();
        for (mechanism, name) in MECHANISMS {
            all.push(Contestant::start(mechanism, name, other)?);
        }
        let length = if self.quick { SLICE / 10 } else { SLICE };
        for _ in 0..ROUNDS {
            for contestant in &mut all {
                interrupt.check()?;
                let measured = contestant.slice(length);
                measured.map_err(|error| Stop::Io("measure".to_owned(), error))?;
            }
        }
        let text = match output.json {
            true => format!("{}\n", json!(Answer::of(&all))),
            false => Answer::of(&all).table(),
        };
        output.answer(text.as_bytes())
    }
}

/// Sends back what is to be sent back, until the link ends.
fn partner(mechanism: Mechanism, rings: &str) -> Result<(), Stop> {
    let mut link = Link::of_partner(mechanism, rings)?;
    while let Ok(message) = link.receive() {
        if message == ECHO && link.send(&ECHO).is_err() {
            break;
        }
    }
    Ok(())
}

/// What is told of a way, in ns.
#[derive(Serialize)]
struct Figures {
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

/// Each way by its name.
type Ways = BTreeMap<&'static str, Figures>;

#[derive(Serialize)]
struct Answer {
    message_bytes: usize,
    round_trip_nanoseconds: Ways,
    stream_nanoseconds_per_message: Ways,
}

impl Answer {
    fn of(all: &[Contestant]) -> Self {
        let ways = |measured: fn(&Contestant) -> &Histogram<u64>| {
            let figures = all.iter().map(|contestant| {
                let at = |percent| measured(contestant).value_at_percentile(percent);
                let [p50, p99, p999, max] = [50.0, 99.0, 99.9, 100.0].map(at);
                let figures = Figures {
                    p50,
                    p99,
                    p999,
                    max,
                };
                (contestant.name, figures)
            });
            figures.collect()
        };
        Self {
            message_bytes: size_of::<Message>(),
            round_trip_nanoseconds: ways(|contestant| &contestant.trips),
            stream_nanoseconds_per_message: ways(|contestant| &contestant.streams),
        }
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for (title, ways) in [
            ("round trip, 64 bytes", &self.round_trip_nanoseconds),
            ("stream, a message", &self.stream_nanoseconds_per_message),
        ] {
            let [a, b, c, d] = ["p50", "p99", "p99.9", "max"];
            let _ = writeln!(text, "{title:22} {a:>10} {b:>10} {c:>10} {d:>10}");
            for (name, figures) in ways {
                let all = [figures.p50, figures.p99, figures.p999, figures.max];
                let [a, b, c, d] = all.map(time);
                let _ = writeln!(text, "{name:22} {a:>10} {b:>10} {c:>10} {d:>10}");
            }
        }
        text
    }
}

fn time(nanos: u64) -> String {
    match nanos {
        ..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        _ => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}
