//! Sends numbered, checksummed messages to the example `consumer`, in another
//! terminal.
//!
//! The message at position N of the ring has number N. So a producer that is
//! started again, after Ctrl-C or `kill -9`, goes on exactly where the last
//! one stopped, and the consumer sees no gap.

#[macro_use]
mod common;

use std::error::Error;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use quoit::{Producer, PushError, RingOptions};

use common::message::{Message, SCHEMA};
use common::options::RingArguments;
use common::pace::Pace;
use common::ring_line::{RingLine, View};
use common::{MOMENT, interrupt, last_out};

/// Sends numbered, checksummed messages into a ring
///
/// Start it in one terminal and the example `consumer` in another, in any order:
///
///   cargo run --release --example producer
///   cargo run --release --example consumer
///
/// Kill either one, even with kill -9, and start it again: the other one goes
/// on, and no message is lost or torn.
///
/// Ctrl-C ends it at once; at --count it waits until everything was read. The
/// last one out removes the ring. Unread messages stay in it for
/// the next consumer, and the next producer goes on behind them.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
struct Options {
    #[command(flatten)]
    ring: RingArguments,

    /// Messages per second, in bursts; 0 for as many as the consumer takes
    #[arg(long, value_name = "MESSAGES", default_value_t = 1_000_000)]
    rate: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) if interrupt::asked() => interrupt::die(),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(Options { ring, rate }: &Options) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let options = RingOptions::new(ring.capacity).schema_tag(SCHEMA);
    let shared = options.open_or_create::<Message>(&ring.name)?;
    let mut producer = shared.producer()?;

    let first = producer.position();
    let mut line = RingLine::new(&ring.name, "producer", first);
    let mut pace = Pace::new(*rate);
    while !interrupt::asked() && producer.position() < ring.count {
        let left = ring.count - producer.position();
        for _ in 0..pace.burst().min(left) {
            let message = Message::numbered(producer.position());
            match producer.push_timeout(message, MOMENT) {
                Ok(()) => {}
                Err(PushError::TimedOut(_)) => break,
                Err(PushError::Abandoned(_)) => {
                    let _ = producer.wait_for_peer_timeout(MOMENT);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        line.show(|| view(&producer));
    }
    // All sent; a consumer may still be reading, or not have started.
    while !interrupt::asked() && !producer.is_empty() {
        thread::sleep(MOMENT);
        line.show(|| view(&producer));
    }
    drop(line);

    say!("{}", summary(first, &producer));
    drop(producer);
    last_out::remove_name(&shared)?;
    Ok(())
}

fn view(producer: &Producer<Message>) -> View {
    let (position, unread) = (producer.position(), producer.len());
    let note = if producer.is_abandoned() {
        "consumer gone, waiting".to_owned()
    } else if position > 0 && unread == position {
        "no consumer yet".to_owned()
    } else {
        let last = Message::numbered(position.saturating_sub(1));
        format!("checksum {:08x}", last.short_checksum())
    };
    View {
        verb: "sent",
        position,
        unread,
        capacity: producer.capacity(),
        note,
    }
}

fn summary(first: u64, producer: &Producer<Message>) -> String {
    let (next, unread) = (producer.position(), producer.len());
    let range = match next - first {
        0 => String::new(),
        _ => format!(" ({first} to {})", next - 1),
    };
    let rest = match unread {
        0 => "all read".to_owned(),
        _ => format!("{unread} unread"),
    };
    format!("sent {} messages{range}, {rest}", next - first)
}
