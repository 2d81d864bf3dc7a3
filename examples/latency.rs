//! A histogram of round trips between two processes, each pinned to a core. Both spin: a number
//! goes to the other process and back, and the time of each is recorded.

#[path = "demo/cores.rs"]
mod cores;
#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::process::{self, Child, Command, ExitCode};
use std::time::Instant;

use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use quoit::{PopError, RingOptions, WaitStrategy};

/// Times numbers that go to another process and back
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many numbers to send
    #[arg(long, default_value_t = 1_000_000)]
    trips: u64,
    /// The core of each process [default: the first two that this process may use]
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The part of this program that it starts as a process.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Echo {
        core: usize,
        there: String,
        back: String,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => measure(&options),
        Some(Part::Echo { core, there, back }) => echo(*core, there, back),
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

/// A core for each process is for spinning.
fn spinning() -> RingOptions {
    RingOptions::new(64).wait_strategy(WaitStrategy::Spin)
}

/// Returns each number, until the peer closes.
fn echo(core: usize, there: &str, back: &str) -> Result<(), Box<dyn Error>> {
    cores::stay_on(core)?;
    let mut numbers = spinning().open::<u64>(there)?.consumer()?;
    let mut echoes = spinning().open::<u64>(back)?.producer()?;
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

fn measure(options: &Options) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let allowed = cores::allowed()?;
    let cores = if options.cores.is_empty() {
        &allowed
    } else {
        &options.cores
    };
    let [here, there, ..] = cores[..] else {
        return Err("two processes that spin need two cores".into());
    };
    if let Some(core) = [here, there].iter().find(|core| !allowed.contains(core)) {
        return Err(format!("this process may not use core {core}").into());
    }
    cores::stay_on(here)?;
    let names = ["there", "back"].map(|name| format!("quoit-latency-{}-{name}", process::id()));
    let ours = spinning().unlink_on_drop(true);
    let mut numbers = ours.create::<u64>(&names[0])?.producer()?;
    let mut echoes = ours.create::<u64>(&names[1])?.consumer()?;
    let echo = Command::new(env::current_exe()?)
        .args(["echo", &there.to_string()])
        .args(&names)
        .spawn();
    let _echo = Echo(echo?);

    let mut histogram = Histogram::<u64>::new(3)?;
    for number in 0..options.trips {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        let begin = Instant::now();
        numbers.push(number)?;
        if echoes.pop()? != number {
            return Err("another number was returned".into());
        }
        histogram.record(begin.elapsed().as_nanos() as u64)?;
    }
    for percent in [50.0, 99.0, 99.9, 99.99] {
        let nanos = histogram.value_at_percentile(percent);
        say!("p{percent}: {nanos} ns");
    }
    say!(
        "{} round trips between cores {here} and {there}",
        histogram.len()
    );
    Ok(())
}
