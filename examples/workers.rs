//! Workers, to each of which the parent sends two rings without a name: one for jobs, one for
//! results. Nothing is in /dev/shm.
//!
//! ```sh
//! cargo run --release --example workers
//! ```

mod common;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use clap::Parser;
use common::{MOMENT, Process, Result, interrupt, say};
use quoit::{
    Consumer, Interest, Producer, RingOptions, Select, SelectError, Selectable, Selected, handoff,
};

/// Counts primes in several processes
#[derive(Parser)]
struct Options {
    /// Count the primes below this number
    #[arg(long, default_value_t = 1_000_000)]
    below: u64,
    /// How many processes count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    workers: u64,
}

/// Numbers of a job.
const STEP: u64 = 1000;
/// Jobs that a worker has at a time, so that it need not wait for the next.
const AHEAD: u64 = 2;

fn main() {
    common::main(|words| match words {
        ["work", below] => work(below.parse()?),
        _ => count(Options::parse()),
    });
}

/// Counts until the parent has closed; the socket to it is the standard input. A job is its first
/// number.
fn work(below: u64) -> Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut jobs = handoff::receive::<u64>(&socket)?.consumer()?;
    let mut counts = handoff::receive::<u64>(&socket)?.producer()?;
    for first in &mut jobs {
        let numbers = first..below.min(first + STEP);
        counts.push(numbers.filter(is_prime).count() as u64)?;
    }
    Ok(())
}

fn is_prime(number: &u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= *number);
    *number > 1 && divisors.all(|divisor| number % divisor != 0)
}

/// A worker, in its parent.
struct Worker {
    /// Dropped before the endpoints: it ends before they close.
    process: Process,
    jobs: Producer<u64>,
    counts: Consumer<u64>,
}

impl Worker {
    fn start(below: u64) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let words = ["work", &below.to_string()];
        let process = Process::spawn(&words, OwnedFd::from(theirs).into(), Stdio::inherit())?;
        let options = RingOptions::new(AHEAD);
        let jobs = options.create_anonymous::<u64>()?;
        let counts = options.create_anonymous::<u64>()?;
        // Taken before they are sent: if this process crashes, the worker notices.
        let (producer, consumer) = (jobs.producer()?, counts.consumer()?);
        handoff::send(&ours, &jobs)?;
        handoff::send(&ours, &counts)?;
        Ok(Self {
            process,
            jobs: producer,
            counts: consumer,
        })
    }

    /// Tells the worker that there are no more jobs, and waits until it has ended.
    fn end(mut self) -> Result<()> {
        drop(self.jobs);
        self.process.end()
    }
}

/// `Select` waits for the results of a worker.
impl Selectable for Worker {
    fn interest(&mut self) -> Interest<'_> {
        self.counts.interest()
    }
}

/// Distributes the jobs: a worker that has finished one gets another.
fn count(Options { below, workers }: Options) -> Result<()> {
    let workers = (0..workers).map(|_| Worker::start(below));
    let mut workers = workers.collect::<Result<Vec<_>>>()?;
    let mut jobs = (0..below).step_by(STEP as usize);
    let (mut primes, mut at_work) = (0, 0);
    for _ in 0..AHEAD {
        for (worker, job) in workers.iter_mut().zip(&mut jobs) {
            worker.jobs.try_push(job)?;
            at_work += 1;
        }
    }
    let mut select = Select::new();
    while at_work > 0 {
        interrupt::check()?;
        // One that has ended before it attached is never reported as `Abandoned`.
        for worker in &mut workers {
            worker.process.check()?;
        }
        match select.wait(&mut workers, MOMENT) {
            Ok(Selected::Ready(index)) => {
                let worker = &mut workers[index];
                primes += worker.counts.try_pop()?;
                at_work -= 1;
                if let Some(job) = jobs.next() {
                    worker.jobs.try_push(job)?;
                    at_work += 1;
                }
            }
            Ok(Selected::Abandoned(index) | Selected::Attached(index)) => {
                workers[index].process.end()?;
                return Err("a worker has closed its rings".into());
            }
            Err(SelectError::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let count = workers.len();
    workers.into_iter().try_for_each(Worker::end)?;
    say!("{primes} primes below {below}, counted by {count} workers");
    Ok(())
}
