//! A calculator in a process of its own, called over a pair of rings. It is
//! killed with `kill -9` in the middle, started again, and misses no call.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::process::{self, Child, Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use quoit::rpc::{CallError, Client, Server};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{FrameConsumer, FrameProducer, PopError, RingOptions};

/// Calls a calculator in another process, and kills it once
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// How many divisions to ask for
    #[arg(long, default_value_t = 100_000)]
    calls: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Serve { requests: String, replies: String },
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Division {
    dividend: u64,
    divisor: u64,
}

const TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => call(options.calls),
        Some(Part::Serve { requests, replies }) => serve(requests, replies),
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

/// Divides until the caller closes its endpoints.
fn serve(requests: &str, replies: &str) -> Result<(), Box<dyn Error>> {
    let requests = FrameConsumer::open(requests)?;
    let replies = FrameProducer::open(replies)?;
    let mut server = Server::new(requests, replies);
    let divide = |asked: Division| {
        let quotient = asked.dividend.checked_div(asked.divisor);
        quotient.ok_or("division by zero")
    };
    loop {
        match server.answer_record(TIMEOUT, divide) {
            Ok(()) | Err(PopError::TimedOut) => {}
            Err(PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The server's process; it ends with this one.
struct Calculator(Child);

impl Calculator {
    fn start(requests: &str, replies: &str) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env::current_exe()?);
        let child = command.args(["serve", requests, replies]).spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Calculator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks, and checks each answer.
fn call(calls: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let name = |what| format!("quoit-calculator-{}-{what}", process::id());
    let (requests, replies) = (name("requests"), name("replies"));
    let mut client = Client::new(
        options.create::<[u8]>(&requests)?.producer()?,
        options.create::<[u8]>(&replies)?.consumer()?,
    );
    let start = || Calculator::start(&requests, &replies);
    let mut calculator = start()?;
    let (mut refused, mut kills) = (0, 0);
    let begun = Instant::now();
    for number in 0..calls {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        if number == calls / 2 {
            drop(calculator); // kill -9
            calculator = start()?;
            kills += 1;
        }
        let asked = Division {
            dividend: number * number,
            divisor: number % 1000,
        };
        let answer = loop {
            match client.call_record::<_, u64>(&asked, TIMEOUT) {
                // Dividing once more does no harm.
                Err(CallError::ServerGone) => thread::sleep(Duration::from_millis(100)),
                answer => break answer,
            }
        };
        match answer {
            Ok(quotient) if Some(quotient) == asked.dividend.checked_div(asked.divisor) => {}
            Err(CallError::Refused(_)) if asked.divisor == 0 => refused += 1,
            Ok(wrong) => return Err(format!("call {number} was answered with {wrong}").into()),
            Err(error) => return Err(error.into()),
        }
    }
    let each = begun.elapsed().as_nanos() / u128::from(calls.max(1));
    say!("{each} ns a call");
    say!("{calls} calls answered, {refused} of them refused, {kills} server killed");
    drop(calculator);
    Ok(())
}
