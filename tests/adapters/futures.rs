//! Endpoints in async code: with tokio on one thread and on several, and with a plain
//! `block_on`.
//!
//! Every wait here must end by a wake of the peer. Each test of a named ring checks the
//! rings' counters of rescues at its end, which count lost wake-ups.

mod calls;
pub(crate) mod cancelling;
pub(crate) mod dropped;
pub(crate) mod endings;
pub(crate) mod peers;
pub(crate) mod places;
pub(crate) mod reactor;
pub(crate) mod refusals;
pub(crate) mod sinks;
pub(crate) mod stopped;
pub(crate) mod streams;
pub(crate) mod turns;

use std::future::Future;
use std::panic;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::PATIENCE;
use crate::common::names::RingName;
use crate::common::positions::peer;
use crate::common::sample::bytes;
use crate::common::sleep_state::assert_no_rescues;
use tokio::runtime::Builder;

crate::common::suite::tests! {
    ; parts: peer
}

/// The frame for `number`.
fn frame(number: u64) -> Vec<u8> {
    bytes(number, (number % 61) as usize)
}

/// The runtime of the futures.
#[derive(Clone, Copy, Debug)]
enum Runtime {
    BlockOn,
    TokioAlone,
    TokioThreads,
}

impl Runtime {
    fn run(self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::BlockOn => futures_executor::block_on(task),
            Self::TokioAlone => {
                let runtime = Builder::new_current_thread().enable_time().build();
                runtime.expect("a runtime").block_on(task);
            }
            Self::TokioThreads => {
                let mut builder = Builder::new_multi_thread();
                let runtime = builder.worker_threads(2).enable_time().build();
                let runtime = runtime.expect("a runtime");
                let task = runtime.spawn(task);
                if let Err(error) = runtime.block_on(task) {
                    panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}

/// Runs the future of `prepare`, which gets a new name, on every runtime. Its ring, if any,
/// must have no rescues.
fn on_every_runtime<F>(test: &str, prepare: impl Fn(&RingName) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on(Runtime::BlockOn, test, &prepare);
    on_tokio(test, prepare);
}

/// The same for a future that needs tokio's clock.
fn on_tokio<F>(test: &str, prepare: impl Fn(&RingName) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on(Runtime::TokioAlone, test, &prepare);
    on(Runtime::TokioThreads, test, &prepare);
}

fn on<F>(runtime: Runtime, test: &str, prepare: &impl Fn(&RingName) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let name = RingName::new(&format!("{test}-{runtime:?}"));
    let task = prepare(&name);
    in_time(move || runtime.run(task));
    if name.file().exists() {
        assert_no_rescues(&name);
    }
}

/// Runs the work in a thread, and fails if it hangs.
fn in_time<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let _sender = sender; // dropping it sends the message, also in a panic
        work()
    });
    match done.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => worker
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic)),
    }
}

/// The result of one poll of `future` with a waker that has no effect.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
