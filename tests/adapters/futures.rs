//! Endpoints in async code: with tokio on one thread and on several, and with a plain
//! `block_on`.
//!
//! Every wait here must end by a wake of the peer. Each test of a named ring checks the
//! rings' counters of rescues at its end, which count lost wake-ups.

mod calls;
pub(crate) mod dropped;
pub(crate) mod endings;
pub(crate) mod peers;
pub(crate) mod refusals;
pub(crate) mod sinks;
pub(crate) mod turns;

use std::future::Future;
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::peer;
use crate::common::rings::{consumer, heap, named, producer};
use crate::common::sleep_state::assert_no_rescues;
use quoit::{
    AsyncConsumer, AsyncFrameConsumer, AsyncFrameProducer, AsyncProducer, Consumer, FrameConsumer,
    FrameProducer, IntoAsyncError, Producer, Record, Ring, RingOptions, Shape,
};
use tokio::runtime::{Builder, Runtime};

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

/// Runs the future of `prepare`, which gets a new ring, with a plain `block_on`, and with tokio
/// on one thread and on several. The ring must have no rescues.
fn on_every_runtime<T, F>(test: &str, capacity: u64, prepare: impl Fn(Ring<T>, &RingName) -> F)
where
    T: Shape + ?Sized,
    F: Future<Output = ()> + Send + 'static,
{
    fn on_several_threads(runtime: Runtime, task: impl Future<Output = ()> + Send + 'static) {
        let task = runtime.spawn(task);
        if let Err(error) = runtime.block_on(task) {
            panic::resume_unwind(error.into_panic());
        }
    }
    type Run<F> = fn(F);
    let runs: [Run<F>; 3] = [
        |task| futures_executor::block_on(task),
        |task| {
            let runtime = Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(task);
        },
        |task| {
            let runtime = Builder::new_multi_thread().worker_threads(2).build();
            on_several_threads(runtime.expect("a runtime"), task);
        },
    ];
    for run in runs {
        let (ring, name) = named(test, &RingOptions::new(capacity));
        let task = prepare(ring, &name);
        in_time(move || run(task));
        assert_no_rescues(&name);
    }
}

/// Runs the work in a thread, and fails if it hangs.
pub(crate) fn in_time<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let _sender = sender; // dropping it sends the message, also in a panic
        work()
    });
    let ended = done.recv_timeout(PATIENCE);
    assert_ne!(ended, Err(RecvTimeoutError::Timeout), "it hangs");
    worker
        .join()
        .unwrap_or_else(|panic| panic::resume_unwind(panic))
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

/// A task that reports each wake.
struct Bell(mpsc::SyncSender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).expect("the test receives");
    }
}

pub(crate) fn bell() -> (Waker, mpsc::Receiver<()>) {
    let (sender, wakes) = mpsc::sync_channel(100);
    (Arc::new(Bell(sender)).into(), wakes)
}
