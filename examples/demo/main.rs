//! Ten million messages of each shape between two processes, every one
//! verified, and the time of a round trip, compared with a pipe and a Unix socket.
//!
//! Both endpoints are this program, started again. The transports take turns in
//! slices, so that changes of the machine's speed affect all equally.

#[macro_use]
#[path = "../common/mod.rs"]
mod common;
mod endpoint;
mod link;
mod pair;
mod table;

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use clap::Parser;

use common::line::Line;
use common::{Result, cores, interrupt};
use endpoint::{Slice, TRANSPORTS};
use pair::Pair;
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

fn main() -> ExitCode {
    common::main(|words| match words {
        ["end", side, directory, core] => endpoint::run(side, directory, core),
        _ => run(Options::parse().count),
    })
}

fn run(count: u64) -> Result<()> {
    interrupt::listen()?;
    let directory = common::directory("demo", "/dev/shm")?;
    let cores = match cores::allowed()?[..] {
        [first, .., last] => Some([first, last]),
        _ => None,
    };
    let mut pair = Pair::start(directory.path(), cores)?;
    let one_way = measure(&mut pair, 0, count)?;
    if !show(&table::one_way(&one_way))? {
        return Ok(());
    }
    let round_trips = measure(&mut pair, 1, count)?;
    let table = table::round_trips(&round_trips) + &table::legend(cores);
    show(&table)?;
    match one_way.iter().chain(&round_trips).all(Row::is_clean) {
        true => Ok(()),
        false => Err("not every message was verified".into()),
    }
}

/// Prints it; `false` if its reader has closed.
fn show(text: &str) -> Result<bool> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => Ok(written.map(|()| true)?),
    }
}

/// Sends messages one way, or there and back, with each transport, in slices by turns.
fn measure(pair: &mut Pair, there_and_back: usize, count: u64) -> Result<Vec<Row>> {
    const ROUNDS: u64 = 10;
    let line = Line::new(0);
    let task = ["one way", "round trip"][there_and_back];
    let mut rows: Vec<_> = TRANSPORTS.map(Row::new).into();
    for round in 1..=ROUNDS {
        for (transport, row) in rows.iter_mut().enumerate() {
            let name = row.transport;
            line.draw(&format!("{task}, slice {round} of {ROUNDS}: {name}"));
            // How many of the messages suffice for the measurement.
            let share =
                count.div_ceil([[1, 10], [1, 10], [10, 200], [10, 200]][transport][there_and_back]);
            let slice = Slice {
                transport,
                there_and_back,
                count: share * round / ROUNDS - share * (round - 1) / ROUNDS,
            };
            if slice.count > 0 {
                row.ends = pair.run(slice)?;
            }
        }
    }
    Ok(rows)
}
