//! An idle endpoint that sleeps: how often it wakes up, and how much CPU time it uses.

use std::error::Error;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{DoorbellKind, PopError, Producer, RingOptions};

use super::child::Child;
use super::placement::pin;
use super::progress::Progress;
use super::rings::Rings;
use super::switches;

/// The measurements of an idle consumer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    pub(crate) seconds: f64,
    /// Voluntary context switches, counted by the kernel.
    pub(crate) switches: u64,
    /// Sleeps, counted in the ring.
    pub(crate) parks: u64,
    pub(crate) cpu_seconds: f64,
}

impl Idle {
    pub(crate) fn switches_per_second(&self) -> f64 {
        self.switches as f64 / self.seconds
    }

    pub(crate) fn parks_per_second(&self) -> f64 {
        self.parks as f64 / self.seconds
    }

    pub(crate) fn cpu_percent(&self) -> f64 {
        self.cpu_seconds / self.seconds * 100.0
    }
}

/// A consumer in `pop`, and a producer that sends nothing.
struct Pair {
    name: String,
    consumer: Child,
    producer: Producer<u64>,
}

impl Pair {
    fn start(rings: &Rings, doorbell: DoorbellKind, cpu: usize) -> Result<Self, Box<dyn Error>> {
        let name = format!("idle {doorbell:?}");
        let options = RingOptions::new(1024).doorbell(doorbell);
        let path = rings.path(&name);
        let mut consumer = Child::fork(|mut control| {
            pin(cpu)?;
            let mut consumer = options.open_or_create::<u64>(&path)?.consumer()?;
            control.write_all(&[0])?;
            match consumer.pop() {
                Err(PopError::Abandoned) => Ok(()),
                other => Err(format!("the idle consumer returned {other:?}").into()),
            }
        })?;
        consumer.control.read_exact(&mut [0])?;
        let producer = options.open_or_create::<u64>(&path)?.producer()?;
        Ok(Self {
            name,
            consumer,
            producer,
        })
    }

    fn look(&self, rings: &Rings, since: Instant) -> io::Result<Idle> {
        Ok(Idle {
            seconds: since.elapsed().as_secs_f64(),
            switches: switches::voluntary(self.consumer.pid())?,
            parks: rings.consumer(&self.name)?.parks,
            cpu_seconds: cpu_seconds(self.consumer.pid())?,
        })
    }

    fn end(self) -> io::Result<()> {
        drop(self.producer);
        self.consumer.succeed()
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
    let look = || -> io::Result<Vec<Idle>> {
        let looks = pairs.iter().map(|pair| pair.look(rings, begin));
        looks.collect()
    };
    let before = look()?;
    let total = length.as_secs() as usize;
    while begin.elapsed() < length {
        progress.show("idle seconds", begin.elapsed().as_secs() as usize, total);
        thread::sleep(Duration::from_millis(500).min(length));
    }
    let after = look()?;
    progress.clear();
    for pair in pairs {
        pair.end()?;
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
pub(crate) fn cpu_seconds(pid: libc::pid_t) -> io::Result<f64> {
    let mut clock = 0;
    // SAFETY: the clock's number outlives the call.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time outlives the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}
