//! `quoit bench`: rings compared with a pipe and a Unix socket, on this machine.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hdrhistogram::Histogram;
use quoit::{Consumer, Producer, RingOptions, WaitStrategy};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::json;
use zerocopy::IntoBytes;

use crate::interrupt::Interrupt;
use crate::names::cores;
use crate::output::{Output, columns};
use crate::standard::Standard;
use crate::stop::Stop;
use crate::table::{Column, On, Table};

/// Measures rings on this machine, and a pipe and a Unix socket to compare them with
///
/// Round trips and streams of 64-byte messages between two processes. All take turns in
/// short slices, so that a busy machine slows all of them. Takes about 15 seconds.
#[derive(Args)]
pub(crate) struct Bench {
    /// Take a tenth of the time, with less precise figures
    #[arg(long)]
    quick: bool,

    /// The cores of the two processes, as in 2,3 [default: the scheduler's choice]
    #[arg(long, value_name = "A,B", value_parser = pair)]
    cores: Option<(u32, u32)>,
}

/// The environment variable of the other process: its way, and its rings. Shells would complete an
/// option.
const PARTNER: &str = "QUOIT_BENCH_PARTNER";

/// A way between two processes.
#[derive(Clone, Copy, ValueEnum)]
enum Way {
    Pipe,
    #[value(name = "Unix socket")]
    Unix,
    #[value(name = "quoit parked")]
    Park,
    #[value(name = "quoit spinning")]
    Spin,
}

/// A cache line; its first word says whether it is to be sent back.
type Message = [u64; 8];
const ECHO: Message = [1; 8];
const KEEP: Message = [0; 8];

const ROUNDS: u32 = 20;
/// Trips, or messages of a stream, in a slice.
const SLICE: u32 = 5000;
/// A slice ends after this time as well. Where other programs keep the processors busy, the
/// scheduler makes each round trip of two processes that spin last for milliseconds.
const LONGEST: Duration = Duration::from_millis(500);
/// Messages of a stream that are timed together.
const BATCH: u32 = 100;

/// `2,3`
fn pair(text: &str) -> Result<(u32, u32), String> {
    match cores(text).unwrap_or_default()[..] {
        [a, b] if a.max(b) < 1024 => Ok((a, b)),
        _ => Err("two different numbers, as in 2,3".to_owned()),
    }
}

/// Both directions of a way.
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

    fn of_files(to: impl Into<OwnedFd>, from: impl Into<OwnedFd>) -> Option<Self> {
        Some(Self::Files(to.into().into(), from.into().into()))
    }

    /// Through the rings with these names, which either process makes.
    fn of_rings(way: Way, [to, from]: [&str; 2]) -> Result<Self, quoit::Error> {
        let mut options = RingOptions::new(1024).prefault(true).unlink_on_drop(true);
        if let Way::Spin = way {
            options = options.wait_strategy(WaitStrategy::Spin);
        }
        let to = options.open_or_create::<Message>(to)?;
        let from = options.open_or_create::<Message>(from)?;
        Ok(Self::Rings(Box::new((to.producer()?, from.consumer()?))))
    }
}

/// A way, and what was measured of it, in ns.
struct Contestant {
    name: String,
    link: Option<Link>,
    child: Child,
    /// The names of its rings.
    rings: [String; 2],
    trips: Histogram<u64>,
    streams: Histogram<u64>,
}

impl Contestant {
    fn start(way: Way, core: Option<u32>) -> Result<Self, Stop> {
        let name = way.to_possible_value();
        let name = name.map_or(String::new(), |value| value.get_name().to_owned());
        let begin = format!("quoit-bench-{}-{name}-", std::process::id()).replace(' ', "-");
        let rings = ["a", "b"].map(|end| format!("{begin}{end}"));
        let [to, from] = rings.each_ref().map(String::as_str);
        let mut link = match way {
            Way::Pipe | Way::Unix => None,
            Way::Park | Way::Spin => {
                let link = Link::of_rings(way, [to, from]);
                Some(link.inspect_err(|_| remove(&rings))?)
            }
        };
        let mut command = Command::new("/proc/self/exe");
        command.arg("bench").env(
            PARTNER,
            match link {
                Some(_) => format!("{name}\n{from}\n{to}"),
                None => String::new(),
            },
        );
        command.args(core.map(|core| format!("--cores={core},{}", core ^ 1)));
        let mut begin = || {
            let [input, output] = match way {
                Way::Pipe => [Stdio::piped(), Stdio::piped()],
                Way::Unix => {
                    let (ours, theirs) = UnixStream::pair()?;
                    link = Link::of_files(ours.try_clone()?, ours);
                    [theirs.try_clone()?, theirs].map(|end| OwnedFd::from(end).into())
                }
                Way::Park | Way::Spin => [Stdio::null(), Stdio::null()],
            };
            command.stdin(input).stdout(output).spawn()
        };
        let mut child = begin().map_err(Stop::io("start a process"))?;
        if let Some((to, from)) = child.stdin.take().zip(child.stdout.take()) {
            link = Link::of_files(to, from);
        }
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        let (trips, streams) = (histogram(), histogram());
        Ok(Self {
            name,
            link,
            child,
            rings,
            trips,
            streams,
        })
    }

