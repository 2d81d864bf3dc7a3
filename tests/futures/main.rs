//! Ends of rings in async code: under tokio with one thread and with several,
//! and under a plain `block_on`.
//!
//! Whatever waits here is woken by its peer: each test of a named ring ends with
//! a look at the rings' counters of rescues, which would tell of a wake-up that
//! was lost.

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
        records_come_from_another_process,
        records_go_to_another_process,
        frames_come_from_another_process,
        frames_go_to_another_process,
        two_tasks_share_a_thread,
        frames_are_peeked_where_they_lie,
        a_sink_of_records_is_ready_when_there_is_room,
        a_sink_of_frames_keeps_one_that_finds_no_room,
        a_push_comes_after_the_frame_that_waits,
        what_a_sink_could_not_flush_waits_for_another_consumer,
        a_sink_refuses_what_it_was_not_ready_for,
        a_sink_refuses_what_never_fits,
        records_arrive_once_whatever_is_dropped,
        frames_arrive_once_whatever_is_dropped,
        a_pop_that_is_dropped_takes_nothing,
        a_pop_that_times_out_takes_nothing,
        a_push_that_is_dropped_pushes_nothing,
        a_plain_end_goes_on_where_the_async_one_stopped,
        a_frame_that_is_too_long_stays,
        a_stream_ends_when_the_producer_leaves_and_goes_on_with_the_next,
        a_push_ends_when_the_consumer_leaves,
        a_stream_ends_when_the_producer_is_killed,
        a_push_ends_when_the_consumer_is_killed,
        an_end_that_waits_for_nobody_is_superseded,
        a_producer_that_never_came_is_waited_for,
        a_corrupt_ring_is_told_once,
        a_child_of_fork_may_drop_what_it_inherited,
        records_are_written_where_they_lie,
        frames_are_written_where_they_lie,
        what_waits_in_the_sink_comes_before_claims_and_parts,
        many_frames_are_peeked_where_they_lie,
        readiness_takes_nothing,
        a_stream_is_terminated_until_a_successor_attaches,
        a_peer_that_attaches_is_waited_for,
        a_peer_that_is_here_is_not_waited_for,
        a_wait_for_nobody_is_superseded,
        a_peer_is_closed_whatever_is_unread,
        a_peer_that_is_killed_has_closed,
        a_wait_for_a_peer_that_is_dropped_changes_nothing,
        a_ring_that_is_always_ready_leaves_turns_to_tokio,
        a_ring_that_is_always_ready_leaves_turns_to_a_local_pool,
        every_call_of_records_yields,
        every_call_of_frames_yields,
        a_poll_that_waits_begins_another_row,
        the_thread_lives_as_long_as_there_are_async_ends,
        ends_come_and_go_on_several_threads,
        one_thread_sleeps_for_a_hundred_rings,
        a_task_is_left_alone_while_its_peer_is_silent,
        a_task_that_something_else_has_woken_sleeps_on,
        the_last_end_may_go_on_the_thread_itself,
        a_panic_in_one_waker_is_nobody_elses,
        a_record_whose_producer_stopped_before_the_wake_comes_soon,
        room_whose_consumer_stopped_before_the_wake_comes_soon,
        futures_and_ends_can_be_sent,
        a_semaphore_ring_is_refused,
        a_refused_end_of_frames_comes_back,
        the_hundred_and_twenty_eighth_end_is_refused,
        a_kernel_that_cannot_wait_for_many_is_refused,
        a_kernel_without_barriers_will_do,
    ],
    parts: [
        writer_of_records,
        reader_of_records,
        writer_of_frames,
        reader_of_frames,
        idle_consumer,
        dying_producer,
        parent_of_many,
        pushing_when_told,
        popping_when_told,
        process_without_waitv,
        process_without_barriers,
    ],
}

/// What `number` is as a record.
fn record(number: u64) -> Words<2> {
    Words([number, mix(number)])
}

/// What `number` is as a frame.
fn frame(number: u64) -> Vec<u8> {
    bytes(number, (number % 61) as usize)
}

/// Where futures run.
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

/// Runs what `prepare` makes of a fresh name on every runtime. The ring, if
/// it makes one, is to have no rescues.
fn on_every_runtime<F>(test: &str, prepare: impl Fn(&RingName) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on(Runtime::BlockOn, test, &prepare);
    on_tokio(test, prepare);
}

/// The same for what needs tokio's clock.
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

/// Does the work in a thread that may hang.
fn in_time<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let _sender = sender; // told by dropping it, in a panic as well
        work()
    });
    match done.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => worker
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic)),
    }
}

/// What `future` says to one poll with a waker that no thread hears.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Neither end of the ring was woken by anything but its peer.
fn assert_no_rescues(name: &RingName) {
    let state = SleepPage::open(&name.file()).read();
    assert_eq!(state.producer.rescues, 0, "the producer was rescued");
    assert_eq!(state.consumer.rescues, 0, "the consumer was rescued");
}
