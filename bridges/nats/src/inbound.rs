//! From a stream to a ring.
//!
//! # Each message once, and in order
//!
//! The sequence of the last message in the ring is known at any moment, also after a kill:
//! the [journal](crate::journal) and the ring's tail give it together. What the server
//! delivers again is acknowledged and not written again, and an acknowledgement may be lost.
//!
//! A killed bridge leaves deliveries that it did not acknowledge. The server repeats them
//! only after `ack_wait`, and delivers later messages first. The bridge therefore counts
//! deliveries. If the consumer's sequence has a gap, the bridge first reads from the stream
//! itself, by sequence, what the consumer should have delivered up to this message. It does
//! the same at the start and after each reconnect.

mod consumer;
mod dead_letter;
mod message;
mod options;
mod session;
mod sink;
mod stored;

use self::consumer::Durable;
pub use self::options::Inbound;
use self::session::Session;
use self::sink::Sink;
use self::stored::Stored;
use crate::error::Error;
use crate::journal::{Found, Journal, Mark, Pair};
use crate::link::Link;
use crate::report::Report;
use crate::ring::Writer;
use crate::wire::{check_subject, matches};

impl Inbound {
    /// Moves what the stream has, and what arrives later, until an error.
    ///
    /// Cancel safety: as after a kill, nothing is lost, and nothing arrives twice.
    ///
    /// # Errors
    ///
    /// [`Error`] says what to do. A server that does not answer for a while is not an error.
    pub async fn run(&self, link: &Link, report: &Report) -> Result<(), Error> {
        self.dead_letter.as_deref().map_or(Ok(()), check_subject)?;
        let mut writer = Writer::open(&self.ring)?;
        let mut journal = Journal::open(&self.journal_path())?;
        let mut link = link.clone();
        let stream = link.stream(&self.stream, true).await?;
        let pair = Pair {
            incarnation: writer.info().incarnation,
            created: stored::created(&stream),
        };
        let found = match journal.find(pair, writer.position()) {
            Found::Last(sequence) => Some(sequence),
            Found::Nothing => None,
            Found::Elsewhere(mark) => {
                return Err(Error::Diverged(format!(
                    "the ring {} is at position {}, and the bridge left it at {} with sequence {} \
                     of the stream {}: another producer has written to it since; to continue after \
                     the last message that the consumer {} has acknowledged, remove the journal {}",
                    self.ring.text(),
                    writer.position(),
                    mark.tail,
                    mark.sequence,
                    self.stream,
                    self.consumer,
                    self.journal_path().display()
                )));
            }
        };
        let consumer = Durable::find_or_create(self, &stream, found, &link).await?;
        self.check_dead_letter(&stream.cached_info().config.subjects, &consumer.filters())?;
        let last = match found {
            Some(last) => last,
            None => {
                // A kill before the first acknowledgement must not lose where it begins.
                let begin = Mark {
                    tail: writer.position(),
                    sequence: consumer.acknowledged()?,
                };
                journal.write(pair, begin, begin)?;
                begin.sequence
            }
        };
        let sink = Sink::new(self, report, link.clone(), (writer, journal, pair), last)
            .with_consumer(consumer.is_cumulative(), consumer.takes_all());
        let stored = Stored::new(self, link.clone(), stream, consumer.filters());
        Session::new(self, report, link, consumer, stored, sink)
            .run()
            .await
    }

    /// Fails if a dead letter would arrive here again.
    fn check_dead_letter(&self, subjects: &[String], filters: &[String]) -> Result<(), Error> {
        let Some(subject) = &self.dead_letter else {
            return Ok(());
        };
        let is_among = |patterns: &[String]| patterns.iter().any(|one| matches(one, subject));
        match is_among(subjects) && is_among(filters) {
            false => Ok(()),
            true => Err(Error::Config(format!(
                "the dead-letter subject {subject} belongs to the stream {}, and its consumer {} \
                 takes it: dead letters would arrive here again; use a subject of another stream",
                self.stream, self.consumer
            ))),
        }
    }
}
