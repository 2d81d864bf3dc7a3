//! The two ways to sleep, compared: a number goes to another process and back, over rings whose
//! endpoints sleep on futexes, and over rings whose endpoints sleep on POSIX semaphores. Neither
//! endpoint spins, so each number wakes each endpoint once.
//!
//! ```sh
//! cargo run --release --example doorbells
//! ```

mod common;

use std::time::{Duration, Instant};

use clap::Parser;
use common::{MOMENT, Process, Result, say};
use quoit::{DoorbellKind, RingOptions};

/// Sends numbers to another process and back, over either doorbell
#[derive(Parser)]
struct Options {
    /// How many numbers to send over each doorbell
    #[arg(long, default_value_t = 10_000)]
    trips: u32,
}

fn main() {
    common::main(|words| match words {
        ["echo", there, back] => echo(there, back),
        _ => compare(Options::parse().trips),
    });
}

/// How an endpoint waits is its own choice; what it sleeps on belongs to the ring.
fn sleepy() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

/// Returns each number, until the peer closes.
fn echo(there: &str, back: &str) -> Result<()> {
    let mut numbers = sleepy().open::<u64>(there)?.consumer()?;
    let mut echoes = sleepy().open::<u64>(back)?.producer()?;
    for number in &mut numbers {
        echoes.push(number)?;
    }
    Ok(())
}

fn compare(trips: u32) -> Result<()> {
    for (bells, doorbell) in [
        ("futexes", DoorbellKind::Futex),
        ("semaphores", DoorbellKind::Semaphore),
    ] {
        let each = round_trips(trips, doorbell)?;
        say!("{each:?} there and back, sleeping on {bells}");
    }
    say!("{trips} numbers returned over futexes, and {trips} over semaphores");
    Ok(())
}

/// Sends the numbers, one when the other is back; returns the mean time of a trip.
fn round_trips(trips: u32, doorbell: DoorbellKind) -> Result<Duration> {
    let [there, back] = common::names("doorbells", ["there", "back"]);
    let options = sleepy().doorbell(doorbell).unlink_on_drop(true);
    let mut numbers = options.create::<u64>(&there)?.producer()?;
    let mut echoes = options.create::<u64>(&back)?.consumer()?;
    let mut echoing = Process::start(&["echo", &there, &back])?;
    let begun = Instant::now();
    for number in 0..trips.into() {
        numbers.push(number)?;
        let echo = echoing.retry(|| echoes.pop_timeout(MOMENT))?;
        if echo != number {
            return Err(format!("{number} was sent, and {echo} returned").into());
        }
    }
    Ok(begun.elapsed() / trips.max(1))
}
