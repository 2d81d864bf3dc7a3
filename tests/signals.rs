//! Signals: a wait that a handler interrupts goes on with the time that is
//! left, and a handler itself may push and pop.
#![allow(clippy::disallowed_types, reason = "a signal handler needs atomics")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use quoit::{Consumer, PopError, Producer, RingOptions, Shape};

common::suite::suite! {
    tests: [
        an_interrupted_wait_keeps_its_deadline,
        an_interrupted_read_or_write_goes_on,
        a_handler_pushes_to_a_sleeper_and_pops,
    ],
    parts: [],
}

/// Counts what is allocated while a handler runs.
struct Watchful;

static IN_HANDLER: AtomicBool = AtomicBool::new(false);
static ALLOCATED_IN_HANDLER: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, SeqCst);
        if IN_HANDLER.load(SeqCst) {
            ALLOCATED_IN_HANDLER.fetch_add(1, SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_signal: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, SeqCst);
}

/// Installs a handler that runs with its own signal blocked, and that does not
/// restart the system call it interrupts.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zero bytes are an action: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // SAFETY: the action lives through the call.
    let set = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0, "the handler is installed");
}

/// Has SIGALRM come every millisecond, or no more.
fn alarm(every: Duration) {
    let every = libc::timeval {
        tv_sec: 0,
        tv_usec: every.as_micros() as libc::suseconds_t,
    };
    let timer = libc::itimerval {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: the timer lives through the call.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0, "the timer is set");
}

fn an_interrupted_wait_keeps_its_deadline() {
    let (mut producer, mut consumer) = pair::<u64>();
    handle(libc::SIGALRM, count);
    alarm(Duration::from_millis(1));
    let timeout = Duration::from_millis(400);
    let start = Instant::now();
    assert_eq!(consumer.pop_timeout(timeout), Err(PopError::Empty));
    assert!(start.elapsed() >= timeout, "not before its time");

    producer.try_push_slice(&[0; 64]).expect("there is room");
    let start = Instant::now();
    producer.push_timeout(1, timeout).expect_err("it is full");
    assert!(start.elapsed() >= timeout, "not before its time");
    alarm(Duration::ZERO);
    let interruptions = INTERRUPTIONS.load(SeqCst);
    print!("[{interruptions} interruptions] ");
    assert!(interruptions > 100, "the waits were interrupted");
}

fn an_interrupted_read_or_write_goes_on() {
    let (mut producer, mut consumer) = pair::<[u8]>();
    handle(libc::SIGALRM, count);
    let before = INTERRUPTIONS.load(SeqCst);
    alarm(Duration::from_millis(1));
    let timeout = Some(Duration::from_millis(200));
    let mut reader = consumer.reader();
    reader.set_timeout(timeout);
    let nothing = reader.read(&mut [0]).expect_err("nothing is there");
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    let mut writer = producer.writer();
    writer.set_timeout(timeout);
    let full = (0..9).find_map(|_| writer.write(&[0; 8]).err());
    assert_eq!(full.expect("it is full").kind(), ErrorKind::WouldBlock);
    alarm(Duration::ZERO);
    let interruptions = INTERRUPTIONS.load(SeqCst) - before;
    assert!(interruptions > 2, "the waits were interrupted");
}

fn pair<T: Shape + ?Sized>() -> (Producer<T>, Consumer<T>) {
    let options = RingOptions::new(64).spin(Duration::ZERO);
    options.heap().expect("a ring")
}

/// What the handler alone uses once it is installed.
struct Handlers<T>(UnsafeCell<Option<T>>);

// SAFETY: only the handler touches it, on one thread, never within itself.
unsafe impl<T> Sync for Handlers<T> {}

static ENDS: Handlers<(Producer<u64>, Consumer<u64>)> = Handlers(UnsafeCell::new(None));
static PUSHED: AtomicU64 = AtomicU64::new(0);
static POPPED: AtomicU64 = AtomicU64::new(0);
static ERRNO_CHANGED: AtomicU64 = AtomicU64::new(0);

const SENTINEL: libc::c_int = 12345;

extern "C" fn push_and_pop(_signal: libc::c_int) {
    IN_HANDLER.store(true, SeqCst);
    // SAFETY: every thread has an errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: it is this thread's own.
    let before = unsafe { errno.read() };
    // SAFETY: as above; the value is put back below.
    unsafe { errno.write(SENTINEL) };
    // SAFETY: the handler alone uses the ends.
    if let Some((producer, consumer)) = unsafe { &mut *ENDS.0.get() } {
        let next = PUSHED.load(SeqCst);
        if producer.try_push(next).is_ok() {
            PUSHED.store(next + 1, SeqCst);
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
    IN_HANDLER.store(false, SeqCst);
}

fn a_handler_pushes_to_a_sleeper_and_pops() {
    const SIGNALS: u64 = 20_000;
    let (producer, mut consumer) = pair();
    let (mut answers, answered) = pair();
    // SAFETY: the handler is not installed yet.
    unsafe { *ENDS.0.get() = Some((producer, answered)) };
    handle(libc::SIGUSR1, push_and_pop);
    // Sleeps between the signals, and answers each message.
    let reader = thread::spawn(move || {
        let mut expected = 0;
        while expected < SIGNALS {
            assert_eq!(consumer.pop(), Ok(expected), "once, and in order");
            answers.push(expected).expect("the handler pops");
            expected += 1;
        }
        answers
    });
    // SAFETY: the call cannot fail.
    let this_thread = unsafe { libc::pthread_self() };
    let mut rubbish = Vec::new();
    while PUSHED.load(SeqCst) < SIGNALS || POPPED.load(SeqCst) < SIGNALS {
        // SAFETY: the thread is this one, and alive.
        unsafe { libc::pthread_kill(this_thread, libc::SIGUSR1) };
        // What a handler that allocates would wreck.
        rubbish.push(vec![0_u8; rubbish.len() % 100]);
        if rubbish.len() > 1000 {
            rubbish.clear();
            thread::yield_now();
        }
    }
    handle(libc::SIGUSR1, count);
    let _answers = reader.join().expect("the reader returns");
    // SAFETY: the handler is gone.
    unsafe { *ENDS.0.get() = None };
    assert!(ALLOCATED.load(SeqCst) > SIGNALS, "the watch works");
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
