//! A calculator in a separate process, called over a pair of rings. It is killed with `kill -9` in
//! the middle, restarted, and misses no call.
//!
//! ```sh
//! cargo run --release --example calculator
//! ```

mod common;

use std::thread;
use std::time::Instant;

use clap::Parser;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::rpc::{CallError, Client, Server};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{FrameConsumer, FrameProducer, PopError, RingOptions};

/// Calls a calculator in another process, and kills it once
#[derive(Parser)]
struct Options {
    /// How many divisions to ask for
    #[arg(long, default_value_t = 100_000)]
    calls: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Division {
    dividend: u64,
    divisor: u64,
}

fn main() {
    common::main(|words| match words {
        ["serve", requests, replies] => serve(requests, replies),
        _ => call(Options::parse().calls.into()),
    });
}

/// Divides until the caller closes its endpoints.
fn serve(requests: &str, replies: &str) -> Result<()> {
    let requests = FrameConsumer::open(requests)?;
    let replies = FrameProducer::open(replies)?;
    let mut server = Server::new(requests, replies);
    let divide = |asked: Division| {
        let quotient = asked.dividend.checked_div(asked.divisor);
        quotient.ok_or("division by zero")
    };
    loop {
        match server.answer_record(MOMENT, divide) {
            Ok(()) | Err(PopError::TimedOut) => {}
            Err(PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks, and checks each answer.
fn call(calls: u64) -> Result<()> {
    let [requests, replies] = common::names("calculator", ["requests", "replies"]);
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let mut client = Client::new(
        options.create::<[u8]>(&requests)?.producer()?,
        options.create::<[u8]>(&replies)?.consumer()?,
    );
    let start = || Process::start(&["serve", &requests, &replies]);
    let mut calculator = start()?;
    let (mut refused, mut kills) = (0, 0);
    let begun = Instant::now();
    for number in 0..calls {
        if number == calls / 2 {
            calculator.kill()?;
            calculator = start()?;
            kills += 1;
        }
        let asked = Division {
            dividend: number * number,
            divisor: number % 1000,
        };
        let answer = loop {
            interrupt::check()?;
            match client.call_record::<_, u64>(&asked, MOMENT) {
                // Dividing twice is harmless.
                Err(CallError::TimedOut) => {}
                Err(CallError::NoServer) => thread::sleep(MOMENT),
                answer => break answer,
            }
            calculator.check()?;
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
    Ok(())
}
