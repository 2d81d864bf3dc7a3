//! C++ at either endpoint of a ring, compared with Rust at both: `cargo bench`, in `bindings/c`.
//!
//! All pairs of languages take turns, in each round each of them once, both endpoints pinned. A
//! figure is the median over the rounds: a slice compared with the slice of Rust to Rust in the
//! same round. `--quick` runs fewer rounds.
//!
//! Virtual processors may move between two rounds. So each round begins with a short round trip of
//! Rust to Rust, and it sorts the rounds: *near*, with a cache in common, or *far*.

mod end;
mod placement;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use placement::Pair;
use quoit::RingOptions;

const LANGUAGES: [(&str, &str); 4] = [
    ("Rust", "Rust"),
    ("Rust", "C++"),
    ("C++", "Rust"),
    ("C++", "C++"),
];

/// What is moved, and how fast C++ has to be compared with Rust.
struct Task {
    what: &'static str,
    name: &'static str,
    capacity: u64,
    /// Messages of a slice, and of a batch.
    count: u64,
    batch: u64,
    /// A throughput of at least this share, or a time of at most this factor.
    bar: f64,
}

const TASKS: [Task; 5] = [
    stream("stream, 64 slots", 64),
    stream("stream, 1024 slots", 1024),
    stream("stream, 65536 slots", 65536),
    Task {
        what: "frames of 1 KiB",
        name: "frames",
        capacity: 1 << 20,
        count: 300_000,
        batch: 5000,
        bar: 0.95,
    },
    TRIP,
];

const TRIP: Task = Task {
    what: "round trip",
    name: "round-trip",
    capacity: 64,
    count: 60_000,
    batch: 100,
    bar: 1.05,
};

const fn stream(what: &'static str, capacity: u64) -> Task {
    Task {
        what,
        name: "stream",
        capacity,
        count: 3_000_000,
        batch: 5000,
        bar: 0.95,
    }
}

impl Task {
    fn is_stream(&self) -> bool {
        self.name != TRIP.name
    }
}

/// Nanoseconds of a round trip from which on two processors are far from each other.
const FAR: f64 = 200.0;
/// Messages of the round trip that tells.
const PROBE: u64 = 2000;
/// Rounds of a distance from which on a median counts.
const ENOUGH: usize = 5;

/// A process that moves messages when it gets a count.
struct End {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl End {
    fn start(language: &str, cpp: &Path, args: [&str; 5]) -> Self {
        let mut command = if language == "C++" {
            Command::new(cpp)
        } else {
            let mut this = Command::new(std::env::current_exe().expect("a path"));
            this.arg("end");
            this
        };
        let command = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("the end starts");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut end = Self {
            process,
            input,
            output,
        };
        assert_eq!(end.hears(), "ready", "{language} {args:?}");
        end
    }

    fn tell(&mut self, count: u64) {
        writeln!(self.input, "{count}").expect("the end listens");
    }

    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the end speaks");
        line.trim().to_owned()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The two endpoints of a pair of languages, and their rings.
struct Link {
    lead: End,
    partner: End,
    names: [String; 2],
    /// Nanoseconds of a message, by round.
    slices: Vec<f64>,
}

impl Link {
    fn open(what: &str, task: &Task, [from, to]: [&str; 2], pair: Pair, cpp: &Path) -> Self {
        let this = std::process::id();
        let name = format!("quoit-speed-{this}-{from}-{to}-{what}");
        let names = [name.clone(), format!("{name}-back")];
        for name in &names {
            let options = RingOptions::new(task.capacity);
            let made = match task.name {
                "frames" => options.create::<[u8]>(name).map(drop),
                _ => options.create::<u64>(name).map(drop),
            };
            made.expect("a new ring");
        }
        // A stream is measured where it is read.
        let [lead, partner] = if task.is_stream() {
            [to, from]
        } else {
            [from, to]
        };
        let batch = task.batch.to_string();
        let start = |language, side, cpu: usize| {
            End::start(
                language,
                cpp,
                [side, task.name, &name, &batch, &cpu.to_string()],
            )
        };
        Self {
            lead: start(lead, "lead", pair.lead),
            partner: start(partner, "partner", pair.partner),
            names,
            slices: Vec::new(),
        }
    }

