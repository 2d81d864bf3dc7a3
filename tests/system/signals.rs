//! Signals: a wait that a handler interrupts continues with the remaining time, and a
//! handler itself may push and pop.
#![allow(clippy::disallowed_types, reason = "a signal handler needs atomics")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::child::{Child, say};
use crate::common::process::{alarm, handle};
use quoit::{Consumer, DoorbellKind, PopError, Producer, PushError, RingOptions, Shape};

crate::common::suite::tests! {
    an_interrupted_wait_keeps_its_deadline,
    an_interrupted_read_or_write_continues,
    a_handler_may_interrupt_any_code_of_its_thread;
    parts: working
}

/// Counts the allocations while a handler runs.
struct Watchful;

thread_local! {
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATED_IN_HANDLER: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: all calls go to the system's allocator.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, SeqCst);
        if IN_HANDLER.get() {
            ALLOCATED_IN_HANDLER.fetch_add(1, SeqCst);
        }
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, SeqCst);
}

const BELLS: [DoorbellKind; 2] = [DoorbellKind::Futex, DoorbellKind::Semaphore];

/// Repeats a wait until signals have interrupted it often enough. A busy or emulated
/// machine delivers only few signals per wait.
fn interrupted(what: &str, mut wait: impl FnMut()) {
    const ENOUGH: u64 = 101;
    handle(libc::SIGALRM, count);
    let before = INTERRUPTIONS.load(SeqCst);
    let interruptions = || INTERRUPTIONS.load(SeqCst) - before;
    let mut waits = 0;
    alarm(Duration::from_millis(1));
    while interruptions() < ENOUGH {
        let start = Instant::now();
        wait();
        let took = start.elapsed();
        assert!(took >= TIMEOUT, "{what}: ended after {took:?}");
        waits += 1;
    }
    alarm(Duration::ZERO);
    print!(
        "[{what}: {waits} waits, {} interruptions] ",
        interruptions()
    );
}

const TIMEOUT: Duration = Duration::from_millis(200);

fn an_interrupted_wait_keeps_its_deadline() {
    for bell in BELLS {
        let (mut producer, mut consumer) = pair::<u64>(bell);
        interrupted(&format!("{bell:?}, empty"), || {
            assert_eq!(consumer.pop_timeout(TIMEOUT), Err(PopError::TimedOut));
        });
        producer.try_push_slice(&[0; 64]).expect("there is room");
        interrupted(&format!("{bell:?}, full"), || {
            let pushed = producer.push_timeout(1, TIMEOUT);
            assert_eq!(pushed, Err(PushError::TimedOut(1)));
        });
    }
}

fn an_interrupted_read_or_write_continues() {
    let (mut producer, mut consumer) = pair::<[u8]>(DoorbellKind::Futex);
    let mut reader = consumer.reader();
    reader.set_timeout(Some(TIMEOUT));
    interrupted("read", || {
        let nothing = reader.read(&mut [0]).expect_err("nothing is there");
        assert_eq!(nothing.kind(), ErrorKind::TimedOut);
    });
    let mut writer = producer.writer();
    writer.set_timeout(Some(TIMEOUT));
    interrupted("write", || {
        let full = (0..9).find_map(|_| writer.write(&[0; 8]).err());
        assert_eq!(full.expect("it is full").kind(), ErrorKind::TimedOut);
    });
}

fn pair<T: Shape + ?Sized>(bell: DoorbellKind) -> (T::Producer, T::Consumer) {
    let options = RingOptions::new(64).doorbell(bell).spin(Duration::ZERO);
    options.heap::<T>().expect("a ring")
}

/// State that only the handler uses once it is installed.
struct Handlers<T>(UnsafeCell<Option<T>>);

// SAFETY: only the handler accesses it, on one thread, and it never interrupts itself.
unsafe impl<T> Sync for Handlers<T> {}

static ENDS: Handlers<(Producer<u64>, Consumer<u64>)> = Handlers(UnsafeCell::new(None));
static PUSHED: AtomicU64 = AtomicU64::new(0);
static POPPED: AtomicU64 = AtomicU64::new(0);
static ERRNO_CHANGED: AtomicU64 = AtomicU64::new(0);

/// What the handler's thread does at the moment.
static ACTIVITY: AtomicUsize = AtomicUsize::new(SIGNALLING);
/// How often a handler has pushed during each activity.
static PUSHED_DURING: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

const SIGNALLING: usize = 0;
const ALLOCATING: usize = 1;
const LOCKING: usize = 2;
const PRINTING: usize = 3;

const SENTINEL: libc::c_int = 12345;

extern "C" fn push_and_pop(_signal: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, SeqCst);
    IN_HANDLER.set(true);
    // SAFETY: every thread has an errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it belongs to this thread.
    let before = unsafe { errno.read() };
    // SAFETY: as above; the value is restored below.
    unsafe { errno.write(SENTINEL) };
    // SAFETY: only the handler uses the endpoints.
    if let Some((producer, consumer)) = unsafe { &mut *ENDS.0.get() } {
        let next = PUSHED.load(SeqCst);
        if producer.try_push(next).is_ok() {
            PUSHED.store(next + 1, SeqCst);
            PUSHED_DURING[ACTIVITY.load(SeqCst)].fetch_add(1, SeqCst);
        }
        if consumer.try_pop() == Ok(POPPED.load(SeqCst)) {
            POPPED.fetch_add(1, SeqCst);
        }
    }
    // SAFETY: as above.
    if unsafe { errno.read() } != SENTINEL {
        ERRNO_CHANGED.fetch_add(1, SeqCst);
    }
    // SAFETY: as above.
    unsafe { errno.write(before) };
    IN_HANDLER.set(false);
}

