//! The thread `quoit-reactor`, which sleeps for all async and pollable endpoints: it runs while
//! there are some, handles no signal, inherits neither affinity nor scheduling class, continues
//! after a panic of a task's waker, and reports its own failure.

use std::cell::RefCell;
use std::fs;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process;
use std::ptr;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::cores;
use crate::common::descriptors::becomes_readable;
use crate::common::forbid::{forbid, forbid_in_all_threads, refuse_with};
use crate::common::fork::in_a_child;
use crate::common::mappings::mapped;
use crate::common::positions::{peer, start};
use crate::common::refused::is;
use crate::common::rings::{consumer, ends, heap, named};
use crate::common::segment_file::{SegmentFile, TAIL};
use crate::common::sleep_state::{SleepPage, assert_no_rescues};
use crate::common::threads::{tasks, threads_named};
use crate::common::tracer::Halted;
use crate::futures::{Plain, bell, heap_ends, heap_out, is_pending, poll_once, poll_with, task};
use futures_executor::block_on;
use futures_util::{SinkExt, StreamExt, future};
use quoit::{AsyncError, ClaimError, Consumer, PopError, PushError, RingOptions, Role, Select};
use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

crate::common::suite::tests! {
    only_async_and_pollable_endpoints_have_a_thread,
    endpoints_are_created_and_dropped_on_several_threads,
    a_task_that_was_woken_otherwise_continues_to_sleep,
    the_last_endpoint_may_be_dropped_on_the_reactor_thread,
    a_dropped_endpoint_maps_its_ring_no_more,
    no_signal_is_handled_on_the_thread,
    the_thread_inherits_neither_a_pin_nor_a_scheduling_class,
    a_waker_that_panics_affects_no_other_task,
    a_waker_that_panics_in_its_clone_affects_no_other_task,
    a_peer_that_stops_before_the_thread_has_the_wait_is_noticed,
    a_wake_for_an_endpoint_that_waits_by_itself_is_passed_on,
    a_thread_that_cannot_wait_is_an_error_in_every_wait,
    a_wait_that_cannot_begin_drops_its_waker_without_the_table,
    a_failure_is_over_when_another_thread_waits;
    parts: peer
}

/// How many reactor threads this process has.
fn threads() -> usize {
    threads_named("quoit-reactor").len()
}

/// Waits until there are this many reactor threads: a new one sets its name first, and no
/// thread joins an old one.
fn until_there_are(wanted: usize) {
    until("there are as many threads as wanted", || {
        threads() == wanted
    });
}

fn only_async_and_pollable_endpoints_have_a_thread() {
    let short = Duration::from_millis(1);
    for _ in 0..3 {
        let (_producer, mut consumer) = heap::<u64>(8);
        consumer.pop_timeout(short).expect_err("it slept");
        let waited = Select::new().wait(&mut [&mut consumer], short);
        waited.expect_err("it slept");
        assert_eq!(tasks(process::id()).len(), 1, "this one");
        let (producer, consumer) = heap::<u64>(8);
        let producer = producer.into_pollable().expect("a pollable end");
        until_there_are(1);
        let mut consumer = consumer.asynchronous();
        assert!(is_pending(consumer.pop()));
        drop(producer);
        until_there_are(1);
        drop(consumer.into_inner());
        until("its thread ends", || tasks(process::id()).len() == 1);
    }
}

fn endpoints_are_created_and_dropped_on_several_threads() {
    let work = || {
        for number in 0..500 {
            let (mut producer, mut consumer) = heap_ends::<u64>(8);
            assert!(is_pending(consumer.pop()));
            let both = future::join(consumer.pop(), producer.push(number));
            assert_eq!(block_on(both), (Ok(number), Ok(())));
        }
    };
    for thread in [(); 4].map(|()| thread::spawn(work)) {
        thread.join().expect("no panic");
    }
    until_there_are(0);
}

