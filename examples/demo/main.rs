//! Ten million messages of each shape between two processes, every one
//! verified, and the time of a round trip, compared with a pipe and a Unix socket.
//!
//! The far process is this program, started again. Both go through the same slices of the work, in
//! which the transports take turns, so that changes of the machine's speed affect all equally.
//!
//! ```sh
//! cargo run --release --example demo
//! ```

#[path = "../common/mod.rs"]
mod common;
mod link;
mod slices;
mod table;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use clap::Parser;
use common::line::line;
use common::{Process, Result, cores, interrupt, say};
use link::{Bytes, Link, links};
use quoit::{Consumer, Producer, RingOptions};
use slices::{ROUNDS, settle, slices};
use table::Row;

/// Moves messages between two processes, verifies each, and measures
///
/// First one way: ten million numbered, checksummed messages of each shape, records
/// and frames of mixed length, through a ring in /dev/shm, and a tenth as many
/// through a pipe and a Unix socket. Then round trips, one message at a time.
/// Fails if a message was lost, torn or repeated.
///
/// Processes run where the kernel puts them, but in round trips the two processes of a ring stay on
/// the first and the last core that the demo may use; choose others with taskset.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
struct Options {
    /// Messages of each shape
    #[arg(long, value_name = "MESSAGES", default_value_t = 10_000_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    count: u64,
}

const TRANSPORTS: [&str; 4] = ["records", "frames", "pipe", "socket"];

fn main() {
    common::main(|words| match words {
        ["far", directory, count] => answer(Path::new(directory), count.parse()?),
        _ => run(Options::parse().count),
    });
}

fn run(count: u64) -> Result<()> {
    let directory = common::directory("demo", "/dev/shm")?;
    let mut near = Near::start(directory.path(), count)?;
    let done = near.compare(count);
    if done.is_err() {
        interrupt::check()?;
        near.end()?; // if the other process has failed, that is the reason
    }
    done
}

/// This process. It ends the other one before it closes its endpoints.
struct Near {
    far: Process,
    links: [Box<dyn Link>; TRANSPORTS.len()],
    /// How many messages the other one has verified, after each slice.
    reports: Consumer<u64>,
    /// The cores that this process may use.
    allowed: Vec<usize>,
}

impl Near {
    fn start(directory: &Path, count: u64) -> Result<Self> {
        let allowed = cores::allowed()?;
        let listener = UnixListener::bind(directory.join("socket"))?;
        let reports = RingOptions::new(1).create::<u64>(directory.join("reports"))?;
        let reports = reports.consumer()?;
        let path = directory.to_str().ok_or("a path in UTF-8")?;
        let words = ["far", path, &count.to_string()];
        let mut far = Process::spawn(&words, Stdio::piped(), Stdio::piped())?;
        far.line()?; // it has attached to every ring
        let (input, output) = (far.output.take(), far.child.stdin.take());
        let pipe = Bytes(input.expect("piped"), output.expect("piped"));
        let links = links(directory, ["there", "back"], pipe, listener.accept()?.0)?;
        Ok(Self {
            far,
            links,
            reports,
            allowed,
        })
    }

    /// Prints both tables, the second one only if a process reads the first one.
    fn compare(&mut self, count: u64) -> Result<()> {
        let one_way = self.measure(false, count)?;
        if !say!("{}", table::one_way(&one_way)) {
            return Ok(());
        }
        let round_trips = self.measure(true, count)?;
        let legend = table::legend(&self.allowed);
        say!("\n{}\n\n{legend}", table::round_trips(&round_trips));
        Ok(())
    }

    /// Sends messages one way, or there and back.
    fn measure(&mut self, is_trip: bool, count: u64) -> Result<Vec<Row>> {
        let line = line();
        let task = if is_trip { "round trip" } else { "one way" };
        let mut rows: Vec<_> = TRANSPORTS.map(Row::new).into();
        for slice in slices(is_trip, count) {
            let row = &mut rows[slice.transport];
            let (round, name) = (slice.round, row.transport);
            line.set_message(format!("{task}, slice {round} of {ROUNDS}: {name}"));
            settle(&self.allowed, 0, &slice)?;
            let begin = Instant::now();
            self.links[slice.transport].ask(&slice, row)?;
            row.verified = self.reports.pop()?;
            row.time += begin.elapsed();
        }
        Ok(rows)
    }

    /// Waits until the other process ends, and fails if it did.
    fn end(mut self) -> Result<()> {
        drop((self.links, self.reports));
        self.far.end()
    }
}

/// The other process: it verifies the messages, and returns those of round trips.
fn answer(directory: &Path, count: u64) -> Result<()> {
    let allowed = cores::allowed()?;
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let pipe = Bytes(io::stdin().lock(), output);
    let socket = UnixStream::connect(directory.join("socket"))?;
    let mut links = links(directory, ["back", "there"], pipe, socket)?;
    let mut reports = Producer::<u64>::open(directory.join("reports"))?;
    say!("attached");
    for is_trip in [false, true] {
        for slice in slices(is_trip, count) {
            settle(&allowed, 1, &slice)?;
            links[slice.transport].answer(&slice)?;
            reports.push(slice.numbers.end)?;
        }
    }
    Ok(())
}