/// While `continues`, a handler on this thread pushes to a thread that sleeps in between, and
/// pops the answers.
fn handle_messages(bell: DoorbellKind, mut continues: impl FnMut() -> bool) {
    let (producer, mut consumer) = pair::<u64>(bell);
    let (mut answers, answered) = pair::<u64>(bell);
    PUSHED.store(0, SeqCst);
    POPPED.store(0, SeqCst);
    // SAFETY: the handler is not installed yet.
    unsafe { *ENDS.0.get() = Some((producer, answered)) };
    handle(libc::SIGUSR1, push_and_pop);
    let reader = thread::spawn(move || {
        let mut expected = 0;
        while let Ok(number) = consumer.pop() {
            assert_eq!(number, expected, "once, and in order");
            // At the end no client is attached for the last answers.
            let _ = answers.push(number);
            expected += 1;
        }
        expected
    });
    while continues() && !reader.is_finished() {}
    handle(libc::SIGUSR1, count);
    // SAFETY: the handler is removed.
    unsafe { *ENDS.0.get() = None };
    let arrived = reader.join().expect("the reader returns");
    assert_eq!(arrived, PUSHED.load(SeqCst), "{bell:?}: nothing is lost");
    assert_eq!(
        ALLOCATED_IN_HANDLER.load(SeqCst),
        0,
        "allocations in a handler"
    );
    assert_eq!(
        ERRNO_CHANGED.load(SeqCst),
        0,
        "a handler that changed errno"
    );
}

static SHARED: Mutex<u64> = Mutex::new(0);

fn lock_and_unlock() {
    *SHARED.lock().unwrap_or_else(PoisonError::into_inner) += 1;
}

/// Locks as well while its thread is unparked, and lets the other threads run while it holds
/// the lock: so they wait for it sometimes.
fn contend() {
    loop {
        thread::park();
        for _ in 0..10 {
            let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            thread::yield_now();
            drop(shared);
        }
    }
}

/// A timer that sends SIGUSR1 to this thread.
fn timer() -> libc::timer_t {
    // SAFETY: all zero bytes are an event.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGUSR1;
    // SAFETY: the call cannot fail.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer = std::ptr::null_mut();
    // SAFETY: event and timer outlive the call.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    assert_eq!(made, 0, "the timer is made");
    timer
}

/// Has the timer send its signal once.
fn signal_after(timer: libc::timer_t, delay: Duration) {
    // SAFETY: all zero bytes are a time.
    let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
    time.it_value.tv_nsec = delay.as_nanos() as _;
    // SAFETY: the timer lives as long as its process, the time as long as the call.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const time, std::ptr::null_mut()) };
    assert_eq!(set, 0, "the timer is set");
}

fn step(activity: usize, act: impl FnOnce()) {
    ACTIVITY.store(activity, SeqCst);
    act();
    ACTIVITY.store(SIGNALLING, SeqCst);
}

/// Allocates, locks and prints, while a handler interrupts it at the moments of a timer; reports
/// how often the handler pushed during each activity.
fn working(words: &[String]) {
    const TIMES: u64 = 500;
    let bell = BELLS[words[0].parse::<usize>().expect("a bell")];
    let contender = thread::spawn(contend);
    let timer = timer();
    let during = |activity: usize| PUSHED_DURING[activity].load(SeqCst);
    let rarest = || {
        let all = [ALLOCATING, LOCKING, PRINTING].into_iter();
        let rarest = all.min_by_key(|&activity| during(activity));
        rarest.expect("three activities")
    };
    let mut lines = 0;
    let mut delays = (10..200).map(Duration::from_micros).cycle();
    handle_messages(bell, || {
        let before = INTERRUPTIONS.load(SeqCst);
        signal_after(timer, delays.next().expect("a delay"));
        // One signal for each delay: however slow the machine is, no handler keeps this thread.
        while INTERRUPTIONS.load(SeqCst) == before {
            let rarest = rarest();
            step(rarest, || match rarest {
                ALLOCATING => (1..100).for_each(|size| drop(black_box(vec![0_u8; size * 50]))),
                LOCKING => {
                    contender.thread().unpark();
                    (0..100).for_each(|_| lock_and_unlock());
                }
                _ => {
                    say(lines);
                    lines += 1;
                }
            });
        }
        during(rarest()) < TIMES || POPPED.load(SeqCst) < TIMES
    });
    assert!(ALLOCATED.load(SeqCst) > TIMES, "the watching thread ends");
    say(format!("{:?}", [ALLOCATING, LOCKING, PRINTING].map(during)));
}

fn a_handler_may_interrupt_any_code_of_its_thread() {
    for (index, bell) in BELLS.into_iter().enumerate() {
        let child = Child::start("working", &[&index.to_string()]);
        let mut lines = 0;
        let last = loop {
            let line = child.says();
            if line != lines.to_string() {
                break line;
            }
            lines += 1;
        };
        print!("[{bell:?}: {last} in {lines} lines] ");
        assert!(last.starts_with('['), "after line {lines} comes {last}");
        child.succeeds();
    }
}
