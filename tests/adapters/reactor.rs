//! The thread `quoit-reactor`: it handles no signal, inherits neither affinity nor
//! scheduling class, continues after a panic of a task's waker, and reports its own
//! failure.

use std::fs;
use std::future::Future;
use std::panic;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::child::{Child, say};
use crate::common::clock::until;
use crate::common::descriptors::becomes_readable;
use crate::common::forbid::forbid_in_all_threads;
use crate::common::fork::{done, ending, fork};
use crate::common::names::RingName;
use crate::common::sleep_state::assert_no_rescues;
use crate::common::threads::threads_named;
use futures_util::{SinkExt, StreamExt};
use quoit::{AsyncConsumer, AsyncError, ClaimError, PopError, Producer, PushError, RingOptions};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

crate::common::suite::tests! {
    no_signal_is_handled_on_the_thread,
    the_thread_does_not_inherit_a_pin,
    the_thread_does_not_inherit_a_scheduling_class,
    a_panic_payload_that_panics_affects_no_other_task,
    a_waker_that_panics_in_its_drop_affects_no_other_task,
    a_waker_that_panics_in_its_clone_affects_no_other_task,
    a_wake_for_an_endpoint_that_waits_by_itself_is_passed_on,
    a_thread_that_cannot_wait_is_an_error_in_every_wait,
    an_inherited_endpoint_on_the_heap_returns_an_error;
    parts: signalled, pinned, classed, forbidden
}

fn ends() -> (Producer<u64>, AsyncConsumer<u64>) {
    let (producer, consumer) = RingOptions::new(1).heap::<u64>().expect("a ring");
    (producer, consumer.into_async().expect("an async endpoint"))
}

/// The directory of the thread in `/proc`.
fn reactor() -> PathBuf {
    let found = || threads_named("quoit-reactor").pop();
    until("the thread sets its name", || found().is_some());
    found().expect("it has set its name")
}

/// A field of the thread's status.
fn field(name: &str) -> String {
    let status = fs::read_to_string(reactor().join("status")).expect("its status");
    let mut lines = status.lines();
    let field = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    field.expect("the field").to_owned()
}

/// The system call in which a thread sleeps, and its second argument.
fn call_of(task: &Path) -> Option<(libc::c_long, u64)> {
    let call = fs::read_to_string(task.join("syscall")).expect("the thread lives");
    let mut words = call.split(' ');
    let number = words.next()?.parse().ok()?;
    let second = words.nth(1)?.strip_prefix("0x")?;
    Some((number, u64::from_str_radix(second, 16).ok()?))
}

/// Waits until a thread sleeps in a call with this second argument.
fn until_it_sleeps(task: &Path, number: libc::c_long, second: u64) {
    until("the thread sleeps there", || {
        call_of(task) == Some((number, second))
    });
}

/// The thread still sleeps on the word of an endpoint that was in use since. The kernel wakes
/// the thread, whose sleep is the earlier one, and not the endpoint.
fn a_wake_for_an_endpoint_that_waits_by_itself_is_passed_on() {
    // No check of the peer ends the wait in place of the wake.
    let options = RingOptions::new(8).peer_check(Duration::from_secs(3600));
    let name = RingName::new("by-itself");
    let ring = options.create::<u64>(&name).expect("a ring");
    let mut producer = ring.producer().expect("the role is free");
    let consumer = ring.consumer().expect("the role is free");
    let mut consumer = consumer.into_pollable().expect("a pollable end");
    for number in 0..20 {
        // On its own word and the endpoint's.
        until_it_sleeps(&reactor(), libc::SYS_futex_waitv, 2);
        let start = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let popped = thread::scope(|scope| {
            let wait = scope.spawn(|| {
                // SAFETY: the call has no arguments.
                let id = unsafe { libc::syscall(libc::SYS_gettid) };
                sender.send(id).expect("the test listens");
                consumer.get().pop_timeout(PATIENCE)
            });
            let id = receiver.recv().expect("an id");
            let task = PathBuf::from(format!("/proc/self/task/{id}"));
            let wait_command = libc::FUTEX_WAIT_BITSET as u64;
            until_it_sleeps(&task, libc::SYS_futex, wait_command);
            producer.try_push(number).expect("there is room");
            wait.join().expect("no panic")
        });
        assert_eq!(popped, Ok(number));
        assert!(
            start.elapsed() < PATIENCE,
            "the deadline has ended the wait, and no wake"
        );
    }
    assert_no_rescues(&name);
}

