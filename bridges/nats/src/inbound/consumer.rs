//! The durable pull consumer of the stream, found or created.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, MessagesErrorKind};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, StreamError};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{Info, RetentionPolicy, Stream};

use super::options::Inbound;
use crate::error::Error;
use crate::link::{Backoff, Link, is_deleted};

/// How long the server keeps a request for messages, and how often it says that there are
/// none.
const EXPIRES: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(20);
/// When a consumer that the bridge creates delivers again.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// The most messages that the client holds: it drops more.
const MOST: usize = 1 << 16;

/// How many messages the server sends ahead, for this window.
fn ahead(window: usize) -> usize {
    window.clamp(1, MOST)
}

pub(super) struct Durable {
    consumer: Consumer<pull::Config>,
    /// As errors name it.
    text: String,
}

impl Durable {
    /// The consumer, which continues after this sequence if the bridge creates it.
    pub(super) async fn find_or_create(
        options: &Inbound,
        stream: &Stream<Info>,
        found: Option<u64>,
        link: &Link,
    ) -> Result<Self, Error> {
        let text = format!(
            "the consumer {} of the stream {}",
            options.consumer, options.stream
        );
        let failed = |error: &dyn std::error::Error| Error::Consumer(format!("{text}: {error}"));
        let mut backoff = Backoff::default();
        loop {
            match stream.consumer_info(&options.consumer).await {
                Ok(info) if info.config.deliver_subject.is_some() => {
                    return Err(Error::Consumer(format!("{text} is not a pull consumer")));
                }
                Ok(_) => {
                    let consumer = stream.get_consumer(&options.consumer).await;
                    let consumer = consumer.map_err(|error| failed(&*error))?;
                    let durable = Self { consumer, text };
                    durable.check(options.subject.as_deref())?;
                    return Ok(durable);
                }
                Err(error) if is_deleted(&error.kind()) => break,
                // The server has answered before, and is busy now.
                Err(error) if error.kind() == ConsumerInfoErrorKind::TimedOut => {
                    let doing = format!("ask for {text}");
                    link.retry(&mut backoff, &doing, error).await;
                }
                Err(error) => return Err(failed(&error)),
            }
        }
        // All of a work queue is to be done.
        let is_queue = stream.cached_info().config.retention == RetentionPolicy::WorkQueue;
        let config = pull::Config {
            durable_name: Some(options.consumer.clone()),
            deliver_policy: match found {
                Some(last) if !is_queue => DeliverPolicy::ByStartSequence {
                    start_sequence: last + 1,
                },
                _ => DeliverPolicy::All,
            },
            // Not `All`: a server that was killed may have forgotten deliveries. The
            // acknowledgement of one of them would put its floor above what it delivers, and it
            // would wait for the messages below the floor forever (seen with 2.9.10).
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: (16 * ahead(options.window)).max(10_000) as i64,
            filter_subject: options.subject.clone().unwrap_or_default(),
            ..pull::Config::default()
        };
        match stream.create_consumer(config).await {
            Ok(consumer) => Ok(Self { consumer, text }),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether an existing consumer delivers what the ring is to have.
    fn check(&self, subject: Option<&str>) -> Result<(), Error> {
        let config = &self.consumer.cached_info().config;
        let text = &self.text;
        let wrong = |what: &str| Err(Error::Consumer(format!("{text} {what}")));
        match config.ack_policy {
            AckPolicy::All | AckPolicy::Explicit => {}
            _ => {
                return wrong("takes no acknowledgements; it needs the policy all or explicit");
            }
        }
        if config.headers_only {
            return wrong("delivers headers without payload; it needs headers_only off");
        }
        if matches!(config.deliver_policy, DeliverPolicy::LastPerSubject) {
            return wrong(
                "delivers only the last message of each subject; a ring gets each message, so it \
                 needs another deliver policy",
            );
        }
        match subject {
            Some(subject) if self.filters() != [subject] => wrong(&format!(
                "takes {}, not the subject {subject}; leave the subject out, or use a new consumer",
                self.filters().join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// The last message of the stream that is acknowledged with all before it.
    pub(super) fn acknowledged(&self) -> Result<u64, Error> {
        let info = self.consumer.cached_info();
        // A server says 0 as long as there is none, also for a consumer that begins later.
        if info.ack_floor.stream_sequence > 0 {
            return Ok(info.ack_floor.stream_sequence);
        }
        if info.delivered.consumer_sequence == 0 {
            return Ok(info.delivered.stream_sequence);
        }
        match info.config.deliver_policy {
            DeliverPolicy::All => Ok(0),
            DeliverPolicy::ByStartSequence { start_sequence } => Ok(start_sequence - 1),
            _ => Err(Error::Consumer(format!(
                "{} has delivered messages to another client, which has acknowledged none, so it is \
                 unknown which message is the first; acknowledge that one, or use a new consumer",
                self.text
            ))),
        }
    }

    /// Whether an acknowledgement counts for all messages before it, too.
    pub(super) fn is_cumulative(&self) -> bool {
        self.consumer.cached_info().config.ack_policy == AckPolicy::All
    }

    /// The subjects that it takes.
    pub(super) fn filters(&self) -> Vec<String> {
        let config = &self.consumer.cached_info().config;
        let mut filters = config.filter_subjects.clone();
        filters.push(config.filter_subject.clone());
        filters.retain(|filter| !filter.is_empty());
        if filters.is_empty() {
            filters.push(">".to_owned());
        }
        filters
    }

    /// Whether it takes each message of the stream.
    pub(super) fn takes_all(&self) -> bool {
        self.filters() == [">"]
    }

    /// Its messages, of which the server sends up to a window ahead.
    pub(super) async fn messages(&self, window: usize) -> Result<pull::Stream, StreamError> {
        let config = &self.consumer.cached_info().config;
        // An existing consumer may allow less; 0 is any.
        let batch = match usize::try_from(config.max_batch) {
            Ok(most) if most > 0 => most.min(ahead(window)),
            _ => ahead(window),
        };
        let expires = match config.max_expires {
            Duration::ZERO => EXPIRES,
            most => most.min(EXPIRES),
        };
        let stream = self.consumer.stream();
        stream
            .max_messages_per_batch(batch)
            .expires(expires)
            .heartbeat(HEARTBEAT.min(expires / 3))
            .messages()
            .await
    }

    /// The last message of the stream that was delivered, to any process.
    pub(super) async fn delivered(&mut self, link: &mut Link, stream: &str) -> Result<u64, Error> {
        let mut backoff = Backoff::default();
        loop {
            link.connected().await?;
            match self.consumer.get_info().await {
                Ok(info) => return Ok(info.delivered.stream_sequence),
                Err(error) if is_deleted(&error.kind()) => {
                    return Err(self.deleted(link, stream).await);
                }
                Err(error) => {
                    let doing = format!("ask for {}", self.text);
                    link.retry(&mut backoff, &doing, error).await;
                }
            }
        }
    }

    /// Whether this says that it was deleted.
    pub(super) fn is_deleted(error: &pull::MessagesError) -> bool {
        error.kind() == MessagesErrorKind::ConsumerDeleted
    }

    /// It was deleted, alone or with the stream.
    pub(super) async fn deleted(&self, link: &mut Link, stream: &str) -> Error {
        match link.stream(stream, false).await {
            Err(error) => error,
            Ok(_) => Error::Consumer(format!(
                "{} was deleted; start the bridge again to create it again, and it continues where \
                 it was",
                self.text
            )),
        }
    }
}
