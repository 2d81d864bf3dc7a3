//! A profiler in a signal handler: on every tick of a thread's CPU clock the
//! handler pushes where the thread was, and when, into a ring, and another thread
//! collects.
//!
//! `try_push` may be called there because it neither waits, allocates, locks,
//! nor panics, and does not change errno. The handler owns its producer alone: the
//! timer signals one thread, and the signal is blocked while it is handled.
//!
//! ```sh
//! cargo run --release --example profiler
//! ```

mod common;

use std::cell::UnsafeCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use clap::Parser;
use common::{Result, interrupt, say};
use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Producer, RingOptions};
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

/// Samples its own work from a profiling timer, through a ring
#[derive(Parser)]
struct Options {
    /// For how long to work, in milliseconds of this thread's CPU time
    #[arg(long, default_value_t = 1000)]
    milliseconds: u32,
    /// Samples per second of CPU time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

fn main() {
    common::main(|_| run(&Options::parse()));
}

/// Where the thread was, and when.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Sample {
    address: u64,
    /// Nanoseconds on the thread's CPU clock.
    time: u64,
}

/// The producer that the handler owns while the timer runs.
struct Handlers(UnsafeCell<Option<Producer<Sample>>>);

// SAFETY: it is set while no timer runs; then only the handler uses it, on
// one thread, and never within itself.
unsafe impl Sync for Handlers {}

static SAMPLES: Handlers = Handlers(UnsafeCell::new(None));

extern "C" fn sample(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the interrupted thread's context.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    #[cfg(target_arch = "x86_64")]
    let address = context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64;
    #[cfg(target_arch = "aarch64")]
    let address = context.uc_mcontext.pc;
    let time = cpu_time();
    // SAFETY: the handler alone uses the producer.
    if let Some(producer) = unsafe { &mut *SAMPLES.0.get() } {
        // If the ring is full, drop the sample.
        let _ = producer.try_push(Sample { address, time });
    }
}

/// Nanoseconds on this thread's CPU clock. May be read in a handler.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn run(options: &Options) -> Result<()> {
    let (producer, mut consumer) = RingOptions::new(4096).heap::<Sample>()?;
    // SAFETY: no timer runs yet.
    unsafe { *SAMPLES.0.get() = Some(producer) };
    let begin = cpu_time();
    let collector = thread::spawn(move || consumer.iter().collect::<Vec<_>>());
    let timer = start_timer(options.rate)?;
    let mut sum = 0;
    while !interrupt::asked() && (cpu_time() - begin) / 1_000_000 < options.milliseconds.into() {
        for (_, function) in FUNCTIONS {
            sum += function(black_box(1000));
        }
    }
    black_box(sum);
    drop(timer);
    let worked = cpu_time() - begin;
    // SAFETY: the timer is deleted, and its last signal was handled.
    unsafe { *SAMPLES.0.get() = None };
    // The ring is closed, so the iterator ends.
    let samples = collector.join().map_err(|_| "the collector panicked")?;

    let mut counts = BTreeMap::new();
    for sample in &samples {
        *counts.entry(function_at(sample.address)).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| Reverse(count));
    let total = samples.len();
    for (name, count) in counts {
        let percent = count * 100 / total;
        say!("{name:>10} {percent:>3} % {}", "#".repeat(percent / 2));
    }
    let milliseconds = |nanos: u64| nanos as f64 / 1e6;
    if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
        let [first, last] = [first, last].map(|sample| milliseconds(sample.time - begin));
        say!("samples from {first:.3} to {last:.3} ms");
    }
    let worked = milliseconds(worked);
    say!("{total} samples in {worked:.3} ms of CPU time");
    Ok(())
}

/// This many measures of work, which the compiler may not shorten.
#[inline(never)]
fn work<const MEASURES: u64>(rounds: u64) -> u64 {
    let mut sum = MEASURES;
    let mut left = rounds * MEASURES;
    while left > 0 {
        sum = sum * 31 % 1009 + left % 7;
        left -= 1;
    }
    sum
}

type Function = fn(u64) -> u64;

/// What this thread works on, by name.
const FUNCTIONS: [(&str, Function); 3] = [
    ("once", work::<1>),
    ("twice", work::<2>),
    ("thrice", work::<3>),
];

/// The function that begins last before the address; none of them is long.
fn function_at(address: u64) -> &'static str {
    let starts = FUNCTIONS.map(|(name, function)| (function as usize as u64, name));
    let has = |&(start, _): &(u64, _)| (start..start + 256).contains(&address);
    let found = starts.into_iter().filter(has).max();
    found.map_or("elsewhere", |(_, name)| name)
}

/// Starts a timer on this thread's CPU clock, whose signal goes to this thread alone.
fn start_timer(rate: u32) -> Result<Timer> {
    let handler = SigHandler::SigAction(sample);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: all that the handler calls may be called by one.
    unsafe { sigaction(Signal::SIGPROF, &action) }?;
    let event = SigEvent::new(SigevNotify::SigevThreadId {
        signal: Signal::SIGPROF,
        thread_id: gettid().as_raw_pid(),
        si_value: 0,
    });
    let mut timer = Timer::new(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID, event)?;
    let period = Expiration::Interval((Duration::from_secs(1) / rate).into());
    timer.set(period, TimerSetTimeFlags::empty())?;
    Ok(timer)
}