    fn slice(&mut self, count: u64) -> f64 {
        self.partner.tell(count);
        self.lead.tell(count);
        let nanos = self.lead.hears().parse().expect("a number");
        self.partner.hears();
        nanos
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Compiles the other endpoint, with the library as it is installed.
fn compile() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = std::env::current_exe().expect("a path");
    let built = built
        .ancestors()
        .nth(2)
        .expect("a target folder")
        .to_owned();
    let done = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--quiet", "--lib"])
        .current_dir(root)
        .status();
    assert!(
        done.expect("cargo starts").success(),
        "the library is built"
    );
    let program = built.join("speed-end-cpp");
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]);
    compiler
        .arg(root.join("include"))
        .arg(root.join("benches/speed/end.cpp"));
    compiler
        .arg("-o")
        .arg(&program)
        .arg(built.join("libquoit_capi.a"));
    let done = compiler.args(["-lpthread", "-ldl", "-lm"]).status();
    assert!(done.expect("c++ starts").success(), "end.cpp compiles");
    program
}

/// Whether all bars hold.
fn contest(pair: Pair, rounds: usize, cpp: &Path) -> bool {
    println!("\n{}, CPUs {} and {}", pair.what, pair.lead, pair.partner);
    let mut holds = true;
    for task in &TASKS {
        let open = |(from, to)| Link::open("task", task, [from, to], pair, cpp);
        let mut links = LANGUAGES.map(open);
        let mut probe = Link::open("probe", &TRIP, ["Rust", "Rust"], pair, cpp);
        // The first round warms up, and each round begins with another pair.
        for round in 0..=rounds {
            let trip = probe.slice(PROBE);
            for turn in 0..links.len() {
                let link = &mut links[(round + turn) % LANGUAGES.len()];
                let nanos = link.slice(task.count);
                if round > 0 {
                    link.slices.push(nanos);
                }
            }
            if round > 0 {
                probe.slices.push(trip);
            }
        }
        for (distance, is_far) in [("near", false), ("far", true)] {
            let there = |round: usize| (probe.slices[round] >= FAR) == is_far;
            holds &= report(task, distance, &links, &there);
        }
    }
    holds
}

/// Prints what the rounds of one distance have shown; whether they hold the bar.
fn report(task: &Task, distance: &str, links: &[Link], is_there: &dyn Fn(usize) -> bool) -> bool {
    let what = task.what;
    let pick = |link: &Link| -> Vec<f64> {
        let rounds = link.slices.iter().enumerate();
        let there = rounds.filter(|(round, _)| is_there(*round));
        there.map(|(_, &nanos)| nanos).collect()
    };
    let base = pick(&links[0]);
    if base.len() < ENOUGH {
        println!("  {what:20} {distance:4} {} rounds: too few", base.len());
        return true;
    }
    let mut holds = true;
    for ((from, to), link) in LANGUAGES.into_iter().zip(links) {
        let slices = pick(link);
        // Of a stream the throughput counts, of a round trip the time.
        let is_stream = task.is_stream();
        let times = slices.iter().zip(&base);
        let ratios = times.map(|(own, base)| if is_stream { base / own } else { own / base });
        let ratio = median(ratios.collect());
        let (is_in, sign) = match is_stream {
            true => (ratio >= task.bar, ">="),
            false => (ratio <= task.bar, "<="),
        };
        let verdict = match (from, to) {
            ("Rust", "Rust") => format!("base, {} rounds", base.len()),
            _ => format!(
                "{sign}{:.2} {}",
                task.bar,
                if is_in { "ok" } else { "short" }
            ),
        };
        let nanos = median(slices);
        println!(
            "  {what:20} {distance:4} {from:>4} to {to:4} {nanos:8.2} ns  {ratio:.3}  {verdict}"
        );
        holds &= is_in;
    }
    holds
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "end") {
        end::run(&args[1..]);
        return ExitCode::SUCCESS;
    }
    let rounds = if args.iter().any(|arg| arg == "--quick") {
        5
    } else {
        21
    };
    let cpp = compile();
    println!("{}", placement::machine());
    let pairs = placement::pairs();
    if pairs.is_empty() {
        println!("one processor is allowed: there is nothing to measure between two");
    }
    let held = pairs.into_iter().map(|pair| contest(pair, rounds, &cpp));
    if held.fold(true, |all, one| all & one) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
