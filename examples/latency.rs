//! A histogram of round trips between two processes, each pinned to a core. Both spin: a number
//! goes to the other process and back, and the time of each is recorded.
//!
//! ```sh
//! cargo run --release --example latency
//! ```

mod common;

use std::time::Instant;

use clap::Parser;
use common::{MOMENT, Process, Result, cores, interrupt, say};
use hdrhistogram::Histogram;
use quoit::{RingOptions, WaitStrategy};

/// Times numbers that go to another process and back
#[derive(Parser)]
struct Options {
    /// How many numbers to send
    #[arg(long, default_value_t = 1_000_000)]
    trips: u64,
    /// The core of each process [default: the first two that this process may use]
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
}

fn main() {
    common::main(|words| match words {
        ["echo", core, there, back] => echo(core.parse()?, there, back),
        _ => measure(Options::parse()),
    });
}

/// A core for each process is for spinning.
fn spinning() -> RingOptions {
    RingOptions::new(64).wait_strategy(WaitStrategy::Spin)
}

/// Returns each number, until the peer closes.
fn echo(core: usize, there: &str, back: &str) -> Result<()> {
    cores::stay_on(core)?;
    let mut numbers = spinning().open::<u64>(there)?.consumer()?;
    let mut echoes = spinning().open::<u64>(back)?.producer()?;
    for number in &mut numbers {
        echoes.push(number)?;
    }
    Ok(())
}

fn measure(Options { trips, mut cores }: Options) -> Result<()> {
    let allowed = cores::allowed()?;
    if cores.is_empty() {
        cores.clone_from(&allowed);
    }
    let (here, there) = match cores[..] {
        [here, there, ..] if here != there => (here, there),
        _ => return Err("two processes that spin need two cores".into()),
    };
    if let Some(core) = [here, there].iter().find(|core| !allowed.contains(core)) {
        return Err(format!("this process may not use core {core}").into());
    }
    cores::stay_on(here)?;
    let [out, back] = common::names("latency", ["there", "back"]);
    let options = spinning().unlink_on_drop(true);
    let mut numbers = options.create::<u64>(&out)?.producer()?;
    let mut echoes = options.create::<u64>(&back)?.consumer()?;
    let mut echo = Process::start(&["echo", &there.to_string(), &out, &back])?;
    echo.retry(|| echoes.wait_for_peer_timeout(MOMENT))?;

    let mut histogram = Histogram::<u64>::new(3)?;
    for number in 0..trips {
        interrupt::check()?;
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
    say!("{trips} round trips between cores {here} and {there}");
    Ok(())
}
