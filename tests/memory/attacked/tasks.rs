//! Async endpoints of an attacked ring.

use futures_util::{FutureExt, SinkExt, StreamExt};

use super::arena::{Arena, is_message, message, run_with};
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{
    self, Headers, Inline, Payload, Positions, SleepWords, States, Tail,
};

crate::common::suite::tests! {
    attacked_tasks_cause_no_crash,
}

/// Mostly words that poison no endpoint.
const TARGETS: [Target; 9] = [
    Payload, Payload, Inline, Inline, SleepWords, Headers, Positions, Tail, States,
];

fn attacked_tasks_cause_no_crash() {
    let tally = Tally::default();
    let mut arena = Arena::<[u8]>::new(PAGE, 0, &TARGETS, &tally);
    let new = || {
        let (producer, consumer) = arena.new_ends();
        let few = "there are few async endpoints";
        let sink = producer.into_async().expect(few);
        (sink, consumer.into_async().expect(few))
    };
    run_with(
        &tally,
        &["wrong", "corrupt"],
        new,
        |(sink, stream), dice| {
            let sent = match dice.roll(2) {
                0 => sink.send(message(dice)).now_or_never(),
                _ => sink.push(&message(dice)).now_or_never(),
            };
            sent.into_iter().for_each(|sent| tally.result(sent));
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
                Some(Ok(bytes)) => tally.value(is_message(&bytes)),
                Some(Err(error)) => tally.result::<(), _>(Err(error)),
                None => tally.count("idle", true),
            }
            sink.get_ref().corruption().is_some() || stream.get_ref().corruption().is_some()
        },
    );
}
