//! The thread that sleeps for all async endpoints.

use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_util::{StreamExt, future};
use quoit::{AsyncConsumer, AsyncProducer, Producer, RingOptions, StalePolicy};

use super::{assert_no_rescues, in_time, on_every_runtime, poll_once};
use crate::common::PATIENCE;
use crate::common::clock::until;
use crate::common::names::RingName;
use crate::common::rings::{ends, named};
use crate::common::threads::threads_named;

crate::common::suite::tests! {
    the_thread_runs_while_there_are_async_endpoints,
    endpoints_are_created_and_dropped_on_several_threads,
    one_thread_sleeps_for_a_hundred_rings,
    a_task_is_not_woken_while_its_peer_is_silent,
    a_task_that_was_woken_otherwise_continues_to_sleep,
    the_last_endpoint_may_be_dropped_on_the_reactor_thread,
    a_panic_in_one_waker_affects_no_other_task,
    futures_and_endpoints_can_be_sent,
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

fn async_pair() -> (AsyncProducer<u64>, AsyncConsumer<u64>) {
    let (producer, consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
    let producer = producer.into_async().expect("an async endpoint");
    (producer, consumer.into_async().expect("an async endpoint"))
}

fn the_thread_runs_while_there_are_async_endpoints() {
    until_there_are(0);
    for _ in 0..3 {
        let (producer, consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
        assert_eq!(threads(), 0);
        let producer = producer.into_async().expect("an async endpoint");
        until_there_are(1);
        let mut consumer = consumer.into_async().expect("an async endpoint");
        assert!(poll_once(pin!(consumer.pop())).is_pending());
        until_there_are(1);
        drop(producer);
        drop(consumer.into_inner());
        until_there_are(0);
    }
}

fn endpoints_are_created_and_dropped_on_several_threads() {
    in_time(|| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(|| {
                    for number in 0..500 {
                        let (mut producer, mut consumer) = async_pair();
                        assert!(poll_once(pin!(consumer.pop())).is_pending());
                        let push = async {
                            producer.push(number).await.expect("there is room");
                        };
                        let both = future::join(consumer.pop(), push);
                        assert_eq!(futures_executor::block_on(both).0, Ok(number));
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("no panic");
        }
    });
    until_there_are(0);
}

fn one_thread_sleeps_for_a_hundred_rings() {
    const RINGS: usize = 100;
    const ROUNDS: u64 = 50;
    let names: Vec<_> = (0..RINGS).map(|_| RingName::new("many")).collect();
    on_every_runtime("many", |_| {
        let mut producers: Vec<Producer<u64>> = Vec::new();
        let mut consumers = Vec::new();
        for name in &names {
            let options = RingOptions::new(4).stale(StalePolicy::Replace);
            let ring = options.create::<u64>(name).expect("a ring");
            producers.push(ring.producer().expect("the role is free"));
            consumers.push(ring.consumer().expect("the role is free"));
        }
        async move {
            let read = consumers.into_iter().map(|consumer| {
                let mut stream = consumer.into_async().expect("an async endpoint");
                async move {
                    for number in 0..ROUNDS {
                        assert_eq!(stream.next().await, Some(Ok(number)));
                    }
                    assert_eq!(stream.next().await, None);
                }
            });
            let read = future::join_all(read);
            let writer = thread::spawn(move || {
                for number in 0..ROUNDS {
                    for producer in &mut producers {
                        producer.push(number).expect("a reader");
                    }
                }
                threads()
            });
            read.await;
            assert_eq!(writer.join().expect("no panic"), 1);
        }
    });
    for name in &names {
        assert_no_rescues(name);
    }
}

/// A task that reports each wake.
struct Bell(mpsc::SyncSender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).expect("the test receives");
    }
}

pub(super) fn bell() -> (Waker, mpsc::Receiver<()>) {
    let (sender, wakes) = mpsc::sync_channel(100);
    (Arc::new(Bell(sender)).into(), wakes)
}

pub(super) fn poll_with<F: Future>(waker: &Waker, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

fn a_task_is_not_woken_while_its_peer_is_silent() {
    let (ring, name) = named::<u64>("silent", &RingOptions::new(8));
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.into_async().expect("an async endpoint");
    let (waker, wakes) = bell();
    assert_eq!(poll_with(&waker, consumer.pop()), Poll::Pending);
    // The reactor checks the peer several times in between.
    assert!(wakes.recv_timeout(Duration::from_millis(350)).is_err());
    producer.try_push(1).expect("there is room");
    assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
    assert_eq!(poll_with(&waker, consumer.pop()), Poll::Ready(Ok(1)));
    assert_eq!(wakes.try_recv(), Err(mpsc::TryRecvError::Empty));
    drop(consumer);
    assert_no_rescues(&name);
}

fn a_task_that_was_woken_otherwise_continues_to_sleep() {
    let (ring, name) = named::<u64>("sleeps-on", &RingOptions::new(8));
    let (mut producer, consumer) = ends(&ring);
    let mut consumer = consumer.into_async().expect("an async endpoint");
    for number in 0..1000 {
        let (old, old_wakes) = bell();
        let (new, new_wakes) = bell();
        let (polls, pause) = (1 + number % 4, number % 8 == 0);
        for _ in 0..polls {
            assert_eq!(poll_with(&old, consumer.pop()), Poll::Pending);
        }
        if pause {
            thread::sleep(Duration::from_micros(200)); // the reactor may sleep now
        }
        assert_eq!(poll_with(&new, consumer.pop()), Poll::Pending);
        producer.try_push(number).expect("there is room");
        // Only the task that polled last is woken.
        assert_eq!(new_wakes.recv_timeout(PATIENCE), Ok(()));
        assert!(old_wakes.try_recv().is_err());
        assert_eq!(poll_with(&new, consumer.pop()), Poll::Ready(Ok(number)));
    }
    drop(consumer);
    assert_no_rescues(&name);
}

/// A task that its first wake drops, with its async endpoint.
struct LastTask {
    consumer: Mutex<Option<AsyncConsumer<u64>>>,
    done: mpsc::SyncSender<String>,
}

impl Wake for LastTask {
    fn wake(self: Arc<Self>) {
        drop(self.consumer.lock().expect("no panic").take());
        let thread = thread::current();
        let name = thread.name().unwrap_or_default().to_owned();
        self.done.send(name).expect("the test receives");
    }
}

fn the_last_endpoint_may_be_dropped_on_the_reactor_thread() {
    until_there_are(0);
    for _ in 0..20 {
        let (mut producer, consumer) = RingOptions::new(8).heap::<u64>().expect("a ring");
        let consumer = consumer.into_async().expect("an async endpoint");
        let (sender, done) = mpsc::sync_channel(1);
        let task = Arc::new(LastTask {
            consumer: Mutex::new(Some(consumer)),
            done: sender,
        });
        let waker = Waker::from(Arc::clone(&task));
        {
            let mut consumer = task.consumer.lock().expect("no panic");
            let consumer = consumer.as_mut().expect("not woken yet");
            assert_eq!(poll_with(&waker, consumer.pop()), Poll::Pending);
        }
        producer.try_push(1).expect("there is room");
        let woken_on = done.recv_timeout(PATIENCE);
        assert_eq!(woken_on.as_deref(), Ok("quoit-reactor"));
        until_there_are(0);
    }
}

/// A task whose waker panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        // Unwinds without a message, which would be in the test's output.
        std::panic::resume_unwind(Box::new("a broken waker"));
    }
}

fn a_panic_in_one_waker_affects_no_other_task() {
    let (mut first_in, mut first) = async_pair();
    let (mut second_in, mut second) = async_pair();
    let broken = Waker::from(Arc::new(Panics));
    let (waker, wakes) = bell();
    for number in 0..20 {
        assert_eq!(poll_with(&broken, first.pop()), Poll::Pending);
        assert_eq!(poll_with(&waker, second.pop()), Poll::Pending);
        for producer in [&mut first_in, &mut second_in] {
            let pushed = poll_once(pin!(producer.push(number)));
            assert_eq!(pushed, Poll::Ready(Ok(())));
        }
        assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        assert_eq!(poll_with(&waker, first.pop()), Poll::Ready(Ok(number)));
        assert_eq!(poll_with(&waker, second.pop()), Poll::Ready(Ok(number)));
    }
}

fn futures_and_endpoints_can_be_sent() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (producer, consumer) = async_pair();
    let mut producer = sent(producer);
    let mut consumer = sent(consumer);
    let pushed = futures_executor::block_on(sent(producer.push(4711)));
    assert_eq!(pushed, Ok(()));
    // The `Debug` text of neither endpoint shows the content of the ring.
    let shown = format!("{producer:?} {consumer:?}");
    assert!(shown.contains("len: 1"), "{shown}");
    assert!(!shown.contains("4711"), "{shown}");
    assert_eq!(futures_executor::block_on(sent(consumer.pop())), Ok(4711));
}
