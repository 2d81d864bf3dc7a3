//! One loop, two rings: market ticks as records and orders as frames, each from a separate process.
//! The loop sleeps until one of them has a message.

#[macro_use]
mod common;

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Parser;
use common::feeds::{Tick, send_orders, send_ticks};
use common::process::Process;
use common::{MOMENT, Result, interrupt};
use quoit::{RingOptions, Select, SelectError, Selected};

/// Reads two rings in one loop, each filled by a separate process
#[derive(Parser)]
struct Options {
    /// How many ticks to send; there is one order for every ten
    #[arg(long, default_value_t = 20_000)]
    ticks: u64,
}

fn main() -> ExitCode {
    common::main(|words| match words {
        ["ticks", ring, count] => send_ticks(ring, count.parse()?),
        ["orders", ring, count] => send_orders(ring, count.parse()?),
        _ => read(Options::parse().ticks),
    })
}

/// The loop: whichever ring is ready is read, and the rings take turns.
fn read(count: u64) -> Result<()> {
    interrupt::listen()?;
    let [tick_ring, order_ring] = common::names("two-rings", ["ticks", "orders"]);
    let options = RingOptions::new(4096).unlink_on_drop(true);
    let mut ticks = options.create::<Tick>(&tick_ring)?.consumer()?;
    let mut orders = options.create::<[u8]>(&order_ring)?.consumer()?;
    let _senders = [
        Process::start(&["ticks", &tick_ring, &count.to_string()])?,
        Process::start(&["orders", &order_ring, &count.to_string()])?,
    ];
    let (mut tick_count, mut order_count, mut order_bytes) = (0, 0, 0);
    let mut senders = 2;
    let mut select = Select::new();
    while senders > 0 && !interrupt::asked() {
        match select.wait(&mut [ticks.interest(), orders.interest()], MOMENT) {
            Ok(Selected::Ready(0)) => {
                for tick in ticks.try_iter() {
                    tick.check(tick_count)?;
                    tick_count += 1;
                }
            }
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
