//! Calls and replies on attacked rings.

use std::time::Duration;

use quoit::PopError;
use quoit::rpc::{CallError, Client, Server};

use super::arena::{Arena, SPACING, is_message, message, run_with};
use crate::common::dice::Dice;
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{self, Headers, Inline, Payload};

crate::common::suite::tests! {
    attacked_requests_cause_no_crash,
    attacked_replies_cause_no_crash,
}

/// A service and its client in one process. One of their two rings is attacked like this.
const TARGETS: [Target; 3] = [Payload, Payload, Headers];

fn attacked_calls(requests: &[Target], replies: &[Target]) {
    let tally = Tally::default();
    let mut requests = Arena::<[u8]>::new(PAGE, SPACING, requests, &tally);
    let mut replies = Arena::<[u8]>::new(PAGE, SPACING, replies, &tally);
    let new = || {
        let (requests, requests_in) = requests.new_ends();
        let (replies_in, replies) = replies.new_ends();
        let client = Client::new(requests, replies);
        (client, Server::new(requests_in, replies_in))
    };
    let round = |(client, server): &mut (Client, Server), dice: &mut Dice| {
        let (mut is_poisoned, mut reply) = (false, Vec::new());
        let started = client.start(&message(dice), Duration::from_micros(10));
        let called = started.and_then(|call| {
            let answered = server.answer(Duration::ZERO, |request, reply| {
                tally.value(is_message(request));
                reply.extend_from_slice(request);
                match dice.roll(16) {
                    0 => Err("refused"),
                    _ => Ok(()),
                }
            });
            is_poisoned = answered == Err(PopError::Corrupt);
            tally.result(answered);
            let finished = client.finish(&call, &mut reply);
            client.cancel(call);
            finished
        });
        match called {
            Ok(()) => tally.value(is_message(&reply)),
            Err(CallError::Refused(text)) => tally.count("wrong", text != "refused"),
            Err(CallError::Corrupt) => {
                tally.count("corrupt", true);
                is_poisoned = true;
            }
            Err(CallError::TimedOut | CallError::NoServer | CallError::Superseded) => {}
            Err(error) => panic!("{error}"),
        }
        is_poisoned
    };
    run_with(&tally, &["wrong", "corrupt"], new, round);
}

fn attacked_requests_cause_no_crash() {
    attacked_calls(&TARGETS, &[Inline]);
}

fn attacked_replies_cause_no_crash() {
    attacked_calls(&[Inline], &TARGETS);
}