fn a_task_that_was_woken_otherwise_continues_to_sleep() {
    let (ring, name) = named::<u64>("sleeps-on", &RingOptions::new(8));
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.asynchronous();
    for number in 0..1000 {
        let (old, old_wakes) = bell();
        let (new, new_wakes) = bell();
        for _ in 0..1 + number % 4 {
            assert_eq!(poll_with(&old, consumer.pop()), Poll::Pending);
        }
        if number % 8 == 0 {
            thread::sleep(Duration::from_micros(200)); // the reactor may sleep now
        }
        assert_eq!(poll_with(&new, consumer.pop()), Poll::Pending);
        producer.try_push(number).expect("there is room");
        // Only the task that polled last is woken.
        assert_eq!(new_wakes.recv_timeout(PATIENCE), Ok(()));
        assert!(old_wakes.try_recv().is_err());
        assert_eq!(poll_with(&new, consumer.pop()), Poll::Ready(Ok(number)));
    }
    assert_no_rescues(&name);
}

/// By its first wake.
fn the_last_endpoint_may_be_dropped_on_the_reactor_thread() {
    until_there_are(0);
    for _ in 0..20 {
        let (mut producer, consumer) = heap_out::<u64>(8);
        let (sender, done) = mpsc::sync_channel(1);
        let consumer = Arc::new(Mutex::new(Some(consumer)));
        let last = Arc::clone(&consumer);
        let waker = task(move || {
            drop(last.lock().expect("no panic").take());
            let name = thread::current().name().map(str::to_owned);
            sender.send(name).expect("the test receives");
        });
        {
            let mut consumer = consumer.lock().expect("no panic");
            let consumer = consumer.as_mut().expect("not woken yet");
            assert_eq!(poll_with(&waker, consumer.pop()), Poll::Pending);
        }
        producer.try_push(1).expect("there is room");
        let woken_on = done.recv_timeout(PATIENCE).expect("it is woken");
        assert_eq!(woken_on.as_deref(), Some("quoit-reactor"));
        until_there_are(0);
    }
}

/// Although the thread slept for it, or wakes another task. On one core, and in a class that never
/// preempts, the thread runs late: after the check, if the drop did not wait for it.
fn a_dropped_endpoint_maps_its_ring_no_more() {
    in_a_child(|| {
        let core = one_processor();
        sched_setaffinity(None, &core).expect("a thread can be pinned");
        let (mut other_in, mut other) = heap_out::<u64>(1);
        for round in 0..50 {
            let (created, name) = named::<u64>("dropped", &RingOptions::new(1));
            drop(created); // which was mapped before it had the name
            let mut end = Consumer::<u64>::open(&name)
                .expect("it is free")
                .asynchronous();
            assert!(is_pending(end.pop()));
            let (held, holds) = mpsc::sync_channel(0);
            let (sender, released) = mpsc::channel::<()>();
            let released = Mutex::new(released);
            // Until the sender is dropped.
            let waker = task(move || {
                held.send(()).expect("the test receives");
                let released = released.lock().expect("no panic").recv();
                released.expect_err("it sends nothing");
            });
            assert!(poll_with(&waker, other.pop()).is_pending());
            until_it_sleeps(&reactor(), libc::SYS_futex_waitv, 3);
            assert!(set_class(id_of_reactor(), libc::SCHED_BATCH, 0));
            sched_setaffinity(Pid::from_raw(id_of_reactor()), &core).expect("it can be pinned");
            if round % 2 == 0 {
                other_in.try_push(1).expect("there is room");
                holds.recv().expect("the thread wakes the task");
            }
            assert!(mapped(&name.file(), "Size:") > 0);
            drop(end);
            assert_eq!(mapped(&name.file(), "Size:"), 0, "round {round}");
            drop(sender);
            while other.try_pop().is_ok() {}
        }
        // Also one for which a guard puts in another, which has work.
        let (created, name) = named::<u64>("put-out", &RingOptions::new(1));
        drop(created);
        let end = Consumer::<u64>::open(&name).expect("it is free");
        let mut watched = end.into_pollable().expect("a pollable end");
        until_it_sleeps(&reactor(), libc::SYS_futex_waitv, 2);
        let (mut busy_in, busy) = heap::<u64>(1);
        busy_in.try_push(1).expect("there is room");
        *watched.get() = busy;
        assert_eq!(mapped(&name.file(), "Size:"), 0, "put out");
    });
}

