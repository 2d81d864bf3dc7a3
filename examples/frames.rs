//! Sends frames of every length to a consumer in any language, such as
//! `examples/c/consume.c` or `examples/python/quoit.py`.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;
#[path = "common/traffic.rs"]
mod traffic;

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use quoit::{ClaimError, DoorbellKind, FrameProducer, RingOptions, StalePolicy, WaitStrategy};
use traffic::{Traffic, frame};

/// Sends frames with known bytes, and says what their consumer must say
///
/// It makes the ring, waits for a consumer, and removes the ring when all is read:
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

const MOMENT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::asked() => {
            complain!("interrupted");
            interrupt::die()
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
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
        push(&mut producer, &frame)?;
        sent.count(&frame);
    }
    while !producer.is_empty() {
        check()?;
        thread::sleep(MOMENT);
    }
    drop(producer);
    // The consumer learns that this was all, and leaves.
    while let Err(error @ quoit::Error::InUse { .. }) = ring.unlink() {
        if interrupt::asked() {
            return Err(error.into());
        }
        thread::sleep(MOMENT);
    }
    say!("{sent}, all read");
    Ok(())
}

/// Waits for room, and for a successor if the consumer is gone.
fn push(producer: &mut FrameProducer, frame: &[u8]) -> Result<(), Box<dyn Error>> {
    loop {
        check()?;
        match producer.push_timeout(frame, MOMENT) {
            Err(ClaimError::TimedOut) => {}
            Err(ClaimError::Abandoned) => _ = producer.wait_for_peer_timeout(MOMENT),
            other => return Ok(other?),
        }
    }
}

fn check() -> Result<(), Box<dyn Error>> {
    match interrupt::asked() {
        true => Err("interrupted".into()),
        false => Ok(()),
    }
}
