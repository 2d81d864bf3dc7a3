//! The ring's end of the way: messages in batches, each batch with its entry in the journal,
//! and after it the acknowledgements.

use async_nats::Subject;
use bytes::Bytes;

use super::dead_letter;
use super::message::Incoming;
use super::options::Inbound;
use crate::error::Error;
use crate::journal::{Journal, Mark, Pair};
use crate::link::Link;
use crate::report::{Count, Report};
use crate::ring::{Unfit, Writer};
use crate::wire;

pub(super) struct Sink<'a> {
    options: &'a Inbound,
    report: &'a Report,
    link: Link,
    writer: Writer,
    journal: Journal,
    pair: Pair,
    /// An acknowledgement counts for all messages before it, too.
    is_cumulative: bool,
    /// The consumer takes each message of the stream: a gap in the sequences is a loss.
    takes_all: bool,
    /// The first such loss was reported.
    has_told: bool,
    /// The ring's tail, and the last message before it.
    published: Mark,
    /// The last message that is published or staged.
    newest: u64,
    /// Where to acknowledge what is staged.
    replies: Vec<Subject>,
    staged_bytes: u64,
    staged_count: u64,
}

impl<'a> Sink<'a> {
    /// With this message as the last one in the ring.
    pub(super) fn new(
        options: &'a Inbound,
        report: &'a Report,
        link: Link,
        (mut writer, journal, pair): (Writer, Journal, Pair),
        last: u64,
    ) -> Self {
        Self {
            options,
            report,
            link,
            published: Mark {
                tail: writer.position(),
                sequence: last,
            },
            writer,
            journal,
            pair,
            is_cumulative: false,
            takes_all: false,
            has_told: false,
            newest: last,
            replies: Vec::new(),
            staged_bytes: 0,
            staged_count: 0,
        }
    }

    /// For messages of a consumer with these properties.
    pub(super) fn with_consumer(mut self, is_cumulative: bool, takes_all: bool) -> Self {
        self.is_cumulative = is_cumulative;
        self.takes_all = takes_all;
        self
    }

    /// The last message in the ring.
    pub(super) fn last(&self) -> u64 {
        self.published.sequence
    }

    /// The last message that is in the ring, or staged for it.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Stages a message, or sends it to the dead-letter subject.
    pub(super) async fn put(&mut self, message: Incoming) -> Result<(), Error> {
        self.count_missing(message.sequence);
        let fit = wire::check(self.writer.info(), message.headers.as_ref())
            .and_then(|kind| self.writer.check(message.payload.len()).map(|()| kind));
        let kind = match fit {
            Ok(kind) => kind,
            Err(unfit) => return self.reject(message, &unfit).await,
        };
        while !self.writer.stage(kind, &message.payload)? {
            self.publish().await?;
            // Until there is room the server is not asked for more.
            self.writer.room(message.payload.len()).await?;
        }
        self.newest = message.sequence;
        self.staged_count += 1;
        self.staged_bytes += message.payload.len() as u64;
        self.will_acknowledge(message.reply);
        Ok(())
    }

    /// Reports what was deleted from the stream before it arrived here.
    fn count_missing(&mut self, sequence: u64) {
        let missing = sequence - self.newest - 1;
        if !self.takes_all || missing == 0 {
            return;
        }
        self.report.add(Count::Missing, missing);
        if !self.has_told {
            self.has_told = true;
            self.report.note(&format!(
                "{missing} messages of the stream {} before sequence {sequence} were deleted before \
                 they arrived, by the stream's limits or by a user; the metric missing counts them, \
                 and all that follow",
                self.options.stream
            ));
        }
    }

    fn will_acknowledge(&mut self, reply: Option<Subject>) {
        if let Some(reply) = reply {
            if self.is_cumulative {
                self.replies.clear();
            }
            self.replies.push(reply);
        }
    }

    /// Publishes what is staged, and acknowledges it.
    pub(super) async fn publish(&mut self) -> Result<(), Error> {
        let (before, after) = (
            self.published,
            Mark {
                tail: self.writer.staged(),
                sequence: self.newest,
            },
        );
        if after != before {
            self.writer.check_name()?;
            self.journal.write(self.pair, before, after)?;
            if after.tail != before.tail {
                self.writer.publish()?;
            }
            self.published = after;
            self.report.add(Count::Messages, self.staged_count);
            self.report.add(Count::Published, self.staged_count);
            self.report.add(Count::Bytes, self.staged_bytes);
            self.report.set(Count::Position, after.tail);
            self.report.set(Count::Sequence, after.sequence);
            (self.staged_count, self.staged_bytes) = (0, 0);
        }
        for reply in std::mem::take(&mut self.replies) {
            self.acknowledge(reply).await?;
        }
        Ok(())
    }

    /// Acknowledges a message that was in the ring before it was delivered.
    pub(super) async fn repeated(&mut self, reply: Subject) -> Result<(), Error> {
        self.report.add(Count::Duplicates, 1);
        self.publish().await?;
        self.acknowledge(reply).await
    }

    async fn acknowledge(&mut self, reply: Subject) -> Result<(), Error> {
        let sent = self.link.client.publish(reply, Bytes::from_static(b"+ACK"));
        sent.await.map_err(|_| self.link.closed())
    }

    /// Sends a message to the dead-letter subject: it can never be in the ring.
    async fn reject(&mut self, message: Incoming, Unfit(why): &Unfit) -> Result<(), Error> {
        self.publish().await?;
        let stream = &self.options.stream;
        let what = format!(
            "message {} of the stream {stream} does not fit into the ring {}: {why}",
            message.sequence,
            self.options.ring.text()
        );
        let Some(subject) = &self.options.dead_letter else {
            return Err(Error::Message(format!(
                "{what}; give a dead-letter subject to send such messages to it (--dead-letter)"
            )));
        };
        self.report.note(&format!("{what}; it goes to {subject}"));
        let headers = dead_letter::headers(&message, stream, self.pair.created, why);
        let (link, report) = (&mut self.link, self.report);
        dead_letter::send(link, report, subject, headers, &message, &what).await?;
        self.newest = message.sequence;
        self.will_acknowledge(message.reply);
        self.writer.count_dropped();
        self.report.add(Count::DeadLetters, 1);
        self.publish().await
    }
}
