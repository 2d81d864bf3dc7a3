//! Audio blocks from C++ to Rust without a system call: `audio NAME` reads what `audio.cpp`
//! writes.

use std::time::Duration;

use quoit::{PopError, RingOptions, WaitStrategy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: audio NAME")?;
    let options = RingOptions::new(16).schema_tag("audio/1");
    let options = options.wait_strategy(WaitStrategy::Spin);
    let mut consumer = options.open_or_create::<[f32; 128]>(name)?.consumer()?;
    consumer.wait_for_peer_timeout(Duration::from_secs(10))?;
    let mut blocks = 0;
    loop {
        match consumer.pop() {
            Ok(block) => {
                assert_eq!(block[127] - block[0], 127.0, "a block is whole");
                blocks += 1;
            }
            Err(PopError::Abandoned) => break,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{blocks} blocks");
    Ok(())
}
