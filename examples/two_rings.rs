//! One loop, two rings: market ticks as records and orders as frames, each from a separate process.
//! The loop sleeps until one of them has a message.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::process::{self, Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, FrameProducer, Producer, RingOptions, Select, SelectError, Selected};

/// Reads two rings in one loop, each filled by a separate process
#[derive(Parser)]
struct Options {
    /// How many ticks to send; there is one order for every ten
    #[arg(long, default_value_t = 20_000)]
    ticks: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts of this program that it starts as processes.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Ticks { name: String },
    Orders { name: String },
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Tick {
    number: u64,
    price: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.part {
        None => read(options.ticks),
        Some(Part::Ticks { name }) => send_ticks(name, options.ticks),
        Some(Part::Orders { name }) => send_orders(name, options.ticks / 10),
    };
    match done {
        Ok(()) if interrupt::asked() => interrupt::die(),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The loop: whichever ring is ready is read, and the rings take turns.
fn read(count: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let name = |what| format!("quoit-two-rings-{}-{what}", process::id());
    let (tick_name, order_name) = (name("ticks"), name("orders"));
    let mut ticks = options.create::<Tick>(&tick_name)?.consumer()?;
    let mut orders = options.create::<[u8]>(&order_name)?.consumer()?;
    let _children = [
        start(count, "ticks", &tick_name)?,
        start(count, "orders", &order_name)?,
    ];

    let (mut tick_count, mut order_bytes) = (0, 0);
    let mut order_count = 0;
    let mut senders = 2;
    let mut select = Select::new();
    while senders > 0 && !interrupt::asked() {
        let mut ends = [ticks.interest(), orders.interest()];
        match select.wait(&mut ends, Duration::from_millis(200)) {
            Ok(Selected::Ready(0)) => tick_count += take_ticks(&mut ticks, tick_count)?,
            Ok(Selected::Ready(_)) => {
                order_count += orders.drain_with(|order| {
                    order_bytes += order.len();
                    ControlFlow::Continue(())
                })?;
            }
            Ok(Selected::Gone(_)) => senders -= 1,
            Ok(Selected::Back(_)) => senders += 1,
            Err(SelectError::TimedOut) => {} // was Ctrl-C pressed?
            Err(error) => return Err(error.into()),
        }
    }
    say!("{tick_count} ticks and {order_count} orders of {order_bytes} bytes");
    Ok(())
}

fn take_ticks(ticks: &mut Consumer<Tick>, before: u64) -> Result<u64, Box<dyn Error>> {
    let mut count = 0;
    for tick in ticks.try_iter() {
        if tick.number != before + count || tick.price != price(tick.number) {
            return Err(format!("tick {} has number {}", before + count, tick.number).into());
        }
        count += 1;
    }
    Ok(count)
}

/// A price that can be checked.
fn price(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A process that fills a ring; it ends with this one.
struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(count: u64, part: &str, name: &str) -> Result<Sender, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    let count = count.to_string();
    let child = command.args(["--ticks", &count, part, name]).spawn()?;
    Ok(Sender(child))
}

fn send_ticks(name: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let mut producer = Producer::<Tick>::open(name)?;
    for number in 0..count {
        let price = price(number);
        producer.push(Tick { number, price })?;
        if number % 100 == 99 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn send_orders(name: &str, count: u64) -> Result<(), Box<dyn Error>> {
    let mut producer = FrameProducer::open(name)?;
    for number in 0..count {
        producer.push(format!("buy {number}").as_bytes())?;
        if number % 10 == 9 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}
