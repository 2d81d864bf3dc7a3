//! A profiler in a signal handler: on every tick of a thread's CPU clock the
//! handler pushes where the thread was, and when, into a ring, and another thread
//! counts.
//!
//! `try_push` may be called there because it neither waits, allocates, locks,
//! nor panics, and does not change errno. The handler owns its producer alone: the
//! timer signals one thread, and the signal is blocked while it is handled.

#[macro_use]
mod common;

use std::cell::UnsafeCell;
use std::cmp::Reverse;
use std::hint::black_box;
use std::process::ExitCode;
use std::{io, mem, ptr, thread};

use clap::Parser;
use common::Result;
use quoit::zerocopy::{FromBytes, Immutable, IntoBytes};
use quoit::{Consumer, PopError, Producer, RingOptions};
use rustix::time::{ClockId, clock_gettime};

/// Samples its own work from a profiling timer, through a ring
#[derive(Parser)]
struct Options {
    /// For how long to work, in milliseconds of this thread's CPU time
    #[arg(long, default_value_t = 1000)]
    milliseconds: u64,
    /// Samples per second of CPU time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

fn main() -> ExitCode {
    common::main(|_| run(&Options::parse()))
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
    let (producer, consumer) = RingOptions::new(4096).heap::<Sample>()?;
    // SAFETY: no timer runs yet.
    unsafe { *SAMPLES.0.get() = Some(producer) };
    let begin = cpu_time();
    let counter = thread::spawn(move || count(consumer));
    let timer = Timer::start(options.rate)?;
    let mut sum = 0;
    while cpu_time() - begin < options.milliseconds * 1_000_000 {
        sum += thrice(black_box(1000)) + twice(black_box(1000)) + once(black_box(1000));
    }
    black_box(sum);
    drop(timer);
    let worked = cpu_time() - begin;
    // SAFETY: the timer is deleted, and its last signal was handled.
    unsafe { *SAMPLES.0.get() = None };
    let (mut counts, times) = counter.join().map_err(|_| "the counting thread ended")??;

    let total: u64 = counts.iter().map(|&(_, count)| count).sum();
    counts.sort_by_key(|&(_, count)| Reverse(count));
    for (name, count) in counts {
        let percent = count * 100 / total.max(1);
        let bar = "#".repeat(percent as usize / 2);
        say!("{name:>10} {percent:>3} % {bar}");
    }
    let milliseconds = |nanos: u64| nanos as f64 / 1e6;
    if let Some((first, last)) = times {
        let [first, last] = [first, last].map(|time| milliseconds(time - begin));
        say!("samples from {first:.3} to {last:.3} ms");
    }
    say!(
        "{total} samples in {:.3} ms of CPU time",
        milliseconds(worked)
    );
    Ok(())
}

/// A unit of work that the compiler may not shorten.
macro_rules! work {
    ($name:ident, $measures:literal) => {
        #[inline(never)]
        fn $name(rounds: u64) -> u64 {
            let mut sum = $measures;
            let mut left = rounds * $measures;
            while left > 0 {
                sum = sum * 31 % 1009 + left % 7;
                left -= 1;
            }
            sum
        }
    };
}

work!(once, 1);
work!(twice, 2);
work!(thrice, 3);

/// How often the thread was in each function, and when the first and the last sample were taken.
type Profile = (Vec<(&'static str, u64)>, Option<(u64, u64)>);

/// Counts samples until the profiled thread has given up its producer.
fn count(mut consumer: Consumer<Sample>) -> Result<Profile> {
    let mut functions = [
        ("once", once as fn(u64) -> u64 as usize as u64),
        ("twice", twice as fn(u64) -> u64 as usize as u64),
        ("thrice", thrice as fn(u64) -> u64 as usize as u64),
    ];
    functions.sort_by_key(|&(_, start)| start);
    let mut counts: Vec<_> = functions.iter().map(|&(name, _)| (name, 0)).collect();
    counts.push(("elsewhere", 0));
    let mut times = None;
    loop {
        let Sample { address, time } = match consumer.pop() {
            Ok(sample) => sample,
            Err(PopError::Abandoned) => return Ok((counts, times)),
            Err(error) => return Err(error.into()),
        };
        times = Some((times.map_or(time, |(first, _)| first), time));
        // In the function that begins last before the address, and is short.
        let at = functions.partition_point(|&(_, start)| start <= address);
        let index = match at.checked_sub(1) {
            Some(index) if address - functions[index].1 < 256 => index,
            _ => functions.len(),
        };
        counts[index].1 += 1;
    }
}

/// A timer on this thread's CPU clock, whose signal goes to this thread alone.
struct Timer(libc::timer_t);

impl Timer {
    fn start(rate: u32) -> io::Result<Self> {
        let answer = |result| match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        // SAFETY: all zero bytes are an action: an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        let handler: extern "C" fn(_, _, _) = sample;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: the action outlives the call.
        answer(unsafe { libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut()) })?;
        // SAFETY: all zero bytes are an event.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_pid();
        let (clock, mut timer) = (libc::CLOCK_THREAD_CPUTIME_ID, ptr::null_mut());
        // SAFETY: event and timer outlive the call.
        answer(unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) })?;
        // SAFETY: all zero bytes are times.
        let mut times: libc::itimerspec = unsafe { mem::zeroed() };
        times.it_interval.tv_nsec = libc::c_long::from(1_000_000_000 / rate).min(999_999_999);
        times.it_value = times.it_interval;
        // SAFETY: the timer is this one, and the times outlive the call.
        answer(unsafe { libc::timer_settime(timer, 0, &raw const times, ptr::null_mut()) })?;
        Ok(Self(timer))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer is this one, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}
