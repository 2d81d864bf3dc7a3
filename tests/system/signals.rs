//! A signal handler may push and pop, whatever code of its thread it interrupts. `tests/waits`
//! checks that a signal ends no wait.
#![allow(clippy::disallowed_types, reason = "a signal handler needs atomics")]

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::common::allocations::{Counting, allocated};
use crate::common::fork::in_a_child;
use crate::common::process::handle;
use quoit::{Consumer, DoorbellKind, PopError, Producer, RingOptions};

crate::common::suite::tests! {
    a_handler_may_interrupt_any_code_of_its_thread,
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What only the handler uses once it is installed; it never interrupts itself.
static ENDS: Mutex<Option<(Producer<u64>, Consumer<u64>)>> = Mutex::new(None);
static RUNS: AtomicU64 = AtomicU64::new(0);
static PUSHED: AtomicU64 = AtomicU64::new(0);
static POPPED: AtomicU64 = AtomicU64::new(0);
/// Runs that have allocated, or changed errno.
static STRAY: AtomicU64 = AtomicU64::new(0);

extern "C" fn push_and_pop(_signal: libc::c_int) {
    const SENTINEL: i32 = 12345;
    let (errno, before) = (Errno::last_raw(), allocated());
    Errno::set_raw(SENTINEL);
    if let Some((producer, consumer)) = ENDS.lock().as_deref_mut().expect("no panic") {
        let next = PUSHED.load(SeqCst);
        if producer.try_push(next).is_ok() {
            PUSHED.store(next + 1, SeqCst);
        }
        if consumer.try_pop() == Ok(POPPED.load(SeqCst)) {
            POPPED.fetch_add(1, SeqCst);
        }
    }
    if (Errno::last_raw(), allocated()) != (SENTINEL, before) {
        STRAY.fetch_add(1, SeqCst);
    }
    Errno::set_raw(errno);
    RUNS.fetch_add(1, SeqCst);
}

fn a_handler_may_interrupt_any_code_of_its_thread() {
    for bell in [DoorbellKind::Futex, DoorbellKind::Semaphore] {
        in_a_child(|| handle_messages(bell));
    }
}

/// While this thread allocates and uses another ring, a handler pushes to a thread that sleeps in
/// between, and pops the answers.
fn handle_messages(bell: DoorbellKind) {
    const TIMES: u64 = 500;
    let options = RingOptions::new(64).doorbell(bell).spin(Duration::ZERO);
    let pair = || options.heap::<u64>().expect("a ring");
    let (producer, mut consumer) = pair();
    let (mut answers, answered) = pair();
    *ENDS.lock().expect("no panic") = Some((producer, answered));
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
    // SAFETY: the call has no arguments.
    let this = unsafe { libc::pthread_self() };
    // The next signal comes after the handler's end: however slow the machine is, it continues.
    let signals = thread::spawn(move || {
        for delay in (0..200).map(Duration::from_micros).cycle() {
            let before = RUNS.load(SeqCst);
            if before > TIMES && POPPED.load(SeqCst) > TIMES {
                break;
            }
            thread::sleep(delay);
            // SAFETY: that thread waits for this one.
            assert_eq!(unsafe { libc::pthread_kill(this, libc::SIGUSR1) }, 0);
            while RUNS.load(SeqCst) == before {
                thread::yield_now();
            }
        }
    });
    let (mut own_in, mut own_out) = pair();
    let short = Duration::from_micros(100);
    while !signals.is_finished() {
        for number in 0..1000 {
            own_in.try_push(number).expect("there is room");
            assert_eq!(own_out.try_pop(), Ok(number));
        }
        assert_eq!(own_out.pop_timeout(short), Err(PopError::TimedOut));
        (1..100).for_each(|size| drop(black_box(vec![0_u8; size * 50])));
    }
    signals.join().expect("no panic");
    *ENDS.lock().expect("no panic") = None; // no signal comes any more
    let arrived = reader.join().expect("no panic");
    assert_eq!(arrived, PUSHED.load(SeqCst), "{bell:?}: nothing is lost");
    assert_eq!(
        STRAY.load(SeqCst),
        0,
        "{bell:?}: a handler allocates or changes errno"
    );
}
