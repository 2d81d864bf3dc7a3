//! A ring in the `Shmem` of a program that has one already: the parent owns the
//! memory and sends numbers, a child finds it by its id and adds them up.
//!
//! ```sh
//! cargo run --release --features shared_memory --example shmem
//! ```

mod common;

use clap::Parser;
use common::{MOMENT, Process, Result, say};
use quoit::RingOptions;
use shared_memory::ShmemConf;

/// Sends numbers to another process through a Shmem
#[derive(Parser)]
struct Options {
    /// How many numbers to send
    #[arg(long, default_value_t = 100_000)]
    count: u64,
}

fn main() {
    common::main(|words| match words {
        ["add", id] => add(id),
        _ => send(Options::parse().count),
    });
}

/// Adds up the numbers, until the sender closes.
fn add(id: &str) -> Result<()> {
    let shmem = ShmemConf::new().os_id(id).open()?;
    let ring = quoit::shared_memory::open::<u64>(&shmem, &RingOptions::default())?;
    say!("{}", ring.consumer()?.iter().sum::<u64>());
    Ok(())
}

fn send(count: u64) -> Result<()> {
    // Its owner: dropping this value removes the name.
    let shmem = ShmemConf::new().size(1 << 16).create()?;
    let ring = quoit::shared_memory::create::<u64>(&shmem, &RingOptions::new(4096))?;
    let mut producer = ring.producer()?;
    let mut adder = Process::start_piped(&["add", shmem.get_os_id()])?;
    for number in 0..count {
        adder.retry(|| producer.push_timeout(number, MOMENT))?;
    }
    drop(producer);
    let sum = adder.line()?;
    say!("{count} numbers went through a Shmem, and their sum is {sum}");
    Ok(())
}
