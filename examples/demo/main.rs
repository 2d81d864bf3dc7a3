//! Ten million messages of each shape between two processes, every one
//! verified, and how long a round trip takes beside a pipe and a Unix socket.
//!
//! Both endpoints are this program, started again. The transports take turns in
//! slices, so that a machine whose speed changes hits all alike.

#[macro_use]
#[path = "../common/mod.rs"]
mod common;
mod cores;
mod end;
mod frame;
mod link;
mod pair;
mod report;
mod table;

use std::io::{ErrorKind, Write, stdout};
use std::path::Path;
use std::process::{self, ExitCode};

use clap::{Parser, Subcommand};

use common::interrupt;
use common::live_line::LiveLine;
use end::{End, Task, Transport, word};
use link::Result;
use pair::Pair;
use table::Row;

/// Moves messages between two processes, verifies each, and measures
///
/// First one way: ten million numbered, checksummed messages of each shape, slots
/// and frames of mixed length, through a ring in /dev/shm, and a tenth as many
/// through a pipe and a Unix socket. Then round trips, one message at a time.
/// Fails if a message was lost, torn or repeated.
///
/// Processes run where the kernel puts them, but in round trips the ends of a
/// ring stay on the first and the last core that the demo may use; taskset chooses
/// other ones.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// Messages of each shape
    #[arg(long, value_name = "MESSAGES", default_value_t = 10_000_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    count: u64,

    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Plays one end; for the demo itself
    #[command(hide = true)]
    End(End),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.part {
        None => run(options.count),
        Some(Part::End(end)) => end.run().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        if interrupt::asked() {
            complain!("interrupted");
            return interrupt::die();
        }
        complain!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run(count: u64) -> Result<ExitCode> {
    interrupt::listen()?;
    // Everything that has a name is in here, and goes with it.
    let directory = tempfile::Builder::new()
        .prefix(&format!("quoit-demo-{}-", process::id()))
        .tempdir_in("/dev/shm")?;
    let cores = cores::allowed()?;
    let cores = match cores[..] {
        [first, .., last] => Some((first, last)),
        _ => None,
    };
    let mut rows = Vec::new();
    for task in [Task::OneWay, Task::RoundTrip] {
        let done = measure(task, count, cores, directory.path())?;
        let table = match task {
            Task::OneWay => table::one_way(&done),
            Task::RoundTrip => table::round_trips(&done),
        };
        if !show(&table)? {
            return Ok(ExitCode::SUCCESS);
        }
        rows.extend(done);
    }
    show(&table::legend(cores))?;
    Ok(if rows.iter().all(Row::is_clean) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints it; `false` if nobody reads any more.
fn show(text: &str) -> Result<bool> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => Ok(written.map(|()| true)?),
    }
}

/// Lets each transport do its share of a task, in slices by turns.
fn measure(
    task: Task,
    count: u64,
    cores: Option<(usize, usize)>,
    directory: &Path,
) -> Result<Vec<Row>> {
    const ROUNDS: u64 = 10;
    let mut line = LiveLine::new();
    let mut pairs = Vec::new();
    for transport in Transport::ALL {
        // Two endpoints that wait for each other in turn may well be put on one core.
        let apart = task == Task::RoundTrip && transport.is_ring();
        let cores = cores.filter(|_| apart);
        let pair = Pair::start(transport, task, cores, directory)?;
        pairs.push((Row::new(transport), pair));
    }
    for round in 1..=ROUNDS {
        for (row, pair) in &mut pairs {
            if interrupt::asked() {
                return Err("interrupted".into());
            }
            let (task_word, transport) = (word(task), word(row.transport));
            line.draw(&format!(
                "{task_word}, slice {round} of {ROUNDS}: {transport}"
            ));
            let share = share(row.transport, task, count);
            let slice = share * round / ROUNDS - share * (round - 1) / ROUNDS;
            if slice > 0 {
                row.take(pair.slice(slice)?);
            }
        }
    }
    Ok(pairs.into_iter().map(|(row, _)| row).collect())
}

/// How many of `count` messages it takes to know enough.
fn share(transport: Transport, task: Task, count: u64) -> u64 {
    let part = match (task, transport.is_ring()) {
        (Task::OneWay, true) => 1,
        (Task::OneWay, false) | (Task::RoundTrip, true) => 10,
        (Task::RoundTrip, false) => 200,
    };
    count.div_ceil(part)
}
