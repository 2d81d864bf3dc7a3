//! Calls and replies on attacked rings.

use std::time::Duration;

use quoit::PopError;
use quoit::rpc::{CallError, Client, Server};

use crate::attacked::arena::{Arena, Bites, SPACING, TEXT, Tally, is_text, run, walk};
use crate::attacked::attacker::Target;
use crate::common::dice::Dice;

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
    fn new(test: &str, spacing: usize, requests: &[Target], replies: &[Target]) -> Self {
        Self {
            requests: Arena::frames(&format!("{test}-requests"), spacing, requests),
            replies: Arena::frames(&format!("{test}-replies"), spacing, replies),
            ends: None,
        }
    }

    /// Client and server, replaced if they are poisoned.
    fn ends(&mut self) -> &mut (Client, Server) {
        if self.ends.is_none() {
            self.requests.restore();
            self.replies.restore();
        }
        self.ends.get_or_insert_with(|| {
            let (requests, requests_in) = self.requests.take_ends();
            let (replies_in, replies) = self.replies.take_ends();
            (
                Client::new(requests, replies),
                Server::new(requests_in, replies_in),
            )
        })
    }

    /// One call. Drops poisoned endpoints.
    fn call(&mut self, tally: &mut Tally, dice: &mut Dice) {
        let answered = call(self.ends(), tally, dice);
        if answered.is_err() || dice.roll(500) == 0 {
            self.ends = None;
        }
    }
}

/// Calls, answers, and reads the reply; an error if an endpoint must be replaced.
fn call(
    (client, server): &mut (Client, Server),
    tally: &mut Tally,
    dice: &mut Dice,
) -> Result<(), ()> {
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
        Err(PopError::Corrupt) => {
            tally.corrupt += 1;
            return Err(());
        }
        Err(PopError::TimedOut | PopError::Abandoned | PopError::Superseded) => tally.idle += 1,
        Err(error) => panic!("{error}"),
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

fn count(error: CallError, tally: &mut Tally) -> Result<(), ()> {
    match error {
        CallError::Corrupt => {
            tally.corrupt += 1;
            Err(())
        }
        CallError::TimedOut | CallError::NoServer | CallError::Superseded => {
            tally.idle += 1;
            Ok(())
        }
        error => panic!("{error}"),
    }
}

fn requests_are_private_copies() {
    let targets = [Target::Payload, Target::Payload, Target::Headers];
    let mut service = Service::new("requests", SPACING, &targets, &[Target::Inline]);
    run(1, Bites::Both, |tally, dice| service.call(tally, dice));
}

fn replies_are_private_copies() {
    let targets = [Target::Payload, Target::Payload, Target::Headers];
    let mut service = Service::new("replies", SPACING, &[Target::Inline], &targets);
    run(1, Bites::Both, |tally, dice| service.call(tally, dice));
}
