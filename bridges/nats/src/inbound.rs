//! From a stream to a ring.
//!
//! # Each message once, and in order
//!
//! The sequence of the last message in the ring is known at any moment, also after a kill:
//! the [journal](crate::journal) and the ring's tail say it together. So what the server
//! delivers again is acknowledged and left alone, and the acknowledgement may be lost.
//!
//! The server delivers what a killed bridge had, and did not acknowledge, only after
//! `ack_wait`, and delivers later messages before. So the bridge counts deliveries: if the
//! consumer's sequence has a gap, it first reads what the consumer should have delivered up
//! to this message from the stream itself, by its sequence. The same happens at the start
//! and after each reconnect, for all that was delivered so far.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, MessagesErrorKind};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, StreamError};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, PublishErrorKind};
use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, RetentionPolicy, Stream};
use async_nats::jetstream::{ErrorCode, Message};
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::error::Error;
use crate::journal::{Found, Journal, Mark, Pair};
use crate::link::{Backoff, Link, is_gone};
use crate::report::{Count, Report};
use crate::ring::{RingChoice, Unfit, Writer};
use crate::wire;

/// Messages that are published together at most.
const BATCH: usize = 256;
/// How long the server keeps a request for messages, and how often it says that there are
/// none.
const EXPIRES: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(20);
/// When a consumer that the bridge creates delivers again.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// A stream that comes into a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The ring, whose producer the bridge is.
    pub ring: RingChoice,
    /// The stream, which exists.
    pub stream: String,
    /// The durable pull consumer. If there is none of this name, the bridge creates it.
    pub consumer: String,
    /// The subject that a new consumer takes. `None` takes all of the stream.
    pub subject: Option<String>,
    /// Where messages go that can never be in the ring: a subject that a stream takes.
    /// `None` ends the bridge with an error at such a message.
    pub dead_letter: Option<String>,
    /// The journal's file. `None` is a file beside the ring, its name with `.nats`.
    pub journal: Option<PathBuf>,
    /// How many messages the server may send ahead.
    pub window: usize,
}

