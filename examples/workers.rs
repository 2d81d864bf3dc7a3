//! Workers, to each of which its parent hands two rings without a name: jobs go
//! out, results come back, and nothing of it lies in /dev/shm.

#[path = "common/interrupt.rs"]
mod interrupt;
#[macro_use]
#[path = "common/say.rs"]
mod say;

use std::env;
use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;

use clap::{Parser, Subcommand};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{
    Consumer, Interest, PopError, Producer, RingOptions, Select, SelectError, Selectable, Selected,
    handoff,
};

/// Counts primes in several processes
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Options {
    /// Count the primes below this number
    #[arg(long, default_value_t = 1_000_000)]
    below: u64,
    /// How many processes count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    workers: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program does when it starts itself.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    Work,
}

/// Some of the numbers.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Job {
    first: u64,
    end: u64,
}

/// Numbers of a job.
const STEP: u64 = 1000;
/// Jobs that a worker has at a time, so that it need not wait for the next.
const AHEAD: u64 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        None => count(options.below, options.workers),
        Some(Part::Work) => work(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt::asked() => {
            complain!("interrupted");
            interrupt::die()
        }
        Err(error) => {
            complain!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts until the parent has closed; the socket to it is the standard input.
fn work() -> Result<(), Box<dyn Error>> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut jobs = handoff::receive::<Job>(&socket)?.consumer()?;
    let mut counts = handoff::receive::<u64>(&socket)?.producer()?;
    loop {
        match jobs.pop() {
            Ok(job) => counts.push((job.first..job.end).filter(is_prime).count() as u64)?,
            Err(PopError::Abandoned) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_prime(number: &u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= *number);
    *number > 1 && divisors.all(|divisor| number % divisor != 0)
}

/// A worker, as its parent has it.
struct Worker {
    jobs: Producer<Job>,
    counts: Consumer<u64>,
    process: Process,
}

impl Worker {
    fn start() -> Result<Self, Box<dyn Error>> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(env::current_exe()?);
        let child = command.arg("work").stdin(OwnedFd::from(theirs)).spawn()?;
        let process = Process(child);
        let options = RingOptions::new(AHEAD);
        let jobs = options.create_anonymous::<Job>()?;
        let counts = options.create_anonymous::<u64>()?;
        // Taken before they are sent: should this process die, the worker knows.
        let (producer, consumer) = (jobs.producer()?, counts.consumer()?);
        handoff::send(&ours, &jobs)?;
        handoff::send(&ours, &counts)?;
        Ok(Self {
            jobs: producer,
            counts: consumer,
            process,
        })
    }

    /// Tells the worker that there are no more jobs, and waits until it has ended.
    fn end(self) -> Result<(), Box<dyn Error>> {
        let Self {
            jobs, mut process, ..
        } = self;
        drop(jobs);
        match process.0.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("a worker failed: {status}").into()),
        }
    }
}

/// A set of workers is waited for by their results.
impl Selectable for Worker {
    fn interest(&mut self) -> Interest<'_> {
        self.counts.interest()
    }
}

/// It ends with this one.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Deals the jobs: a worker that is done with one gets another.
fn count(below: u64, count: u64) -> Result<(), Box<dyn Error>> {
    interrupt::listen()?;
    let mut workers = Vec::new();
    for _ in 0..count {
        workers.push(Worker::start()?);
    }
    let firsts = (0..below).step_by(STEP as usize);
    let mut jobs = firsts.map(|first| Job {
        first,
        end: below.min(first + STEP),
    });
    let (mut primes, mut at_work) = (0, 0);
    for _ in 0..AHEAD {
        for (worker, job) in workers.iter_mut().zip(&mut jobs) {
            worker.jobs.try_push(job)?;
            at_work += 1;
        }
    }
    let mut select = Select::new();
    while at_work > 0 {
        if interrupt::asked() {
            return Err("interrupted".into());
        }
        match select.wait(&mut workers, Duration::from_millis(200)) {
            Ok(Selected::Ready(index)) => {
                let worker = &mut workers[index];
                primes += worker.counts.try_pop()?;
                at_work -= 1;
                if let Some(job) = jobs.next() {
                    worker.jobs.try_push(job)?;
                    at_work += 1;
                }
            }
            Ok(Selected::Gone(_) | Selected::Back(_)) => return Err("a worker has died".into()),
            // Before it had its rings, perhaps.
            Err(SelectError::TimedOut) => {
                for worker in &mut workers {
                    if let Some(status) = worker.process.0.try_wait()? {
                        return Err(format!("a worker has ended: {status}").into());
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    for worker in workers {
        worker.end()?;
    }
    say!("{primes} primes below {below}, counted by {count} workers");
    Ok(())
}
