//! Reads and verifies the messages of the example `producer`, in another
//! terminal.
//!
//! The message at position N of the ring must have number N, and its checksum must be right. A
//! message is released only after it was checked, so a restarted consumer, after Ctrl-C or
//! `kill -9`, gets the messages that the last one had not checked.
//!
//! ```sh
//! cargo run --release --example consumer
//! ```

mod common;

use clap::Parser;
use common::check::Check;
use common::line::EndpointLine;
use common::numbers::range;
use common::options::{RingArguments, remove_name};
use common::{MOMENT, Result, interrupt, say};
use quoit::PopError;

/// Reads numbered, checksummed messages from a ring and verifies each
///
/// Start it in one terminal and the example `producer` in another, in any order:
///
///   cargo run --release --example producer
///   cargo run --release --example consumer
///
/// Kill either one, even with kill -9, and start it again: the other one continues, and no message
/// is lost or torn.
///
/// Ctrl-C or --count ends it. It fails if a message was lost, torn or repeated.
/// The process that exits last removes the ring. Unread messages stay in it
/// for the next consumer.
#[derive(Parser)]
#[command(verbatim_doc_comment, next_line_help = true)]
struct Options {
    #[command(flatten)]
    ring: RingArguments,
}

fn main() {
    common::main(|_| run(&Options::parse().ring));
}

fn run(ring: &RingArguments) -> Result<()> {
    let shared = ring.open()?;
    let mut consumer = shared.consumer()?;
    let next = consumer.position();
    let (first, mut checksum) = (next, 0);
    let mut check = Check {
        next,
        ..Check::default()
    };
    let mut line = EndpointLine::new("consumer", &ring.name, first);
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
        line.show("read", || {
            let note = if !check.is_clean() {
                check.to_string()
            } else if consumer.is_abandoned() && consumer.is_empty() {
                "no producer, waiting".to_owned()
            } else if consumer.position() == 0 {
                "no producer yet".to_owned()
            } else {
                format!("checksum {checksum:08x} good")
            };
            let (position, unread) = (consumer.position(), consumer.len());
            (position, unread, consumer.capacity(), note)
        });
    }
    drop(line);

    let range = range(first, consumer.position());
    say!("verified {} messages{range}, {check}", check.verified);
    drop(consumer);
    remove_name(&shared);
    if !check.is_clean() {
        std::process::exit(1);
    }
    Ok(())
}
