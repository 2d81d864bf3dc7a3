//! Sends numbered, checksummed messages to the example `consumer`, in another
//! terminal.
//!
//! The message at position N of the ring has number N. So a restarted producer, after Ctrl-C or
//! `kill -9`, continues exactly where the last one stopped, and the consumer sees no gap.
//!
//! ```sh
//! cargo run --release --example producer
//! ```

mod common;

use std::thread;

use clap::Parser;
use common::line::EndpointLine;
use common::message::Message;
use common::numbers::range;
use common::options::{RingArguments, remove_name};
use common::pace::Pace;
use common::{MOMENT, Result, interrupt, say};
use quoit::{Producer, PushError};

/// Sends numbered, checksummed messages into a ring
///
/// Start it in one terminal and the example `consumer` in another, in any order:
///
///   cargo run --release --example producer
///   cargo run --release --example consumer
///
/// Kill either one, even with kill -9, and start it again: the other one continues, and no message
/// is lost or torn.
///
/// Ctrl-C ends it at once; at --count it waits until everything was read. The process that exits
/// last removes the ring. Unread messages stay in it for the next consumer, and the next producer
/// continues after them.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
struct Options {
    #[command(flatten)]
    ring: RingArguments,

    /// Messages per second, in bursts; 0 for as many as the consumer takes
    #[arg(long, value_name = "MESSAGES", default_value_t = 1_000_000)]
    rate: u64,
}

fn main() {
    common::main(|_| run(&Options::parse()));
}

fn run(Options { ring, rate }: &Options) -> Result<()> {
    let shared = ring.open()?;
    let mut producer = shared.producer()?;
    let first = producer.position();
    let mut line = EndpointLine::new("producer", &ring.name, first);
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
        line.show("sent", || view(&producer));
    }
    // All sent; a consumer may still be reading, or not have started.
    while !interrupt::asked() && !producer.is_empty() {
        thread::sleep(MOMENT);
        line.show("sent", || view(&producer));
    }
    drop(line);

    let (next, unread) = (producer.position(), producer.len());
    let rest = match unread {
        0 => "all read".to_owned(),
        _ => format!("{unread} unread"),
    };
    let range = range(first, next);
    say!("sent {} messages{range}, {rest}", next - first);
    drop(producer);
    remove_name(&shared);
    Ok(())
}

fn view(producer: &Producer<Message>) -> (u64, u64, u64, String) {
    let (position, unread) = (producer.position(), producer.len());
    let note = if producer.is_abandoned() {
        "no consumer, waiting".to_owned()
    } else if position > 0 && unread == position {
        "no consumer yet".to_owned()
    } else {
        let last = Message::numbered(position.saturating_sub(1));
        format!("checksum {:08x}", last.short_checksum())
    };
    (position, unread, producer.capacity(), note)
}