/// Blocks a signal in its only other thread after the reactor has started.
fn signalled(_: &[String]) {
    // SAFETY: all zero bytes are a valid signal set.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut before) };
    let (_producer, _consumer) = ends();
    // SAFETY: all zero bytes are a valid signal set.
    let mut after: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut after) };
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the set outlives the call.
        let was_blocked = unsafe { libc::sigismember(&raw const before, signal) };
        // SAFETY: as above.
        let is_blocked = unsafe { libc::sigismember(&raw const after, signal) };
        assert_eq!(
            was_blocked, is_blocked,
            "the starting thread's mask is unchanged"
        );
    }
    let blocked = u64::from_str_radix(&field("SigBlk"), 16).expect("a mask");
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGPROF,
    ] {
        assert_ne!(blocked & 1 << (signal - 1), 0, "signal {signal} is blocked");
    }
    // SAFETY: all zero bytes are a valid signal set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set outlives the call.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGUSR1) };
    // SAFETY: the set outlives the call.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    let mut signal = 0;
    for _ in 0..100 {
        let process = std::process::id() as libc::pid_t;
        // SAFETY: the process signals itself, and the signal is blocked.
        unsafe { libc::kill(process, libc::SIGUSR1) };
        // SAFETY: set and signal outlive the call.
        unsafe { libc::sigwait(&raw const set, &raw mut signal) };
        assert_eq!(signal, libc::SIGUSR1);
    }
}

fn no_signal_is_handled_on_the_thread() {
    Child::start("signalled", &[]).succeeds();
}

/// Pins its thread to one processor and starts the reactor from it.
fn pinned(_: &[String]) {
    let all = sched_getaffinity(None).expect("its processors");
    let first = (0..1024).find(|&number| all.is_set(number));
    let mut one = CpuSet::new();
    one.set(first.expect("a processor"));
    sched_setaffinity(None, &one).expect("a thread can be pinned");
    let (_producer, _consumer) = ends();
    let count = all.count();
    // It sets its name before its affinity.
    until("it may use all processors", || {
        let allowed = field("Cpus_allowed");
        let words = allowed.split(',');
        let word = |word| u32::from_str_radix(word, 16).expect("a mask").count_ones();
        words.map(word).sum::<u32>() >= count
    });
}

fn the_thread_does_not_inherit_a_pin() {
    Child::start("pinned", &[]).succeeds();
}

/// Gives its thread this scheduling class and starts the reactor from it.
fn classed(arguments: &[String]) {
    let (class, priority) = match arguments[0].as_str() {
        "batch" => (libc::SCHED_BATCH, 0),
        _ => (libc::SCHED_FIFO, 1),
    };
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the parameter outlives the call.
    let set = unsafe { libc::sched_setscheduler(0, class, &raw const parameter) };
    if set == -1 {
        assert_eq!(
            class,
            libc::SCHED_FIFO,
            "every process may use the class batch"
        );
        return say("not allowed");
    }
    let (_producer, _consumer) = ends();
    let id = reactor().file_name().expect("its id").to_owned();
    let id = id.to_str().expect("digits").parse().expect("a number");
    // It sets its name before its class.
    until("it is in the ordinary class", || {
        // SAFETY: the call has no pointers.
        unsafe { libc::sched_getscheduler(id) == libc::SCHED_OTHER }
    });
    say("ordinary");
}

fn the_thread_does_not_inherit_a_scheduling_class() {
    let batch = Child::start("classed", &["batch"]);
    batch.expect("ordinary");
    batch.succeeds();
    // Without the right for real-time classes, only the first is tested.
    let fifo = Child::start("classed", &["fifo"]);
    assert!(["ordinary", "not allowed"].contains(&fifo.says().as_str()));
    fifo.succeeds();
}

/// A value whose drop panics, without a message in the test's output.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic::resume_unwind(Box::new("a bomb"));
    }
}

/// A task whose waker panics with a `Bomb`.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic::resume_unwind(Box::new(Bomb));
    }
}

/// A task whose waker's drop panics.
struct Dropped(Bomb);

impl Wake for Dropped {
    fn wake(self: Arc<Self>) {
        let Bomb = &self.0;
    }
}

fn poll_with<F: Future>(waker: &Waker, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// Checks that another task still pops messages.
fn assert_alive() {
    let (mut producer, mut consumer) = ends();
    for number in 0..100 {
        let (sender, popped) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                sender
                    .send(futures_executor::block_on(consumer.pop()))
                    .expect("the test receives");
            });
            thread::sleep(Duration::from_micros(100));
            producer.push(number).expect("there is room");
            assert_eq!(popped.recv_timeout(PATIENCE), Ok(Ok(number)));
        });
    }
}

