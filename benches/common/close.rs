//! The close of an endpoint whose peer sleeps: how long the sleeper takes to notice.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use quoit::{Consumer, PopError, RingOptions};

use super::child::{Child, Outcome};
use super::placement::{Placement, pin};
use super::progress::Progress;
use super::rings::Rings;
use super::spread::Spread;

/// A sleeper checks its peer after this time: a sleeper that returns earlier was woken.
const LOOK: u64 = 100_000_000;

/// The results of the closes.
#[derive(Debug)]
pub(crate) struct Closes {
    /// Nanoseconds from before the drop to after `pop`.
    pub(crate) nanos: Spread,
    /// Sleepers that returned from their first sleep before a timeout was possible.
    pub(crate) woken: usize,
    /// Closes that were too late in the sleep to tell; the other figures exclude them.
    pub(crate) unclear: usize,
}

/// When a consumer called `pop`, and when that returned, in nanoseconds of the monotonic
/// clock, which all processes share.
struct Nap {
    entered: u64,
    returned: u64,
}

/// Drops a producer `count` times while the consumer sleeps.
pub(crate) fn measure(
    rings: &Rings,
    placement: Placement,
    count: usize,
    progress: &Progress,
) -> Result<Closes, Box<dyn Error>> {
    const NAME: &str = "close";
    let options = RingOptions::new(1024);
    let path = rings.path(NAME);
    let ring = options.create::<u64>(&path)?;
    let mut sleeper = Child::fork(|control| {
        pin(placement.partner)?;
        sleep_and_report(options.open::<u64>(&path)?.consumer()?, control)
    })?;
    pin(placement.lead)?;
    sleeper.control.read_exact(&mut [0])?;
    let mut latencies = Vec::with_capacity(count);
    let (mut woken, mut unclear) = (0, 0);
    while latencies.len() < count {
        progress.show("closes", latencies.len(), count);
        let producer = ring.producer()?;
        let before = rings.consumer(NAME)?.parks;
        sleeper.control.write_all(&[0])?;
        let patience = Instant::now() + Duration::from_secs(10);
        while !(rings.consumer_is_parked(NAME)? && sleeper.is_sleeping()?) {
            if Instant::now() > patience {
                return Err("the consumer does not sleep".into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        let dropped = now();
        drop(producer);
        let nap = read_nap(&mut sleeper.control)?;
        if dropped >= nap.entered + LOOK / 2 {
            unclear += 1;
            if unclear > count {
                return Err("this machine is too busy to close a ring in time".into());
            }
            continue;
        }
        latencies.push(nap.returned.saturating_sub(dropped) as f64);
        let one_sleep = rings.consumer(NAME)?.parks == before + 1;
        woken += usize::from(one_sleep && nap.returned < nap.entered + LOOK);
    }
    progress.clear();
    sleeper.succeed()?;
    Ok(Closes {
        nanos: Spread::of(latencies),
        woken,
        unclear,
    })
}

/// The consumer's code: one `pop` for each byte that it receives.
fn sleep_and_report(mut consumer: Consumer<u64>, mut control: UnixStream) -> Outcome {
    control.write_all(&[0])?;
    loop {
        match control.read_exact(&mut [0]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let entered = now();
        let answer = consumer.pop();
        let returned = now();
        if answer != Err(PopError::Abandoned) {
            return Err(format!("after the close the consumer received {answer:?}").into());
        }
        control.write_all(&entered.to_ne_bytes())?;
        control.write_all(&returned.to_ne_bytes())?;
    }
}

fn read_nap(control: &mut UnixStream) -> io::Result<Nap> {
    let mut word = || {
        let mut bytes = [0; 8];
        control.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(u64::from_ne_bytes(bytes))
    };
    Ok(Nap {
        entered: word()?,
        returned: word()?,
    })
}

pub(crate) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time outlives the call, which cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