/// The directory of the thread in `/proc`.
fn reactor() -> PathBuf {
    let found = || threads_named("quoit-reactor").pop();
    until("the thread sets its name", || found().is_some());
    found().expect("it has set its name")
}

fn id_of_reactor() -> i32 {
    let directory = reactor();
    let id = directory.file_name().and_then(|id| id.to_str());
    id.expect("digits").parse().expect("a number")
}

/// The first one that this thread may use.
fn one_processor() -> CpuSet {
    let mut one = CpuSet::new();
    one.set(cores::allowed().expect("its processors")[0]);
    one
}

/// Whether the thread, 0 for this one, is in this scheduling class now.
fn set_class(thread: i32, class: libc::c_int, sched_priority: libc::c_int) -> bool {
    let parameter = libc::sched_param { sched_priority };
    // SAFETY: the parameter outlives the call.
    unsafe { libc::sched_setscheduler(thread, class, &raw const parameter) == 0 }
}

/// Waits until a thread sleeps in this system call, with this second argument.
fn until_it_sleeps(task: &Path, number: libc::c_long, second: u64) {
    let second = format!("{second:#x}");
    until("the thread sleeps there", || {
        let call = fs::read_to_string(task.join("syscall")).expect("the thread lives");
        let words: Vec<_> = call.split(' ').collect();
        words[0] == number.to_string() && words.get(2) == Some(&&*second)
    });
}

/// The thread still sleeps on the word of an endpoint that was in use since. The kernel wakes
/// the thread, whose sleep is the earlier one, and not the endpoint.
fn a_wake_for_an_endpoint_that_waits_by_itself_is_passed_on() {
    // No check of the peer ends the wait in place of the wake.
    let options = RingOptions::new(8).peer_check(Duration::from_secs(3600));
    let (ring, name) = named::<u64>("by-itself", &options);
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.into_pollable().expect("a pollable end");
    for number in 0..20 {
        // On its own word and the endpoint's.
        until_it_sleeps(&reactor(), libc::SYS_futex_waitv, 2);
        let start = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let popped = thread::scope(|scope| {
            let wait = scope.spawn(|| {
                sender.send(gettid()).expect("the test listens");
                consumer.get().pop_timeout(PATIENCE)
            });
            let id = receiver.recv().expect("an id").as_raw_nonzero();
            let task = PathBuf::from(format!("/proc/self/task/{id}"));
            let wait_command = libc::FUTEX_WAIT_BITSET as u64;
            until_it_sleeps(&task, libc::SYS_futex, wait_command);
            producer.try_push(number).expect("there is room");
            wait.join().expect("no panic")
        });
        assert_eq!(popped, Ok(number));
        assert!(start.elapsed() < PATIENCE, "no wake has ended the wait");
    }
    assert_no_rescues(&name);
}

/// The signals that a thread blocks.
fn blocked(task: &Path) -> u64 {
    let status = fs::read_to_string(task.join("status")).expect("its status");
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigBlk:\t"));
    u64::from_str_radix(mask.expect("a mask"), 16).expect("a mask")
}

fn no_signal_is_handled_on_the_thread() {
    let own = || blocked("/proc/thread-self".as_ref());
    let before = own();
    let _ends = heap_out::<u64>(1);
    assert_eq!(own(), before, "this thread's mask is unchanged");
    let all = blocked(&reactor()) & 0x7fff_ffff;
    assert_eq!(all, 0x7ffb_feff, "all but SIGKILL and SIGSTOP");
}

/// Pins its thread to one processor, gives it a scheduling class, and starts the reactor from it.
fn the_thread_inherits_neither_a_pin_nor_a_scheduling_class() {
    let all = sched_getaffinity(None).expect("its processors");
    let one = one_processor();
    for (class, priority) in [(libc::SCHED_BATCH, 0), (libc::SCHED_FIFO, 1)] {
        in_a_child(|| {
            sched_setaffinity(None, &one).expect("a thread can be pinned");
            if !set_class(0, class, priority) {
                // Not every process may use a real-time class.
                return assert_eq!(class, libc::SCHED_FIFO);
            }
            let _ends = heap_out::<u64>(1);
            let id = id_of_reactor();
            // It sets its name before both.
            until("it is in the ordinary class, on all processors", || {
                // SAFETY: the call has no pointers.
                let class = unsafe { libc::sched_getscheduler(id) };
                let set = sched_getaffinity(Pid::from_raw(id)).expect("its processors");
                class == libc::SCHED_OTHER && set.count() >= all.count()
            });
        });
    }
}

