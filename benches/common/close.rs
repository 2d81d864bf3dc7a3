//! The close of an endpoint whose peer sleeps: how long the sleeper takes to notice.

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use quoit::{Consumer, Observer, PopError, RingOptions};
use rustix::time::{ClockId, clock_gettime};

use super::child::{Child, Outcome, tell_numbers};
use super::placement::{Placement, pin};
use super::progress::Progress;
use super::rings::Rings;
use super::spread::Spread;

/// A sleeper checks its peer after this time: a sleeper that returns earlier was woken.
const LOOK: f64 = 1e8;

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

/// Drops a producer `count` times while the consumer sleeps.
pub(crate) fn measure(
    rings: &Rings,
    placement: Placement,
    count: usize,
    progress: &Progress,
) -> Result<Closes, Box<dyn Error>> {
    let options = RingOptions::new(1024);
    let path = rings.path("close");
    let ring = options.create::<u64>(&path)?;
    let consumer = || -> Result<_, Box<dyn Error>> { Ok(Observer::open(&path)?.sample().consumer) };
    let mut sleeper = Child::fork(|control| {
        pin(placement.partner)?;
        sleep_and_report(options.open::<u64>(&path)?.consumer()?, control)
    })?;
    pin(placement.lead)?;
    sleeper.hear()?;
    let mut latencies = Vec::with_capacity(count);
    let (mut woken, mut unclear) = (0, 0);
    while latencies.len() < count {
        progress.show("closes", latencies.len(), count);
        let producer = ring.producer()?;
        let before = consumer()?.parks;
        sleeper.control.write_all(&[0])?;
        let patience = Instant::now() + Duration::from_secs(10);
        while !(consumer()?.is_asleep && sleeper.is_sleeping()?) {
            if Instant::now() > patience {
                return Err("the consumer does not sleep".into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        let dropped = now();
        drop(producer);
        // When the consumer called `pop`, and when that returned.
        let [entered, returned] = sleeper.hear_numbers()?;
        if dropped >= entered + LOOK / 2.0 {
            unclear += 1;
            if unclear > count {
                return Err("this machine is too busy to close a ring in time".into());
            }
            continue;
        }
        latencies.push((returned - dropped).max(0.0));
        let one_sleep = consumer()?.parks == before + 1;
        woken += usize::from(one_sleep && returned < entered + LOOK);
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
    while control.read(&mut [0])? == 1 {
        let entered = now();
        let answer = consumer.pop();
        let returned = now();
        if answer != Err(PopError::Abandoned) {
            return Err(format!("after the close the consumer received {answer:?}").into());
        }
        tell_numbers(&mut control, &[entered, returned])?;
    }
    Ok(())
}

/// Nanoseconds of the monotonic clock, which all processes share.
pub(crate) fn now() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