fn a_panic_payload_that_panics_affects_no_other_task() {
    let (mut producer, mut consumer) = ends();
    let (_other_in, other) = ends(); // so that the reactor continues
    let waker = Waker::from(Arc::new(Bad));
    assert!(poll_with(&waker, consumer.pop()).is_pending());
    producer.push(1).expect("there is room");
    assert_alive();
    drop(other);
    assert_eq!(futures_executor::block_on(consumer.pop()), Ok(1));
}

fn a_waker_that_panics_in_its_drop_affects_no_other_task() {
    let (mut producer, mut consumer) = ends();
    let (_other_in, _other) = ends();
    let waker = Waker::from(Arc::new(Dropped(Bomb)));
    assert!(poll_with(&waker, consumer.pop()).is_pending());
    // From here on the reactor has the last clone.
    panic::catch_unwind(panic::AssertUnwindSafe(|| drop(waker))).expect("one of two");
    producer.push(1).expect("there is room");
    assert_alive();
    assert_eq!(futures_executor::block_on(consumer.pop()), Ok(1));
}

fn a_waker_that_panics_in_its_clone_affects_no_other_task() {
    use std::task::{RawWaker, RawWakerVTable};
    static BAD: RawWakerVTable = RawWakerVTable::new(
        |_| panic::resume_unwind(Box::new("a clone")),
        |_| {},
        |_| {},
        |_| {},
    );
    let (mut producer, mut consumer) = ends();
    // SAFETY: the functions access nothing.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &BAD)) };
    let poll = panic::AssertUnwindSafe(|| poll_with(&waker, consumer.pop()));
    assert!(
        panic::catch_unwind(poll).is_err(),
        "the panic is the task's"
    );
    producer.push(1).expect("there is room");
    assert_eq!(futures_executor::block_on(consumer.pop()), Ok(1));
    assert_alive();
}

/// Loses the system call of the thread's wait during the wait.
fn forbidden(_: &[String]) {
    let (mut producer, mut consumer) = ends();
    let (full, _full_out) = RingOptions::new(1).heap::<u64>().expect("a ring");
    let mut full = full.into_async().expect("an async endpoint");
    full.try_push(0).expect("there is room");
    let (mut polled_in, polled) = RingOptions::new(1).heap::<u64>().expect("a ring");
    let mut polled = polled.into_pollable().expect("a pollable end");
    {
        let mut waits = pin!(consumer.pop());
        assert!(poll_with(Waker::noop(), waits.as_mut()).is_pending());
        forbid_in_all_threads(libc::SYS_futex_waitv);
        let refused = futures_executor::block_on(waits);
        assert_eq!(refused, Err(PopError::ReactorDied));
    }
    say(PopError::ReactorDied);
    // Each wait starts another thread, which fails too. The wait returns an error.
    let refused = futures_executor::block_on(consumer.next());
    assert_eq!(refused, Some(Err(PopError::ReactorDied)));
    let refused = futures_executor::block_on(full.push(1));
    assert_eq!(refused, Err(PushError::ReactorDied(1)));
    let refused = futures_executor::block_on(full.send(1));
    assert_eq!(refused, Err(ClaimError::ReactorDied));
    // Calls that do not wait still work.
    producer.push(7).expect("there is room");
    assert_eq!(futures_executor::block_on(consumer.pop()), Ok(7));
    // The descriptor is readable, and the call returns the error.
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Err(PopError::Empty));
    assert!(matches!(polled.failure(), Some(AsyncError::ReactorDied)));
    polled_in.push(7).expect("there is room");
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Ok(7));
}

fn a_thread_that_cannot_wait_is_an_error_in_every_wait() {
    let child = Child::start("forbidden", &[]);
    let error = child.says();
    assert!(error.contains("quoit-reactor"), "{error}");
    child.succeeds();
}

fn an_inherited_endpoint_on_the_heap_returns_an_error() {
    let (_producer, mut consumer) = ends();
    let Some(child) = fork() else {
        let popped = futures_executor::block_on(consumer.pop());
        assert_eq!(popped, Err(PopError::ReactorDied));
        let (_, other) = RingOptions::new(8).heap::<u64>().expect("a ring");
        let refused = other.into_async().expect_err("the thread is the parent's");
        assert!(matches!(refused.reason(), AsyncError::Forked));
        done();
    };
    assert_eq!(ending(child), 0, "the child succeeds");
}