/// A value whose drop panics, without a message in the test's output.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic::resume_unwind(Box::new("a bomb"));
    }
}

/// Checks that another task still pops messages.
fn assert_alive() {
    let (mut producer, mut consumer) = heap_out::<u64>(1);
    for number in 0..100 {
        let (waker, wakes) = bell();
        assert_eq!(poll_with(&waker, consumer.pop()), Poll::Pending);
        producer.push(number).expect("there is room");
        assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        assert_eq!(poll_once(consumer.pop()), Poll::Ready(Ok(number)));
    }
}

fn a_waker_that_panics_affects_no_other_task() {
    let _other = heap_out::<u64>(1); // so that the reactor continues
    let in_its_drop = Bomb;
    for waker in [
        task(|| panic::resume_unwind(Box::new("a broken waker"))),
        task(|| panic::resume_unwind(Box::new(Bomb))),
        task(move || {
            let _ = &in_its_drop;
        }),
    ] {
        let (mut producer, mut consumer) = heap_out::<u64>(1);
        assert!(poll_with(&waker, consumer.pop()).is_pending());
        // From here on the reactor has the last clone.
        panic::catch_unwind(AssertUnwindSafe(|| drop(waker))).expect("one of two");
        producer.push(1).expect("there is room");
        assert_alive();
        assert_eq!(block_on(consumer.pop()), Ok(1));
    }
}

thread_local! {
    static CLONE: RefCell<Option<Box<dyn FnOnce() -> Waker>>> = const { RefCell::new(None) };
}

/// A waker without an effect, whose clone is what a function returns.
fn cloned_by(clone: impl FnOnce() -> Waker + 'static) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| {
            let clone = CLONE.take().expect("one clone");
            let waker = ManuallyDrop::new(clone());
            RawWaker::new(waker.data(), waker.vtable())
        },
        |_| {},
        |_| {},
        |_| {},
    );
    CLONE.set(Some(Box::new(clone)));
    // SAFETY: the functions do not access the data, and the clone belongs to the other waker's table.
    unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &TABLE)) }
}

fn a_waker_that_panics_in_its_clone_affects_no_other_task() {
    let (mut producer, mut consumer) = heap_out::<u64>(1);
    let waker = cloned_by(|| panic::resume_unwind(Box::new("a clone")));
    let poll = AssertUnwindSafe(|| poll_with(&waker, consumer.pop()));
    assert!(panic::catch_unwind(poll).is_err(), "it is the task's");
    producer.push(1).expect("there is room");
    assert_eq!(block_on(consumer.pop()), Ok(1));
    // What a sink has accepted stays in it.
    let (producer, mut consumer) = heap::<[u8]>(64);
    let mut sink = producer.asynchronous();
    for _ in 0..3 {
        sink.start_send_unpin(vec![7; 24])
            .expect("it accepts one more");
    }
    let waker = cloned_by(|| panic::resume_unwind(Box::new("a clone")));
    let poll = AssertUnwindSafe(|| poll_with(&waker, sink.flush()));
    assert!(panic::catch_unwind(poll).is_err(), "it is the task's");
    assert_eq!(consumer.skip(2), Ok(2));
    block_on(sink.flush()).expect("there is room");
    assert_eq!(consumer.skip(2), Ok(1));
    assert_alive();
}

