//! Market data from Rust to C++: `market_data NAME COUNT`, and `market_data.cpp` reads.

use std::time::Duration;

use quoit::{PushError, RingOptions};
use zerocopy::{FromBytes, Immutable, IntoBytes};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Tick {
    sequence: u64,
    price: f64,
    size: u32,
    instrument: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: market_data NAME COUNT")?;
    let count: u64 = args
        .next()
        .ok_or("usage: market_data NAME COUNT")?
        .parse()?;
    let options = RingOptions::new(4096).schema_tag("tick/1");
    let mut producer = options.open_or_create::<Tick>(&name)?.producer()?;
    producer.wait_for_peer_timeout(Duration::from_secs(10))?;
    for sequence in 0..count {
        let tick = Tick {
            sequence,
            price: 100.0 + sequence as f64 / 8.0,
            size: 10,
            instrument: (sequence % 5) as u32,
        };
        match producer.push_timeout(tick, Duration::from_secs(1)) {
            Ok(()) => {}
            Err(PushError::TimedOut(_)) => producer.count_dropped(1), // a reader that is too slow
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
