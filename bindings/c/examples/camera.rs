//! A camera: pictures of 1920 by 1080 bytes, 60 times a second, to `camera.cpp`, or to
//! `bindings/python/examples/camera.py`. It drops pictures while the ring is full, and never
//! waits for its viewer.
//!
//! `camera NAME PICTURES` exits after this many pictures.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quoit::{ClaimError, FrameProducer};

const PICTURE: usize = 1920 * 1080;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("usage: camera NAME PICTURES")?;
    let pictures: u32 = args.next().ok_or("usage: camera NAME PICTURES")?.parse()?;
    let options = quoit::RingOptions::new(16 << 20)
        .prefault(true)
        .unlink_on_drop(true);
    let mut ring: FrameProducer = options.open_or_create::<[u8]>(&name)?.producer()?;
    ring.wait_for_peer()?;

    let mut next = Instant::now();
    for number in 0..pictures {
        // Metadata first: the number, and when the picture was taken.
        match ring.try_claim(16 + PICTURE) {
            Ok(mut frame) => {
                frame.write_at(16, &[number as u8; PICTURE]);
                let taken = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
                frame.write_at(0, &u64::from(number).to_le_bytes());
                frame.write_at(8, &taken.to_le_bytes());
                frame.commit();
            }
            Err(ClaimError::Full | ClaimError::Abandoned) => ring.count_dropped(1),
            Err(error) => return Err(error.into()),
        }
        next += Duration::from_nanos(16_666_667);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
