//! Where the server's answers to published messages arrive.

use async_nats::{Message, Subject, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::error::Error;
use crate::link::Link;

pub(super) struct Inbox {
    answers: Subscriber,
    prefix: String,
    /// Grows each time: answers to what was sent before mean nothing.
    generation: u64,
}

impl Inbox {
    pub(super) async fn new(link: &Link) -> Result<Self, Error> {
        let prefix = link.client.new_inbox();
        let answers = link.client.subscribe(format!("{prefix}.*.*")).await;
        Ok(Self {
            answers: answers.map_err(|_| link.closed())?,
            prefix,
            generation: 0,
        })
    }

    /// From now on answers to earlier messages have no number.
    pub(super) fn renew(&mut self) {
        self.generation += 1;
    }

    /// Where the answer to the message of this number arrives.
    pub(super) fn reply(&self, number: u64) -> Subject {
        Subject::from(format!("{}.{}.{number}", self.prefix, self.generation))
    }

    /// The number of the message that this answers.
    pub(super) fn number(&self, answer: &Message) -> Option<u64> {
        let (rest, number) = answer.subject.rsplit_once('.')?;
        let (_, generation) = rest.rsplit_once('.')?;
        let is_current = generation.parse() == Ok(self.generation);
        number.parse().ok().filter(|_| is_current)
    }

    /// The next answer; `None` if the connection was closed.
    ///
    /// Cancel safety: no answer is lost.
    pub(super) async fn next(&mut self) -> Option<Message> {
        self.answers.next().await
    }

    /// The next answer, if it has arrived.
    pub(super) fn try_next(&mut self) -> Option<Message> {
        self.answers.next().now_or_never().flatten()
    }
}
