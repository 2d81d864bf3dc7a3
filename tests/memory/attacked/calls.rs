//! Calls and replies on attacked rings.

use std::time::Duration;

use quoit::PopError;
use quoit::rpc::{CallError, Client, Server};

use super::arena::{Arena, SPACING, TEXT, is_text, run, walk};
use crate::common::dice::Dice;
use crate::hostile::body::Tally;
use crate::hostile::body::memory::PAGE;
use crate::hostile::body::memory::Target::{self, Headers, Inline, Payload};

crate::common::suite::tests! {
    requests_are_private_copies,
    replies_are_private_copies,
}

/// Long enough for a handler that runs immediately.
const SOON: Duration = Duration::from_micros(100);

/// A service and its client in one process, on two rings.
struct Service {
    requests: Arena<[u8]>,
    replies: Arena<[u8]>,
    ends: Option<(Client, Server)>,
}

impl Service {
    fn new(requests: &[Target], replies: &[Target], tally: &Tally) -> Self {
        Self {
            requests: Arena::new(PAGE, SPACING, requests, tally),
            replies: Arena::new(PAGE, SPACING, replies, tally),
            ends: None,
        }
    }

    /// Client and server, replaced if they are poisoned.
    fn ends(&mut self) -> &mut (Client, Server) {
        self.ends.get_or_insert_with(|| {
            let (requests, requests_in) = self.requests.new_ends();
            let (replies_in, replies) = self.replies.new_ends();
            (
                Client::new(requests, replies),
                Server::new(requests_in, replies_in),
            )
        })
    }

    /// One call. Drops poisoned endpoints.
    fn call(&mut self, tally: &Tally, dice: &mut Dice) {
        let answered = call(self.ends(), tally, dice);
        if answered.is_err() || dice.roll(500) == 0 {
            self.ends = None;
        }
    }
}

/// Calls, answers, and reads the reply; an error if an endpoint must be replaced.
fn call((client, server): &mut (Client, Server), tally: &Tally, dice: &mut Dice) -> Result<(), ()> {
    let len = 2 * dice.roll(SPACING as u64 / 2 - 12);
    let call = match client.start(&TEXT.as_bytes()[..len], SOON) {
        Ok(call) => call,
        Err(error) => return count(error, tally),
    };
    let mut handled = false;
    let answered = server.answer(Duration::ZERO, |request, reply| {
        let copy = request.to_vec();
        let walked = walk(request);
        tally.value(is_text(request));
        assert_eq!(copy, request, "a request changes while it is handled");
        assert_eq!(walk(request), walked);
        handled = true;
        reply.extend_from_slice(request);
        if dice.roll(16) == 0 {
            return Err("refused");
        }
        Ok(())
    });
    match answered {
        Ok(()) => {}
        Err(error) => tally.result::<(), _>(Err(error)),
    }
    if answered == Err(PopError::Corrupt) {
        return Err(());
    }
    if !handled {
        client.cancel(call);
        return Ok(());
    }
    let mut reply = Vec::new();
    match client.finish(&call, &mut reply) {
        Ok(()) => {
            tally.value(is_text(&reply));
            walk(&reply);
        }
        Err(CallError::Refused(text)) => assert_eq!(walk(text.as_bytes()), Some(text.len())),
        Err(error) => {
            client.cancel(call);
            return count(error, tally);
        }
    }
    Ok(())
}

fn count(error: CallError, tally: &Tally) -> Result<(), ()> {
    match error {
        CallError::Corrupt => {
            tally.count("corrupt", true);
            Err(())
        }
        CallError::TimedOut | CallError::NoServer | CallError::Superseded => {
            tally.count("idle", true);
            Ok(())
        }
        error => panic!("{error}"),
    }
}

/// Attacks one of the two rings like this, and only inline copies of the other.
const TARGETS: [Target; 3] = [Payload, Payload, Headers];

fn copies_are_private(requests: &[Target], replies: &[Target]) {
    let tally = Tally::default();
    let mut service = Service::new(requests, replies, &tally);
    run(1, &tally, &["wrong", "corrupt"], |dice| {
        service.call(&tally, dice)
    });
}

fn requests_are_private_copies() {
    copies_are_private(&TARGETS, &[Inline]);
}

fn replies_are_private_copies() {
    copies_are_private(&[Inline], &TARGETS);
}
