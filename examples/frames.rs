//! Sends frames of every length to a consumer in any language, such as
//! `examples/c/consume.c` or `examples/python/quoit.py`.
//!
//! ```sh
//! cargo run --release --example frames
//! ```

mod common;

use std::thread;

use clap::Parser;
use common::traffic::{Traffic, frame};
use common::wait::push;
use common::{MOMENT, Result, interrupt, say};
use quoit::{DoorbellKind, RingOptions, StalePolicy, WaitStrategy};

/// Sends frames with known bytes, and prints what their consumer must print
///
/// It makes the ring, waits for a consumer, and removes the ring when all is read. An older ring of
/// the name that no process holds is replaced, whatever is in it:
///
///   target/consume quoit-frames                          (examples/c/consume.c)
///   python3 examples/python/quoit.py consume quoit-frames
#[derive(Parser)]
#[command(verbatim_doc_comment)]
struct Options {
    /// The ring's name in /dev/shm, or a path with a '/'
    #[arg(long, default_value = "quoit-frames")]
    name: String,
    /// Frames to send
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Let both endpoints sleep on POSIX semaphores and not on futexes
    #[arg(long)]
    semaphore: bool,
}

fn main() {
    common::main(|_| run(&Options::parse()));
}

fn run(options: &Options) -> Result<()> {
    let doorbell = match options.semaphore {
        true => DoorbellKind::Semaphore,
        false => DoorbellKind::Futex,
    };
    // This endpoint does not sleep, so it also works with a consumer that never wakes its
    // peer, such as the one in Python.
    let ring = RingOptions::new(1 << 16)
        .doorbell(doorbell)
        .wait_strategy(WaitStrategy::Yield);
    let ring = ring.stale(StalePolicy::Replace).unlink_on_drop(true);
    let ring = ring.create::<[u8]>(&options.name)?;
    let mut producer = ring.producer()?;
    let mut sent = Traffic::new();
    for number in 0..options.count {
        let frame = frame(number);
        push(&mut producer, &frame, true)?;
        sent.count(&frame);
    }
    while !producer.is_empty() {
        interrupt::check()?;
        thread::sleep(MOMENT);
    }
    drop(producer);
    // The consumer sees the close, and ends.
    while let Err(quoit::Error::InUse { .. }) = ring.unlink() {
        interrupt::check()?;
        thread::sleep(MOMENT);
    }
    say!("{sent}, all read");
    Ok(())
}
