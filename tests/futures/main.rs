//! Endpoints in async code: with tokio on one thread and on several, and with a plain
//! `block_on`.
//!
//! Every wait here must end by a wake of the peer. Each test of a named ring checks the
//! rings' counters of rescues at its end, which count lost wake-ups.

#[path = "../common/mod.rs"]
mod common;

mod cancelling;
mod dropped;
mod endings;
mod peers;
mod places;
mod reactor;
mod refusals;
mod sinks;
mod stopped;
mod streams;
mod turns;

use std::future::Future;
use std::panic;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Waker};
use std::thread;

use common::PATIENCE;
use common::names::RingName;
use common::sample::{Words, bytes, mix};
use common::sleep_state::SleepPage;
use tokio::runtime::Builder;

use cancelling::*;
use dropped::*;
use endings::*;
use peers::*;
use places::*;
use reactor::*;
use refusals::*;
use sinks::*;
use stopped::*;
use streams::*;
use turns::*;

common::suite::suite! {
    tests: [
        records_arrive_from_another_process,
        records_are_sent_to_another_process,
        frames_arrive_from_another_process,
        frames_are_sent_to_another_process,
        two_tasks_share_a_thread,
        frames_are_peeked_in_place,
        a_sink_of_records_is_ready_when_there_is_room,
        a_sink_of_frames_keeps_one_that_finds_no_room,
        a_push_follows_the_frame_in_the_sink,
        an_unflushed_frame_waits_for_another_consumer,
        a_sink_refuses_an_item_when_it_is_not_ready,
        a_sink_refuses_a_frame_that_never_fits,
        records_arrive_once_although_futures_are_dropped,
        frames_arrive_once_although_futures_are_dropped,
        a_pop_that_is_dropped_takes_nothing,
        a_pop_that_times_out_takes_nothing,
        a_push_that_is_dropped_pushes_nothing,
        a_plain_endpoint_continues_where_the_async_one_stopped,
        a_frame_that_is_too_long_stays_in_the_ring,
        a_stream_ends_when_the_producer_closes_and_continues_with_the_next,
        a_push_ends_when_the_consumer_closes,
        a_stream_ends_when_the_producer_is_killed,
        a_push_ends_when_the_consumer_is_killed,
        an_endpoint_without_a_peer_is_superseded,
        a_consumer_waits_for_its_first_producer,
        corruption_ends_a_stream_after_one_error,
        a_child_of_fork_may_drop_inherited_endpoints,
        records_are_written_in_place,
        frames_are_written_in_place,
        a_frame_in_the_sink_is_sent_before_claims_and_parts,
        many_frames_are_peeked_in_place,
        waiting_for_readiness_takes_no_message,
        a_stream_is_terminated_until_a_new_peer_attaches,
        wait_for_peer_ends_when_a_peer_attaches,
        wait_for_peer_returns_at_once_if_a_peer_is_attached,
        a_wait_without_a_peer_is_superseded,
        closed_returns_although_messages_are_unread,
        closed_returns_when_the_peer_is_killed,
        a_dropped_wait_for_a_peer_changes_nothing,
        a_ring_that_is_always_ready_yields_to_tokio,
        a_ring_that_is_always_ready_yields_to_a_local_pool,
        every_call_of_records_yields,
        every_call_of_frames_yields,
        a_poll_that_waits_resets_the_count,
        the_thread_runs_while_there_are_async_endpoints,
        endpoints_are_created_and_dropped_on_several_threads,
        one_thread_sleeps_for_a_hundred_rings,
        a_task_is_not_woken_while_its_peer_is_silent,
        a_task_that_was_woken_otherwise_continues_to_sleep,
        the_last_endpoint_may_be_dropped_on_the_reactor_thread,
        a_panic_in_one_waker_affects_no_other_task,
        a_record_arrives_soon_if_the_producer_stops_before_the_wake,
        room_is_found_soon_if_the_consumer_stops_before_the_wake,
        futures_and_endpoints_can_be_sent,
        a_semaphore_ring_is_refused,
        a_refused_endpoint_of_frames_is_returned,
        the_hundred_and_twenty_eighth_endpoint_is_refused,
        a_kernel_that_cannot_wait_for_many_is_refused,
        a_kernel_without_barriers_suffices,
    ],
    parts: [
        writer_of_records,
        reader_of_records,
        writer_of_frames,
        reader_of_frames,
        idle_consumer,
        dying_producer,
        parent_of_many,
        pushing_on_request,
        popping_on_request,
        process_without_waitv,
        process_without_barriers,
    ],
}

/// The record for `number`.
fn record(number: u64) -> Words<2> {
    Words([number, mix(number)])
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

/// Only its peer has woken each endpoint of the ring.
fn assert_no_rescues(name: &RingName) {
    let state = SleepPage::open(&name.file()).read();
    assert_eq!(state.producer.rescues, 0, "the producer was rescued");
    assert_eq!(state.consumer.rescues, 0, "the consumer was rescued");
}