/// No wake arrives. `tests/waits/sleep` has a peer that stops while the thread sleeps.
fn a_peer_that_stops_before_the_thread_has_the_wait_is_noticed() {
    let (ring, name) = named::<u64>("stopped", &RingOptions::new(1));
    let mut stream = consumer(&ring).asynchronous();
    let mut child = start(Role::Producer, &name, "on request");
    let [page, other] = [(); 2].map(|()| SleepPage::open(&name.file()));
    let segment = SegmentFile::open(&name.file());
    let halted = Halted::new(child.pid());
    child.tell("now");
    let (bell, wakes) = bell();
    let clone = bell.clone();
    let waker = cloned_by(move || {
        assert!(page.consumer_is_parked(), "the second poll is over");
        halted.stop_when(|| segment.read(TAIL) == 1);
        clone
    });
    let before = other.read().producer.wakes;
    assert!(poll_with(&waker, stream.pop()).is_pending());
    let popped = loop {
        wakes.recv_timeout(PATIENCE).expect("a wake of the task");
        if let Poll::Ready(popped) = poll_with(&bell, stream.pop()) {
            break popped;
        }
    };
    assert_eq!(popped, Ok(0));
    assert!(child.is_stopped());
    assert_eq!(other.read().producer.wakes, before, "no wake");
    assert_no_rescues(&name);
}

/// It loses the system call of its wait during the wait.
fn a_thread_that_cannot_wait_is_an_error_in_every_wait() {
    let (mut producer, mut consumer) = heap_out::<u64>(1);
    let (mut full, _full_out) = heap_ends::<u64>(1);
    full.try_push(0).expect("there is room");
    let (mut polled_in, polled) = heap::<u64>(1);
    let mut polled = polled.into_pollable().expect("a pollable end");
    {
        let mut waits = pin!(consumer.pop());
        assert!(is_pending(waits.as_mut()));
        forbid_in_all_threads(libc::SYS_futex_waitv);
        assert_eq!(block_on(waits), Err(PopError::ReactorDied));
    }
    let text = PopError::ReactorDied.to_string();
    assert!(text.contains("quoit-reactor"), "{text}");
    // Each wait starts another thread, which fails too. The wait returns an error.
    assert_eq!(block_on(consumer.next()), Some(Err(PopError::ReactorDied)));
    assert_eq!(block_on(full.push(1)), Err(PushError::ReactorDied(1)));
    assert_eq!(block_on(full.send(1)), Err(ClaimError::ReactorDied));
    // Calls that do not wait still work.
    producer.push(7).expect("there is room");
    assert_eq!(block_on(consumer.pop()), Ok(7));
    // The descriptor is readable, and the call returns the error.
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Err(PopError::Empty));
    is!(polled.failure() => Some(AsyncError::ReactorDied));
    polled_in.push(7).expect("there is room");
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Ok(7));
}

/// The thread has ended, and no other can be started.
fn a_wait_that_cannot_begin_drops_its_waker_without_the_table() {
    let (_producer, mut consumer) = heap_out::<u64>(1);
    let (_other, owned) = heap_out::<u64>(1);
    forbid_in_all_threads(libc::SYS_futex_waitv);
    assert_eq!(block_on(consumer.pop()), Err(PopError::ReactorDied));
    forbid(libc::SYS_clone3);
    forbid(libc::SYS_clone);
    // The wait has the only clone, whose drop drops an async endpoint.
    let owned = Mutex::new(owned);
    let waker = cloned_by(|| task(move || drop(owned.lock())));
    let polled = poll_with(&waker, consumer.pop());
    assert_eq!(polled, Poll::Ready(Err(PopError::ReactorDied)));
}

/// The first thread inherits a filter that refuses each wait for a ring.
fn a_failure_is_over_when_another_thread_waits() {
    let (mut producer, consumer) = heap::<u64>(1);
    let watched = move || {
        refuse_with(libc::SYS_futex_waitv, libc::ENOSYS, Some([2, u32::MAX]));
        consumer.into_pollable().expect("a pollable end")
    };
    let mut polled = thread::spawn(watched).join().expect("no panic");
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Err(PopError::Empty));
    is!(polled.failure() => Some(AsyncError::ReactorDied));
    // The wait that began then has not failed.
    assert_eq!(polled.get().try_pop(), Err(PopError::Empty));
    assert!(polled.failure().is_none(), "{polled:?}");
    producer.push(7).expect("there is room");
    becomes_readable(&polled);
    assert_eq!(polled.get().try_pop(), Ok(7));
}
