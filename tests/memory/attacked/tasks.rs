//! Async endpoints.

use futures_util::{FutureExt, SinkExt, StreamExt};
use quoit::{AsyncFrameConsumer, AsyncFrameProducer, PopError};

use crate::attacked::arena::{Arena, Bites, TEXT, any_text, is_text, run};
use crate::attacked::attacker::Target;
use crate::common::dice::Dice;

crate::common::suite::tests! {
    streams_of_frames_do_not_crash_under_attack,
    attacked_positions_do_not_crash_a_task,
}

/// After this many rounds both endpoints are replaced, even if they work.
const LIFETIME: u64 = 200;

/// New endpoints of a sound ring.
fn async_endpoints(arena: &mut Arena<[u8]>) -> (AsyncFrameProducer, AsyncFrameConsumer) {
    arena.restore();
    let (producer, consumer) = arena.take_ends();
    let few = "there are few async endpoints";
    let sink = producer.into_async().expect(few);
    (sink, consumer.into_async().expect(few))
}

/// Published frames: the stream returns them, or reports that they are corrupt.
fn streams_of_frames_do_not_crash_under_attack() {
    let targets = [
        Target::Headers,
        Target::Payload,
        Target::Inline,
        Target::SleepWords,
    ];
    let mut arena = Arena::frames("streams", 0, &targets);
    let mut ends = None;
    run(1, Bites::Both, |tally, dice| {
        let (sink, stream) = ends.get_or_insert_with(|| async_endpoints(&mut arena));
        match sink.send(any_text(dice).1).now_or_never() {
            Some(sent) => tally.pushed(sent),
            None => tally.idle += 1,
        }
        let mut again = dice.roll(LIFETIME) == 0;
        while !again {
            match stream.next().now_or_never() {
                Some(Some(Ok(bytes))) => tally.value(is_text(&bytes)),
                Some(Some(Err(error))) => {
                    assert_eq!(error, PopError::Corrupt);
                    tally.corrupt += 1;
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
    let targets = [
        Target::Positions,
        Target::Tail,
        Target::States,
        Target::SleepWords,
    ];
    let mut arena = Arena::frames("tasks", 0, &targets);
    let mut ends = None;
    run(1, Bites::Corrupt, |tally, dice: &mut Dice| {
        let (sink, stream) = ends.get_or_insert_with(|| async_endpoints(&mut arena));
        if let Some(pushed) = sink.push(&TEXT.as_bytes()[..40]).now_or_never() {
            tally.pushed(pushed);
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
            Some(Err(error)) => tally.popped::<()>(Err(error)),
            None => tally.idle += 1,
        }
        let is_poisoned =
            sink.get_ref().corruption().is_some() || stream.get_ref().corruption().is_some();
        if is_poisoned || dice.roll(LIFETIME) == 0 {
            ends = None;
        }
    });
}
