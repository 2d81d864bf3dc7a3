//! Every call at random, dropped after a random number of polls, at both endpoints of one
//! ring: messages arrive once and in order.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;

use futures_executor::block_on;
use futures_util::future::{self, Either};
use quoit::{PopError, RingOptions};
use tokio::runtime::Builder;

use super::calls::AsyncCalls;
use super::{Sink, Stream, async_pair};
use crate::common::dice::Dice;
use crate::common::rings::named;
use crate::common::sample::Words;
use crate::common::sleep_state::assert_no_rescues;
use crate::common::threads::while_waiting;

crate::common::suite::tests! {
    records_arrive_once_although_futures_are_dropped,
    frames_arrive_once_although_futures_are_dropped,
}

const MESSAGES: u64 = 20_000;
/// The most messages of a call. The ring has room for fewer.
const BATCH: u64 = 11;

/// Runs a future to its end.
type Run = fn(Pin<Box<dyn Future<Output = ()> + Send>>);

/// A plain `block_on`, and tokio on one thread and on several.
const RUNS: [Run; 3] = [
    |task| block_on(task),
    |task| {
        let runtime = Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(task);
    },
    |task| {
        let runtime = Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(runtime.spawn(task)).expect("no panic");
    },
];

fn arrive_once<T: AsyncCalls + ?Sized>() {
    for run in RUNS {
        let (ring, name) = named::<T>("dropped", &RingOptions::new(T::CAPACITY));
        let (mut sink, mut stream) = async_pair(&ring);
        let task = async move {
            let writer = thread::spawn(move || {
                block_on(write::<T>(&mut sink, &mut Dice(1)));
            });
            read::<T>(&mut stream, &mut Dice(2)).await;
            writer.join().expect("all is pushed");
            let end = T::RECEIVES[0](&mut stream, 1, 0, &mut |_| panic!("one too many")).await;
            assert_eq!(end, Err(PopError::Abandoned));
        };
        while_waiting(move || run(Box::pin(task)), || ());
        assert_no_rescues(&name);
    }
}

fn records_arrive_once_although_futures_are_dropped() {
    arrive_once::<Words<2>>();
}

fn frames_arrive_once_although_futures_are_dropped() {
    arrive_once::<[u8]>();
}

/// Is ready after this many polls, which follow one another directly.
async fn ready_after(mut polls: u32) {
    future::poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The result of the future, unless it needs too many polls: then the future is dropped.
async fn patiently<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    match future::select(pin!(future), pin!(ready_after(polls))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

fn polls(dice: &mut Dice) -> u32 {
    [0, 1, 2, 20][dice.roll(4)]
}

async fn write<T: AsyncCalls + ?Sized>(sink: &mut Sink<T>, dice: &mut Dice) {
    let calls = [T::SENDS, T::WAITS, T::SINKS].concat();
    let mut number = 0;
    while number < MESSAGES {
        let most = BATCH.min(MESSAGES - number);
        let next = (number..).take(1 + dice.roll(most));
        let messages: Vec<_> = next.map(T::numbered).collect();
        let call = dice.roll(calls.len() as u64);
        let send = calls[call](sink, &messages, dice.roll(100));
        // A call that is dropped may leave its message in the sink.
        let polls = match calls.len() - call > T::SINKS.len() {
            true => polls(dice),
            false => u32::MAX,
        };
        if let Some(sent) = patiently(send, polls).await {
            number += sent.expect("a reader") as u64;
        }
    }
    // The last message may be in the sink.
    let flushed = T::WAITS[2](sink, &[], 0).await;
    assert_eq!(flushed, Ok(0));
}

async fn read<T: AsyncCalls + ?Sized>(stream: &mut Stream<T>, dice: &mut Dice) {
    let calls = [T::RECEIVES, T::RECEIVE_WAITS].concat();
    let mut number = 0;
    while number < MESSAGES {
        let mut take = |message| {
            assert_eq!(message, T::numbered(number));
            number += 1;
        };
        let receive = calls[dice.roll(calls.len() as u64)];
        let wanted = 1 + dice.roll(BATCH);
        let receive = receive(stream, wanted, dice.roll(100), &mut take);
        if let Some(received) = patiently(receive, polls(dice)).await {
            received.expect("a writer");
        }
    }
}
