//! A ring in the `Shmem` of a program that has one already: the parent owns the
//! memory and sends numbers, a child finds it by its id and adds them up.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::{PopError, Producer, PushError, RingOptions};
use shared_memory::ShmemConf;

/// Sends numbers to another process through a Shmem
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many numbers to send
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Add { id: String },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => send(options.count),
        Some(Part::Add { id }) => add(id),
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

/// Adds up what comes, until the sender closes.
fn add(id: &str) -> Result<(), Box<dyn Error>> {
    let shmem = ShmemConf::new().os_id(id).open()?;
    let ring = quoit::shared_memory::open::<u64>(&shmem, &RingOptions::default())?;
    let mut consumer = ring.consumer()?;
    let mut sum = 0u64;
    loop {
        match consumer.pop() {
            Ok(number) => sum += number,
            Err(PopError::Abandoned) => break,
            Err(error) => return Err(error.into()),
        }
    }
    say!("{sum}");
    Ok(())
}

/// The other process; it ends with this one.
struct Adder(Child);

impl Drop for Adder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn send(count: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    // Its owner: when this value goes, so does the name.
    let shmem = ShmemConf::new().size(1 << 16).create()?;
    let ring = quoit::shared_memory::create::<u64>(&shmem, &RingOptions::new(4096))?;
    let mut producer = ring.producer()?;
    let mut command = Command::new(env::current_exe()?);
    let command = command.args(["add", shmem.get_os_id()]);
    let mut adder = Adder(command.stdout(Stdio::piped()).spawn()?);
    for number in 0..count {
        push(&mut producer, number)?;
    }
    drop(producer);
    let mut sum = String::new();
    let output = adder.0.stdout.as_mut().expect("it is piped");
    output.read_to_string(&mut sum)?;
    say!(
        "{count} numbers went through a Shmem, and their sum is {}",
        sum.trim_end()
    );
    Ok(())
}

/// Waits for room until Ctrl-C.
fn push(producer: &mut Producer<u64>, number: u64) -> Result<(), Box<dyn Error>> {
    while !interrupt::asked() {
        match producer.push_timeout(number, Duration::from_millis(100)) {
            Err(PushError::TimedOut(_)) => {}
            other => return Ok(other?),
        }
    }
    Err("interrupted".into())
}