    fn slice(&mut self, length: u32) -> io::Result<()> {
        let link = self.link.as_mut().expect("it has not ended");
        let begin = Instant::now();
        for _ in 0..length {
            let start = Instant::now();
            if start - begin > LONGEST {
                break;
            }
            link.send(&ECHO)?;
            link.receive()?;
            self.trips += start.elapsed().as_nanos() as u64;
        }
        let begin = Instant::now();
        for _ in 0..length / BATCH {
            let start = Instant::now();
            if start - begin > LONGEST {
                break;
            }
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
        remove(&self.rings);
    }
}

/// Removes the rings that there are: of some ways none, and only one without room for another.
fn remove(rings: &[String; 2]) {
    for ring in rings {
        let _ = quoit::unlink(ring);
    }
}

impl Bench {
    pub(crate) fn run(&self, output: &Output) -> Result<(), Stop> {
        if let Some((core, _)) = self.cores {
            let mut set = CpuSet::new();
            set.set(core as usize);
            let pinned = sched_setaffinity(None, &set).map_err(io::Error::from);
            pinned.map_err(Stop::io(format!("run on core {core}")))?;
        }
        if let Ok(words) = env::var(PARTNER) {
            return partner(&words);
        }
        let interrupt = Interrupt::listen()?;
        let other = self.cores.map(|(_, core)| core);
        let ways = Way::value_variants().iter();
        let all: Result<Vec<_>, _> = ways.map(|&way| Contestant::start(way, other)).collect();
        let mut all = all?;
        let length = if self.quick { SLICE / 10 } else { SLICE };
        for _ in 0..ROUNDS {
            for contestant in &mut all {
                interrupt.check()?;
                // A pipe that its process closed is a failure, too.
                let measured = contestant.slice(length).map_err(io::Error::other);
                measured.map_err(Stop::io("measure"))?;
            }
        }
        let trips = figures(&all, |contestant| &contestant.trips);
        let streams = figures(&all, |contestant| &contestant.streams);
        if output.json {
            let answer = json!({
                "message_bytes": size_of::<Message>(),
                "round_trip_nanoseconds": trips,
                "stream_nanoseconds_per_message": streams,
            });
            return output.answer(format!("{answer}\n"));
        }
        let trips = table("round trip, 64 bytes", &trips, output);
        output.answer(trips + &table("stream, a message", &streams, output))
    }
}

/// Sends back what is to be sent back, until the link ends.
fn partner(words: &str) -> Result<(), Stop> {
    // Ctrl-C is for both processes: the other one hears it, and ends the link.
    let _unheard = Interrupt::listen()?;
    let words: Vec<_> = words.split('\n').collect();
    let mut link = match words[..] {
        [way, to, from] => {
            let way = Way::from_str(way, false).unwrap_or(Way::Park);
            Link::of_rings(way, [to, from])?
        }
        _ => Link::Files(Standard::Output.file()?, Standard::Input.file()?),
    };
    while let Ok(message) = link.receive() {
        if message == ECHO && link.send(&ECHO).is_err() {
            break;
        }
    }
    Ok(())
}

const PERCENTILES: [(&str, f64); 4] =
    [("p50", 50.0), ("p99", 99.0), ("p999", 99.9), ("max", 100.0)];
const COLUMNS: [Column; 4] = [
    Column::new("p50", 10, On::All),
    Column::new("p99", 10, On::All),
    Column::new("p99.9", 10, On::Wide),
    Column::new("max", 10, On::Wide),
];

/// Each way by its name, with its percentiles.
type Ways<'a> = BTreeMap<&'a str, BTreeMap<&'static str, u64>>;

fn figures(all: &[Contestant], measured: fn(&Contestant) -> &Histogram<u64>) -> Ways<'_> {
    let figures = all.iter().map(|contestant| {
        let at = |percent| measured(contestant).value_at_percentile(percent);
        let figures = PERCENTILES.map(|(name, percent)| (name, at(percent)));
        (&*contestant.name, figures.into())
    });
    figures.collect()
}

fn table(title: &str, ways: &Ways<'_>, output: &Output) -> String {
    let names = ways.keys().map(ToString::to_string);
    let table = Table::new(&COLUMNS, names, 22, columns());
    let mut text = table.titles(title, output) + "\n";
    for (name, figures) in ways {
        let cells = PERCENTILES.map(|(at, _)| (time(figures[at]), None));
        text += &(table.row(name, cells.into(), output) + "\n");
    }
    text
}

fn time(nanos: u64) -> String {
    match nanos {
        ..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        _ => format!("{:.1} ms", nanos as f64 / 1e6),
    }
}
