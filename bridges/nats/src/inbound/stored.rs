//! The messages of the stream itself, whatever its consumer has delivered.

use async_nats::jetstream::stream::{Info, Stream};

use super::message::Incoming;
use super::options::Inbound;
use crate::error::Error;
use crate::link::{Backoff, Link, has_none};

/// When the stream was created, in ns since 1970.
pub(super) fn created(stream: &Stream<Info>) -> u64 {
    stream.cached_info().created.unix_timestamp_nanos() as u64
}

pub(super) struct Stored<'a> {
    options: &'a Inbound,
    link: Link,
    stream: Stream<Info>,
    created: u64,
    /// The subjects that the consumer takes.
    filters: Vec<String>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(
        options: &'a Inbound,
        link: Link,
        stream: Stream<Info>,
        filters: Vec<String>,
    ) -> Self {
        Self {
            created: created(&stream),
            options,
            link,
            stream,
            filters,
        }
    }

    /// Fails unless it is still the stream whose message with this sequence is in the ring.
    pub(super) async fn check(&mut self, last: u64) -> Result<(), Error> {
        self.stream = self.link.stream(&self.options.stream, false).await?;
        let end = self.stream.cached_info().state.last_sequence;
        if created(&self.stream) == self.created && end >= last {
            return Ok(());
        }
        Err(Error::Diverged(format!(
            "the stream {} ends at sequence {end}, and the ring {} has its message {last}: the \
             server has lost messages, or this is another stream of the name; use a new ring, or \
             start the bridge again for another stream",
            self.options.stream,
            self.options.ring.text(),
        )))
    }

    /// The first message after the one sequence, up to the other.
    pub(super) async fn next(&mut self, after: u64, end: u64) -> Result<Option<Incoming>, Error> {
        let mut next: Option<Incoming> = None;
        for filter in &self.filters {
            let found = next_of(&mut self.link, &self.stream, filter, after).await?;
            let found = found.filter(|found| found.sequence <= end);
            next = match (next, found) {
                (Some(one), Some(two)) if one.sequence < two.sequence => Some(one),
                (one, two) => two.or(one),
            };
        }
        Ok(next)
    }
}

/// The first message of these subjects after this sequence.
async fn next_of(
    link: &mut Link,
    stream: &Stream<Info>,
    filter: &str,
    after: u64,
) -> Result<Option<Incoming>, Error> {
    let mut backoff = Backoff::default();
    loop {
        link.connected().await?;
        let request = stream.raw_message_builder().sequence(after + 1);
        let error = match request.next_by_subject(filter).send().await {
            Ok(message) => {
                return Ok(Some(Incoming {
                    sequence: message.sequence,
                    subject: message.subject,
                    headers: Some(message.headers),
                    payload: message.payload,
                    reply: None,
                }));
            }
            Err(error) => error,
        };
        let which = format!("the first of {filter} after sequence {after}");
        if has_none(&error, stream, &which)? {
            return Ok(None);
        }
        let doing = format!("read {which}");
        link.retry(&mut backoff, &doing, error).await;
    }
}
