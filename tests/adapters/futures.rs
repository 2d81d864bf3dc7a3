//! Endpoints in async code. `tests/waits/sleep` has the events that wake a task.

mod calls;
pub(crate) mod dropped;
pub(crate) mod endings;
pub(crate) mod refusals;
pub(crate) mod sinks;
pub(crate) mod turns;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::positions::peer;
use crate::common::rings::{consumer, heap, producer};
use quoit::{
    AsyncConsumer, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer, Consumer, FrameConsumer,
    FrameProducer, IntoAsyncError, Producer, Record, Ring, Shape,
};

crate::common::suite::tests! {
    ; parts: peer
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
