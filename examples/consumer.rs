//! Reads and verifies the messages of the example `producer`, in another
//! terminal.
//!
//! The message at position N of the ring must have number N, and its checksum
//! must be right. A message is given back only after it was checked, so a
//! consumer that is started again, after Ctrl-C or `kill -9`, gets what the
//! last one had not checked.

#[macro_use]
mod common;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use quoit::{Consumer, PopError, RingOptions};

use common::check::Check;
use common::message::{Message, SCHEMA};
use common::options::RingArguments;
use common::ring_line::{RingLine, View};
use common::{MOMENT, interrupt, last_out};

/// Reads numbered, checksummed messages from a ring and verifies each
///
/// Start it in one terminal and the example `producer` in another, in any order:
///
///   cargo run --release --example producer
///   cargo run --release --example consumer
///
/// Kill either one, even with kill -9, and start it again: the other one goes
/// on, and no message is lost or torn.
///
/// Ctrl-C or --count ends it. It fails if a message was lost, torn or repeated.
/// The last one out removes the ring. Unread messages stay in it
/// for the next consumer.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
struct Options {
    #[command(flatten)]
    ring: RingArguments,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(check) if !check.is_clean() => ExitCode::FAILURE,
        Ok(_) if interrupt::asked() => interrupt::die(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(Options { ring }: &Options) -> Result<Check, Box<dyn Error>> {
    interrupt::listen()?;
    let options = RingOptions::new(ring.capacity).schema_tag(SCHEMA);
    let shared = options.open_or_create::<Message>(&ring.name)?;
    let mut consumer = shared.consumer()?;

    let first = consumer.position();
    let mut check = Check::starting_at(first);
    let mut checksum = 0;
    let mut line = RingLine::new(&ring.name, "consumer", first);
    while !interrupt::asked() && consumer.position() < ring.count {
        match consumer.peek_timeout(MOMENT) {
            Ok(peek) => {
                let message = peek.read();
                check.take(message.number());
                checksum = message.short_checksum();
                peek.release();
            }
            Err(PopError::TimedOut) => {}
            Err(PopError::Abandoned) => _ = consumer.wait_for_peer_timeout(MOMENT),
            Err(error) => return Err(error.into()),
        }
        line.show(|| view(&consumer, &check, checksum));
    }
    drop(line);

    say!("{}", summary(first, consumer.position(), &check));
    drop(consumer);
    last_out::remove_name(&shared)?;
    Ok(check)
}

fn view(consumer: &Consumer<Message>, check: &Check, checksum: u32) -> View {
    let note = if !check.is_clean() {
        check.to_string()
    } else if consumer.is_abandoned() && consumer.is_empty() {
        "producer gone, waiting".to_owned()
    } else if consumer.position() == 0 {
        "no producer yet".to_owned()
    } else {
        format!("checksum {checksum:08x} good")
    };
    View {
        verb: "read",
        position: consumer.position(),
        unread: consumer.len(),
        capacity: consumer.capacity(),
        note,
    }
}

fn summary(first: u64, next: u64, check: &Check) -> String {
    let range = match next - first {
        0 => String::new(),
        _ => format!(" ({first} to {})", next - 1),
    };
    format!("verified {} messages{range}, {check}", check.verified)
}
