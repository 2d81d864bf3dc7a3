//! An idle endpoint that sleeps: how often it wakes up, and how much CPU time it uses.

use std::error::Error;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, Observer, PopError, Producer, RingOptions};
use rustix::process::Pid;

use super::child::Child;
use super::placement::pin;
use super::progress::Progress;
use super::rings::Rings;
use super::switches;

/// The measurements of an idle consumer: totals, or their difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    /// Voluntary context switches, counted by the kernel.
    pub(crate) switches: f64,
    /// Sleeps, counted in the ring.
    pub(crate) parks: f64,
    pub(crate) cpu_seconds: f64,
}

/// A consumer in `pop`, and a producer that sends nothing.
struct Pair {
    ring: Observer,
    consumer: Child,
    producer: Producer<u64>,
}

impl Pair {
    fn start(rings: &Rings, doorbell: DoorbellKind, cpu: usize) -> Result<Self, Box<dyn Error>> {
        let options = RingOptions::new(1024).doorbell(doorbell);
        let path = rings.path(&format!("idle {doorbell:?}"));
        let mut consumer = Child::fork(|mut control| {
            pin(cpu)?;
            let mut consumer = options.open_or_create::<u64>(&path)?.consumer()?;
            control.write_all(&[0])?;
            match consumer.pop() {
                Err(PopError::Abandoned) => Ok(()),
                other => Err(format!("the idle consumer returned {other:?}").into()),
            }
        })?;
        consumer.hear()?;
        Ok(Self {
            ring: Observer::open(&path)?,
            consumer,
            producer: options.open::<u64>(&path)?.producer()?,
        })
    }

    fn look(&self, since: Instant) -> Result<Idle, Box<dyn Error>> {
        Ok(Idle {
            seconds: since.elapsed().as_secs_f64(),
            switches: switches::voluntary(self.consumer.pid())? as f64,
            parks: self.ring.sample().consumer.parks as f64,
            cpu_seconds: cpu_seconds(self.consumer.pid())?,
        })
    }
}

/// Measures one idle consumer for each kind of doorbell, all at the same time.
pub(crate) fn measure(
    rings: &Rings,
    doorbells: &[DoorbellKind],
    cpu: usize,
    length: Duration,
    progress: &Progress,
) -> Result<Vec<Idle>, Box<dyn Error>> {
    let start = |&doorbell| Pair::start(rings, doorbell, cpu);
    let pairs: Vec<Pair> = doorbells.iter().map(start).collect::<Result<_, _>>()?;
    // Until the consumers sleep.
    thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    let look = || -> Result<Vec<_>, _> { pairs.iter().map(|pair| pair.look(begin)).collect() };
    let before = look()?;
    let total = length.as_secs() as usize;
    while begin.elapsed() < length {
        progress.show("idle seconds", begin.elapsed().as_secs() as usize, total);
        thread::sleep(Duration::from_millis(500).min(length));
    }
    let after = look()?;
    progress.clear();
    for Pair {
        consumer, producer, ..
    } in pairs
    {
        drop(producer);
        consumer.succeed()?;
    }
    let difference = |(before, after): (&Idle, &Idle)| Idle {
        seconds: after.seconds - before.seconds,
        switches: after.switches - before.switches,
        parks: after.parks - before.parks,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
    };
    Ok(before.iter().zip(&after).map(difference).collect())
}

/// The CPU time of another process.
fn cpu_seconds(process: Pid) -> io::Result<f64> {
    let (mut clock, mut time) = (
        0,
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    // SAFETY: the clock's number outlives the call.
    let unknown = unsafe { libc::clock_getcpuclockid(process.as_raw_pid(), &raw mut clock) };
    // SAFETY: the time outlives the call.
    if unknown != 0 || unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::other("the process has no clock"));
    }
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}
