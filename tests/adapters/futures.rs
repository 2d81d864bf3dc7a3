//! Endpoints in async code. `tests/waits/sleep` has the events that wake a task. One that is always
//! ready yields to other tasks.

mod calls;
pub(crate) mod dropped;
pub(crate) mod endings;
pub(crate) mod refusals;
pub(crate) mod sinks;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::PATIENCE;
use crate::common::calls::{Wait, push};
use crate::common::positions::peer;
use crate::common::rings::{consumer, heap, producer};
use crate::common::sample::Words;
use calls::AsyncCalls;
use quoit::{
    AsyncConsumer, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer, Consumer, FrameConsumer,
    FrameProducer, IntoAsyncError, Producer, Record, Ring, Shape,
};

crate::common::suite::tests! {
    every_call_of_records_yields,
    every_call_of_frames_yields,
    a_poll_that_waits_resets_the_count;
    parts: peer
}

/// An endpoint that becomes async.
pub(crate) trait Plain: Sized {
    type Async: Send + 'static;

    fn into_async(self) -> Result<Self::Async, IntoAsyncError<Self>>;

    fn asynchronous(self) -> Self::Async {
        self.into_async().expect("an async endpoint")
    }
}

macro_rules! plain {
    ($([$($bounds:tt)*] $plain:ty => $asynchronous:ty;)*) => {
        $(impl<$($bounds)*> Plain for $plain {
            type Async = $asynchronous;

            fn into_async(self) -> Result<Self::Async, IntoAsyncError<Self>> {
                self.into_async()
            }
        })*
    };
}

plain! {
    [T: Record] Producer<T> => AsyncProducer<T>;
    [T: Record] Consumer<T> => AsyncConsumer<T>;
    [] FrameProducer => AsyncFrameProducer;
    [] FrameConsumer => AsyncFrameConsumer;
}

/// The async endpoints of a shape.
pub(crate) type Sink<T> = <<T as Shape>::Producer as Plain>::Async;
pub(crate) type Stream<T> = <<T as Shape>::Consumer as Plain>::Async;

/// Both endpoints of a ring on the heap, the second or both of them async.
pub(crate) fn heap_out<T: Shape<Consumer: Plain> + ?Sized>(
    capacity: u64,
) -> (T::Producer, Stream<T>) {
    let (producer, consumer) = heap::<T>(capacity);
    (producer, consumer.asynchronous())
}

pub(crate) fn heap_ends<T>(capacity: u64) -> (Sink<T>, Stream<T>)
where
    T: Shape<Producer: Plain, Consumer: Plain> + ?Sized,
{
    let (producer, consumer) = heap_out::<T>(capacity);
    (producer.asynchronous(), consumer)
}

/// Both endpoints of a ring, async.
fn async_pair<T>(ring: &Ring<T>) -> (Sink<T>, Stream<T>)
where
    T: Shape<Producer: Plain, Consumer: Plain> + ?Sized,
{
    (producer(ring).asynchronous(), consumer(ring).asynchronous())
}

/// The result of one poll.
pub(crate) fn poll_with<F: Future>(waker: &Waker, future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// The same with a waker that has no effect.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll_with(Waker::noop(), future)
}

/// Whether one poll of the future is pending.
pub(crate) fn is_pending<F: Future>(future: F) -> bool {
    poll_once(future).is_pending()
}

/// A task that does this at each wake.
struct Task<F>(F);

impl<F: Fn() + Send + Sync> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn task(wake: impl Fn() + Send + Sync + 'static) -> Waker {
    Arc::new(Task(wake)).into()
}

/// A task that reports each wake.
pub(crate) fn bell() -> (Waker, mpsc::Receiver<()>) {
    let (sender, wakes) = mpsc::sync_channel(100);
    (
        task(move || sender.send(()).expect("the test receives")),
        wakes,
    )
}

/// The most consecutive polls that may be ready.
const BUDGET: u64 = 128;
const MESSAGES: u64 = 64 * BUDGET;

/// Checks that 128 polls are ready, that the next one is pending and wakes its task, and that this repeats.
fn yields<R>(mut poll: impl FnMut(&Waker) -> Poll<R>) {
    let (waker, wakes) = bell();
    // The count may be anything before.
    let first = (0..=BUDGET).position(|_| poll(&waker).is_pending());
    assert!(first.is_some(), "it never yields");
    for _ in 0..2 {
        assert_eq!(wakes.try_recv(), Ok(()));
        for _ in 0..BUDGET {
            assert!(poll(&waker).is_ready());
        }
        assert!(wakes.try_recv().is_err());
        assert!(poll(&waker).is_pending());
    }
}

/// Every call, on a ring with room for all its messages.
fn every_call_yields<T: AsyncCalls + ?Sized>(capacity: u64) {
    let (mut producer, consumer) = heap::<T>(capacity);
    for number in 0..MESSAGES / 2 {
        push::<T>(&mut producer, &T::message(number), Wait::Never).expect("there is room");
    }
    let (mut sink, mut stream) = (producer.asynchronous(), consumer.asynchronous());
    let messages = [0, 1].map(T::message);
    for send in [T::SENDS, T::SINKS, &T::WAITS[..2]].concat() {
        yields(|waker| poll_with(waker, send(&mut sink, &messages, 0)));
    }
    for receive in [T::RECEIVES, &T::RECEIVE_WAITS[..2]].concat() {
        yields(|waker| poll_with(waker, receive(&mut stream, 1, 0, &mut |_| ())));
    }
    drop(stream);
    yields(|waker| poll_with(waker, T::WAITS[3](&mut sink, &messages, 0)));
    let (producer, mut stream) = heap_out::<T>(capacity);
    drop(producer);
    yields(|waker| poll_with(waker, T::RECEIVE_WAITS[2](&mut stream, 1, 0, &mut |_| ())));
}

fn every_call_of_records_yields() {
    every_call_yields::<Words<2>>(2 * MESSAGES);
}

fn every_call_of_frames_yields() {
    every_call_yields::<[u8]>(64 * MESSAGES);
}

fn a_poll_that_waits_resets_the_count() {
    let (mut producer, mut consumer) = heap_out::<u64>(MESSAGES);
    let (waker, wakes) = bell();
    for _ in 0..8 {
        for _ in 0..BUDGET - 2 {
            producer.try_push(1).expect("there is room");
            assert!(poll_with(&waker, consumer.pop()).is_ready());
        }
        assert!(poll_with(&waker, consumer.pop()).is_pending());
        assert!(wakes.try_recv().is_err(), "the ring is empty");
        producer.try_push(1).expect("there is room");
        assert_eq!(wakes.recv_timeout(PATIENCE), Ok(()));
        assert!(poll_with(&waker, consumer.pop()).is_ready());
    }
}
