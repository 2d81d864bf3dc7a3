//! The two ways to sleep, compared: a number goes to another process and back, over rings whose
//! endpoints sleep on futexes, and over rings whose endpoints sleep on POSIX semaphores. Neither
//! endpoint spins, so each number wakes each endpoint once.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::process::{self, Child, Command, ExitCode};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use quoit::{DoorbellKind, PopError, RingOptions};

/// Sends numbers to another process and back, over either doorbell
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many numbers to send over each doorbell
    #[arg(long, default_value_t = 10_000)]
    trips: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts of this program that it starts as processes.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Echo { there: String, back: String },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => compare(options.trips),
        Some(Part::Echo { there, back }) => echo(there, back),
    };
    match done {
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

/// How an endpoint waits is its own choice; what it sleeps on belongs to the ring.
fn sleepy() -> RingOptions {
    RingOptions::new(64).spin(Duration::ZERO)
}

/// Returns each number, until the peer closes.
fn echo(there: &str, back: &str) -> Result<(), Box<dyn Error>> {
    let mut numbers = sleepy().open::<u64>(there)?.consumer()?;
    let mut echoes = sleepy().open::<u64>(back)?.producer()?;
    loop {
        match numbers.pop() {
            Ok(number) => echoes.push(number)?,
            Err(PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The other process; it ends with this one.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn compare(trips: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    for (bells, doorbell) in [
        ("futexes", DoorbellKind::Futex),
        ("semaphores", DoorbellKind::Semaphore),
    ] {
        let each = round_trips(trips, bells, doorbell)?;
        say!("{each:?} there and back, sleeping on {bells}");
    }
    say!("{trips} numbers came back over futexes, and {trips} over semaphores");
    Ok(())
}

/// Sends the numbers, one when the other is back; returns the mean time of a trip.
fn round_trips(
    trips: u64,
    bells: &str,
    doorbell: DoorbellKind,
) -> Result<Duration, Box<dyn Error>> {
    let options = sleepy().doorbell(doorbell).unlink_on_drop(true);
    let name = |way| format!("quoit-doorbells-{}-{bells}-{way}", process::id());
    let (there, back) = (name("there"), name("back"));
    let mut numbers = options.create::<u64>(&there)?.producer()?;
    let mut echoes = options.create::<u64>(&back)?.consumer()?;
    let mut command = Command::new(env::current_exe()?);
    let _echo = Echo(command.args(["echo", &there, &back]).spawn()?);
    let begun = Instant::now();
    for number in 0..trips {
        numbers.push(number)?;
        let echo = loop {
            // Not forever: Ctrl-C must end this process.
            match echoes.pop_timeout(Duration::from_millis(100)) {
                Err(PopError::TimedOut) if interrupt::asked() => return Err("interrupted".into()),
                Err(PopError::TimedOut) => {}
                other => break other?,
            }
        };
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        if echo != number {
            return Err(format!("{number} was sent, and {echo} returned").into());
        }
    }
    Ok(begun.elapsed() / trips.max(1).try_into()?)
}
