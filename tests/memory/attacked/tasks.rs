//! Async endpoints.

use futures_util::{FutureExt, SinkExt, StreamExt};
use quoit::{AsyncFrameConsumer, AsyncFrameProducer, PopError};

use super::arena::{Arena, TEXT, is_text, run};
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{
    Headers, Inline, Payload, Positions, SleepWords, States, Tail,
};

crate::common::suite::tests! {
    streams_of_frames_do_not_crash_under_attack,
    attacked_positions_do_not_crash_a_task,
}

/// After this many rounds both endpoints are replaced, even if they work.
const LIFETIME: u64 = 200;

/// New endpoints of a sound ring.
fn async_endpoints(arena: &mut Arena<[u8]>) -> (AsyncFrameProducer, AsyncFrameConsumer) {
    let (producer, consumer) = arena.new_ends();
    let few = "there are few async endpoints";
    let sink = producer.into_async().expect(few);
    (sink, consumer.into_async().expect(few))
}

/// Published frames: the stream returns them, or reports that they are corrupt.
fn streams_of_frames_do_not_crash_under_attack() {
    let (tally, targets) = (Tally::default(), [Headers, Payload, Inline, SleepWords]);
    let mut arena = Arena::new(PAGE, 0, &targets, &tally);
    let mut ends = None;
    run(1, &tally, &["wrong", "corrupt"], |dice| {
        let (sink, stream) = ends.get_or_insert_with(|| async_endpoints(&mut arena));
        let text = TEXT.as_bytes()[..2 * dice.roll(TEXT.len() as u64 / 2)].to_vec();
        match sink.send(text).now_or_never() {
            Some(sent) => tally.result(sent),
            None => tally.count("idle", true),
        }
        let mut again = dice.roll(LIFETIME) == 0;
        while !again {
            match stream.next().now_or_never() {
                Some(Some(Ok(bytes))) => tally.value(is_text(&bytes)),
                Some(Some(Err(error))) => {
                    assert_eq!(error, PopError::Corrupt);
                    tally.count("corrupt", true);
                    let next = stream.next().now_or_never();
                    assert_eq!(next, Some(None), "a stream ends after its error");
                    again = true;
                }
                Some(None) => panic!("the stream ends although its producer is attached"),
                None => break,
            }
        }
        if again {
            ends = None;
        }
    });
}

/// Attacks positions, states and sleep words while a task sleeps and wakes.
fn attacked_positions_do_not_crash_a_task() {
    let (tally, targets) = (Tally::default(), [Positions, Tail, States, SleepWords]);
    let mut arena = Arena::new(PAGE, 0, &targets, &tally);
    let mut ends = None;
    run(1, &tally, &["corrupt"], |dice| {
        let (sink, stream) = ends.get_or_insert_with(|| async_endpoints(&mut arena));
        if let Some(pushed) = sink.push(&TEXT.as_bytes()[..40]).now_or_never() {
            tally.result(pushed);
        }
        let mut bytes = Vec::new();
        let popped = match dice.roll(3) {
            0 => {
                let popped = stream.pop_into(&mut bytes).now_or_never();
                popped.map(|popped| popped.map(|_| bytes))
            }
            1 => {
                let peeked = stream.peek().now_or_never();
                peeked.map(|peeked| peeked.map(|frame| frame.to_vec()))
            }
            _ => stream.next().now_or_never().flatten(),
        };
        match popped {
            Some(Ok(bytes)) => tally.value(is_text(&bytes)),
            Some(Err(error)) => tally.result::<(), _>(Err(error)),
            None => tally.count("idle", true),
        }
        let is_poisoned =
            sink.get_ref().corruption().is_some() || stream.get_ref().corruption().is_some();
        if is_poisoned || dice.roll(LIFETIME) == 0 {
            ends = None;
        }
    });
}