impl Inbound {
    /// All of the stream, with a window of 1024 messages, and without a dead-letter subject.
    pub fn new(ring: RingChoice, stream: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            ring,
            stream: stream.into(),
            consumer: consumer.into(),
            subject: None,
            dead_letter: None,
            journal: None,
            window: 1024,
        }
    }

    /// Carries over what is in the stream and what comes, until an error.
    ///
    /// Cancel safety: as after a kill, nothing is lost, and nothing comes twice.
    ///
    /// # Errors
    ///
    /// [`Error`] says what to do. A server that does not answer for a while is none.
    pub async fn run(&self, link: &Link, report: &Report) -> Result<(), Error> {
        let mut writer = Writer::open(&self.ring)?;
        let journal = Journal::open(&self.journal_path())?;
        let mut link = link.clone();
        let stream = link.stream(&self.stream, true).await?;
        let created = stream.cached_info().created.unix_timestamp_nanos() as u64;
        let pair = Pair {
            incarnation: writer.info().incarnation,
            created,
        };
        let found = journal.find(pair, writer.position());
        let found = match found {
            Found::Last(sequence) => Some(sequence),
            Found::Nothing => None,
            Found::Elsewhere(mark) => {
                return Err(Error::Diverged(format!(
                    "the ring {} is at position {}, and the bridge has left it at {} with sequence {} \
                     of the stream {}: another producer has written to it since; to go on after the \
                     last message that the consumer {} has acknowledged, remove the journal {}",
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
        let consumer = self.consumer(&stream, found).await?;
        let info = consumer.cached_info();
        let is_cumulative = match info.config.ack_policy {
            AckPolicy::All => true,
            AckPolicy::Explicit => false,
            _ => {
                return Err(Error::Consumer(format!(
                    "the consumer {} of the stream {} takes no acknowledgements; it needs the \
                     policy all or explicit",
                    self.consumer, self.stream
                )));
            }
        };
        let mut filters = info.config.filter_subjects.clone();
        filters.push(info.config.filter_subject.clone());
        filters.retain(|filter| !filter.is_empty());
        if filters.is_empty() {
            filters.push(">".to_owned());
        }
        let last = found.unwrap_or(info.ack_floor.stream_sequence);
        let inbound = In {
            options: self,
            report,
            link,
            stream,
            consumer,
            filters,
            is_cumulative,
            tail: writer.position(),
            writer,
            journal,
            pair,
            last,
            newest: last,
            staged: Vec::new(),
            staged_bytes: 0,
            staged_count: 0,
            expected: None,
        };
        inbound.run().await
    }

    fn journal_path(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        let mut name = self.ring.name.clone().into_os_string();
        name.push(".nats");
        let path = PathBuf::from(name);
        // As quoit finds a ring: a plain name is one in /dev/shm.
        match path.to_string_lossy().contains('/') {
            true => path,
            false => PathBuf::from("/dev/shm").join(path),
        }
    }

    async fn consumer(
        &self,
        stream: &Stream<Info>,
        found: Option<u64>,
    ) -> Result<Consumer<pull::Config>, Error> {
        let mut backoff = Backoff::default();
        loop {
            match stream.consumer_info(&self.consumer).await {
                Ok(info) if info.config.deliver_subject.is_some() => {
                    return Err(Error::Consumer(format!(
                        "the consumer {} of the stream {} is no pull consumer",
                        self.consumer, self.stream
                    )));
                }
                Ok(_) => {
                    let consumer = stream.get_consumer(&self.consumer).await;
                    return consumer.map_err(|error| self.no_consumer(&*error));
                }
                Err(error) if is_gone(&error.kind()) => break,
                // The server has answered before, and is busy now.
                Err(error) if error.kind() == ConsumerInfoErrorKind::TimedOut => {
                    backoff.pause().await;
                }
                Err(error) => return Err(self.no_consumer(&error)),
            }
        }
        // All of a work queue is to be done.
        let is_queue = stream.cached_info().config.retention == RetentionPolicy::WorkQueue;
        let config = pull::Config {
            durable_name: Some(self.consumer.clone()),
            deliver_policy: match found {
                Some(last) if !is_queue => DeliverPolicy::ByStartSequence {
                    start_sequence: last + 1,
                },
                _ => DeliverPolicy::All,
            },
            // Not `All`: a server that was killed may have forgotten deliveries. The
            // acknowledgement of one of them would put its floor above what it delivers, and it
            // would wait for the messages below the floor for ever (seen with 2.9.10).
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: (16 * self.window).max(10_000) as i64,
            filter_subject: self.subject.clone().unwrap_or_default(),
            ..pull::Config::default()
        };
        let created = stream.create_consumer(config).await;
        created.map_err(|error| self.no_consumer(&error))
    }

    fn no_consumer(&self, error: &dyn std::error::Error) -> Error {
        Error::Consumer(format!(
            "the consumer {} of the stream {}: {error}",
            self.consumer, self.stream
        ))
    }

    fn consumer_deleted(&self) -> Error {
        Error::Consumer(format!(
            "the consumer {} of the stream {} was deleted; start the bridge again to create it \
             anew, and it goes on where it was",
            self.consumer, self.stream
        ))
    }
}

struct In<'a> {
    options: &'a Inbound,
    report: &'a Report,
    link: Link,
    stream: Stream<Info>,
    consumer: Consumer<pull::Config>,
    /// The subjects that the consumer takes.
    filters: Vec<String>,
    /// An acknowledgement means all messages before it, too.
    is_cumulative: bool,
    writer: Writer,
    journal: Journal,
    pair: Pair,
    /// The ring's tail, and the last message before it.
    tail: u64,
    last: u64,
    /// The last message that is published or staged.
    newest: u64,
    /// Where to acknowledge what is staged.
    staged: Vec<Subject>,
    staged_bytes: u64,
    staged_count: u64,
    /// The consumer's next sequence, if the last delivery came here.
    expected: Option<u64>,
}

impl In<'_> {
    async fn run(mut self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        loop {
            self.link.connected().await?;
            self.catch_up().await?;
            let mut messages = match self.messages().await {
                Ok(messages) => messages,
                Err(_) => {
                    backoff.pause().await;
                    continue;
                }
            };
            self.expected = None;
            while let Some(message) = messages.next().await {
                if !self.take_all(message, &mut messages).await? {
                    break;
                }
                backoff.reset();
            }
            backoff.pause().await;
        }
    }

    /// Takes this message and those that are there, and publishes them; false if there will
    /// be no more.
    async fn take_all(
        &mut self,
        message: Result<Message, pull::MessagesError>,
        messages: &mut pull::Stream,
    ) -> Result<bool, Error> {
        let mut item = Some(message);
        let mut goes_on = true;
        for _ in 0..BATCH {
            match item {
                Some(Ok(message)) => self.take(message).await?,
                Some(Err(error)) if error.kind() == MessagesErrorKind::ConsumerDeleted => {
                    return Err(self.options.consumer_deleted());
                }
                Some(Err(error)) => {
                    self.report.note(&format!("no messages: {error}"));
                    goes_on = false;
                    break;
                }
                None => {
                    goes_on = false;
                    break;
                }
            }
            match messages.next().now_or_never() {
                Some(next) => item = next,
                None => break,
            }
        }
        self.publish().await?;
        Ok(goes_on)
    }

    async fn messages(&mut self) -> Result<pull::Stream, StreamError> {
        let window = self.options.window.max(1);
        let stream = self.consumer.stream().max_messages_per_batch(window);
        stream
            .expires(EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
    }

    /// Reads what the consumer has delivered so far, to whomever.
    async fn catch_up(&mut self) -> Result<(), Error> {
        self.report.add(Count::Realignments, 1);
        let mut backoff = Backoff::default();
        let delivered = loop {
            self.link.connected().await?;
            match self.consumer.get_info().await {
                Ok(info) => break info.delivered.stream_sequence,
                Err(error) if is_gone(&error.kind()) => {
                    // Says so if it is the stream that is missing.
                    self.link.stream(&self.options.stream, false).await?;
                    return Err(self.options.consumer_deleted());
                }
                Err(_) => backoff.pause().await,
            }
        };
        let stream = self.link.stream(&self.options.stream, false).await?;
        let state = &stream.cached_info().state;
        let created = stream.cached_info().created.unix_timestamp_nanos() as u64;
        if created != self.pair.created || state.last_sequence < self.last {
            return Err(Error::Diverged(format!(
                "the stream {} ends at sequence {}, and the ring {} has its message {}: the server \
                 has lost messages, or this is another stream of the name; use a new ring, or start \
                 the bridge again for another stream",
                self.options.stream,
                state.last_sequence,
                self.options.ring.text(),
                self.last
            )));
        }
        self.stream = stream;
        self.fill(delivered).await?;
        self.publish().await
    }

    /// Reads from the stream what comes behind the newest message up to this sequence.
    async fn fill(&mut self, end: u64) -> Result<(), Error> {
        let mut is_gap = false;
        while self.newest < end {
            let mut next = None;
            for filter in self.filters.clone() {
                let message = self.next_of(&filter, end).await?;
                next = match (next, message) {
                    (Some(one), Some(two)) if one < two => Some(one),
                    (one, two) => two.or(one),
                };
            }
            let Some(Next {
                sequence,
                headers,
                payload,
                subject,
            }) = next
            else {
                return Ok(());
            };
            if !is_gap {
                is_gap = true;
                self.report.add(Count::Gaps, 1);
            }
            let message = Incoming {
                sequence,
                subject: &subject,
                headers: Some(&headers),
                payload: &payload,
                reply: None,
            };
            self.put(message).await?;
        }
        Ok(())
    }

    /// The next message of a subject, up to this sequence.
    async fn next_of(&mut self, filter: &str, end: u64) -> Result<Option<Next>, Error> {
        let mut backoff = Backoff::default();
        loop {
            self.link.connected().await?;
            let request = self.stream.raw_message_builder().sequence(self.newest + 1);
            let error = match request.next_by_subject(filter).send().await {
                Ok(message) => {
                    return Ok((message.sequence <= end).then_some(Next {
                        sequence: message.sequence,
                        headers: message.headers,
                        payload: message.payload,
                        subject: message.subject,
                    }));
                }
                Err(error) => error,
            };
            match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => return Ok(None),
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    return Err(Error::Stream(format!(
                        "the stream {} was deleted",
                        self.options.stream
                    )));
                }
                _ => backoff.pause().await,
            }
        }
    }

    /// Takes what the consumer delivers.
    async fn take(&mut self, message: Message) -> Result<(), Error> {
        let (sequence, delivery) = match message.info() {
            Ok(info) => (info.stream_sequence, info.consumer_sequence),
            Err(error) => {
                return Err(Error::Message(format!(
                    "a message of the consumer {} does not say its sequence: {error}",
                    self.options.consumer
                )));
            }
        };
        let Some(reply) = message.reply.clone() else {
            return Ok(());
        };
        if sequence > self.newest && self.expected != Some(delivery) {
            self.fill(sequence - 1).await?;
        }
        self.expected = Some(delivery + 1);
        if sequence <= self.newest {
            self.report.add(Count::Duplicates, 1);
            self.publish().await?;
            return self.acknowledge(reply).await;
        }
        let message = Incoming {
            sequence,
            subject: &message.subject,
            headers: message.headers.as_ref(),
            payload: &message.payload,
            reply: Some(reply),
        };
        self.put(message).await
    }

    /// Stages a message, or puts it aside.
    async fn put(&mut self, message: Incoming<'_>) -> Result<(), Error> {
        let fit = wire::check(self.writer.info(), message.headers)
            .and_then(|kind| self.writer.check(message.payload.len()).map(|()| kind));
        let kind = match fit {
            Ok(kind) => kind,
            Err(unfit) => return self.put_aside(message, &unfit).await,
        };
        while !self.writer.stage(kind, message.payload)? {
            self.publish().await?;
            // Meanwhile the server is not asked for more.
            self.writer.room(message.payload.len()).await?;
        }
        self.newest = message.sequence;
        self.staged_count += 1;
        self.staged_bytes += message.payload.len() as u64;
        self.will_acknowledge(message.reply);
        Ok(())
    }

    fn will_acknowledge(&mut self, reply: Option<Subject>) {
        if let Some(reply) = reply {
            if self.is_cumulative {
                self.staged.clear();
            }
            self.staged.push(reply);
        }
    }

    /// Publishes what is staged, and acknowledges it.
    async fn publish(&mut self) -> Result<(), Error> {
        if self.newest != self.last {
            let after = Mark {
                tail: self.writer.staged(),
                sequence: self.newest,
            };
            let before = Mark {
                tail: self.tail,
                sequence: self.last,
            };
            self.journal.write(self.pair, before, after)?;
            if after.tail != before.tail {
                self.writer.publish()?;
            }
            (self.tail, self.last) = (after.tail, after.sequence);
            self.report.add(Count::Messages, self.staged_count);
            self.report.add(Count::Published, self.staged_count);
            self.report.add(Count::Bytes, self.staged_bytes);
            self.report.set(Count::Position, self.tail);
            self.report.set(Count::Sequence, self.last);
            (self.staged_count, self.staged_bytes) = (0, 0);
        }
        for reply in std::mem::take(&mut self.staged) {
            self.acknowledge(reply).await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self, reply: Subject) -> Result<(), Error> {
        let sent = self.link.client.publish(reply, Bytes::from_static(b"+ACK"));
        sent.await.map_err(|_| self.link.closed())
    }

    /// Puts a message aside that can never be in the ring.
    async fn put_aside(&mut self, message: Incoming<'_>, Unfit(why): &Unfit) -> Result<(), Error> {
        self.publish().await?;
        let what = format!(
            "message {} of the stream {} does not fit into the ring {}: {why}",
            message.sequence,
            self.options.stream,
            self.options.ring.text()
        );
        let Some(subject) = &self.options.dead_letter else {
            return Err(Error::Message(format!(
                "{what}; give a dead-letter subject to put such messages aside (--dead-letter)"
            )));
        };
        self.report.note(&format!("{what}; it goes to {subject}"));
        let headers = self.aside(&message, why);
        let mut backoff = Backoff::default();
        loop {
            self.link.connected().await?;
            let payload = Bytes::copy_from_slice(message.payload);
            let jetstream = &self.link.jetstream;
            let sent = jetstream.publish_with_headers(subject.clone(), headers.clone(), payload);
            let error = match sent.await {
                Ok(answer) => match answer.await {
                    Ok(_) => break,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            match error.kind() {
                PublishErrorKind::StreamNotFound => {
                    return Err(Error::Stream(format!(
                        "no stream takes the dead-letter subject {subject}; create one ({what})"
                    )));
                }
                PublishErrorKind::MaxPayloadExceeded => {
                    return Err(Error::Message(format!(
                        "{what}, and it is too long for the dead-letter subject with its headers"
                    )));
                }
                _ => backoff.pause().await,
            }
        }
        self.newest = message.sequence;
        self.will_acknowledge(message.reply);
        self.writer.count_dropped();
        self.report.add(Count::DeadLetters, 1);
        self.publish().await
    }

    /// The headers of a message that is put aside.
    fn aside(&self, message: &Incoming<'_>, why: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
            // What the server reads is meant for the first publish.
            if !name.to_string().starts_with("Nats-") {
                for value in values {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        let sequence = message.sequence.to_string();
        let id = format!("{}:{:x}:{sequence}", self.options.stream, self.pair.created);
        headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        headers.insert("Quoit-Reason", why);
        headers.insert("Quoit-Stream", self.options.stream.as_str());
        headers.insert("Quoit-Sequence", sequence);
        headers.insert("Quoit-Subject", message.subject.as_str());
        headers
    }
}

/// A message of the stream itself.
#[derive(Debug)]
struct Next {
    sequence: u64,
    headers: HeaderMap,
    payload: Bytes,
    subject: Subject,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.sequence.partial_cmp(&other.sequence)
    }
}

/// A message on its way into the ring.
struct Incoming<'a> {
    sequence: u64,
    subject: &'a Subject,
    headers: Option<&'a HeaderMap>,
    payload: &'a [u8],
    /// Where to acknowledge it, if the consumer has delivered it.
    reply: Option<Subject>,
}
