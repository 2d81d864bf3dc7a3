//! Messages at a fixed interval, as audio blocks and control loops send them: how late each
//! is taken, how much CPU time the consumer's wait uses, and what a push costs.

use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use quoit::{RingOptions, WaitStrategy};
use rustix::time::{ClockId, clock_gettime};

use super::child::{Child, tell_numbers};
use super::close::now;
use super::placement::{Placement, pin};
use super::rings::Rings;
use super::spread::quantile;

/// Nanoseconds, except for the CPU share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periodic {
    pub(crate) late_p50: f64,
    pub(crate) late_p99: f64,
    pub(crate) push_p50: f64,
    pub(crate) cpu_percent: f64,
}

/// How early the producer wakes before each message is due, so that timer inaccuracy does
/// not shift its messages.
const AWAKE: Duration = Duration::from_micros(100);

/// Measures a producer that pushes the time once per period to a consumer with this wait strategy.
pub(crate) fn measure(
    rings: &Rings,
    strategy: WaitStrategy,
    period: Duration,
    length: Duration,
    placement: Placement,
) -> Result<Periodic, Box<dyn Error>> {
    // A new ring for each slice: the consumer waits for its first producer.
    let options = RingOptions::new(64)
        .wait_strategy(strategy)
        .unlink_on_drop(true);
    let path = rings.path(&format!("periodic {strategy:?} {}", period.as_nanos()));
    let messages = (length.as_nanos() / period.as_nanos()) as usize;
    let mut child = Child::fork(|mut control| {
        pin(placement.partner)?;
        let mut consumer = options.open_or_create::<f64>(&path)?.consumer()?;
        control.write_all(&[0])?;
        let mut late = Vec::with_capacity(messages);
        let first = consumer.pop()?;
        let (begin, cpu_before) = (Instant::now(), cpu_seconds());
        late.push(now() - first);
        for pushed in &mut consumer {
            late.push(now() - pushed);
        }
        let share = (cpu_seconds() - cpu_before) / begin.elapsed().as_secs_f64();
        late.sort_by(f64::total_cmp);
        let [p50, p99] = [0.5, 0.99].map(|part| quantile(&late, part));
        Ok(tell_numbers(
            &mut control,
            &[late.len() as f64, p50, p99, share],
        )?)
    })?;
    child.hear()?;
    pin(placement.lead)?;
    let mut producer = options.open_or_create::<f64>(&path)?.producer()?;
    let mut costs = Vec::with_capacity(messages);
    let mut due = Instant::now() + period;
    for _ in 0..messages {
        thread::sleep(due.saturating_duration_since(Instant::now() + AWAKE));
        while Instant::now() < due {
            core::hint::spin_loop();
        }
        let begin = now();
        producer.push(begin)?;
        costs.push(now() - begin);
        due += period;
    }
    drop(producer);
    let [taken, late_p50, late_p99, share] = child.hear_numbers()?;
    child.succeed()?;
    if taken != messages as f64 {
        return Err(format!("{taken} of {messages} messages were received").into());
    }
    costs.sort_by(f64::total_cmp);
    Ok(Periodic {
        late_p50,
        late_p99,
        push_p50: quantile(&costs, 0.5),
        cpu_percent: share * 100.0,
    })
}

/// The CPU time of this process.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
