//! A market in two rings: ticks as records, and orders as frames. Each is sent by a process of its
//! own.

use std::thread;
use std::time::Duration;

use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{FrameProducer, Producer};

use super::Result;

#[derive(Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Tick {
    number: u64,
    price: u64,
}

impl Tick {
    /// The tick with this number. Its price follows from that, so it can be checked.
    pub(crate) fn numbered(number: u64) -> Self {
        let price = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { number, price }
    }

    /// Fails if it is not the tick with this number.
    pub(crate) fn check(self, number: u64) -> Result<()> {
        match self == Self::numbered(number) {
            true => Ok(()),
            false => Err(format!("tick {number} is number {}", self.number).into()),
        }
    }
}

pub(crate) fn send_ticks(ring: &str, count: u64) -> Result<()> {
    let mut ticks = Producer::<Tick>::open(ring)?;
    for number in 0..count {
        ticks.push(Tick::numbered(number))?;
        rest_after(number, 100);
    }
    Ok(())
}

/// Sends one order for every ten ticks.
pub(crate) fn send_orders(ring: &str, ticks: u64) -> Result<()> {
    let mut orders = FrameProducer::open(ring)?;
    for number in 0..ticks / 10 {
        orders.push(format!("buy {number}").as_bytes())?;
        rest_after(number, 10);
    }
    Ok(())
}

/// Rests for a millisecond after each burst.
fn rest_after(number: u64, burst: u64) {
    if number % burst == burst - 1 {
        thread::sleep(Duration::from_millis(1));
    }
}
