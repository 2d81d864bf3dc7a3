//! The loop: what the consumer delivers, and what the stream has where it does not.

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull;
use futures_util::{FutureExt as _, StreamExt as _};

use super::consumer::Durable;
use super::message::Incoming;
use super::options::Inbound;
use super::sink::Sink;
use super::stored::Stored;
use crate::error::Error;
use crate::link::{Backoff, Link};
use crate::report::{Count, Report};

/// Messages that are published together at most.
const BATCH: usize = 256;

pub(super) struct Session<'a> {
    options: &'a Inbound,
    report: &'a Report,
    link: Link,
    consumer: Durable,
    stored: Stored<'a>,
    sink: Sink<'a>,
    /// The consumer's next sequence, if the last delivery arrived here.
    expected: Option<u64>,
    /// The connection that the stream was checked on.
    checked: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        options: &'a Inbound,
        report: &'a Report,
        link: Link,
        consumer: Durable,
        stored: Stored<'a>,
        sink: Sink<'a>,
    ) -> Self {
        Self {
            options,
            report,
            link,
            consumer,
            stored,
            sink,
            expected: None,
            checked: 0,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        loop {
            let connects = self.link.connected().await?;
            self.checked = self.link.made();
            self.catch_up().await?;
            let messages = self.consumer.messages(self.options.window).await;
            if let Err(error) = &messages {
                let doing = format!("ask the consumer {} for messages", self.options.consumer);
                self.link.retry(&mut backoff, &doing, error).await;
            }
            if let Ok(mut messages) = messages {
                self.expected = None;
                loop {
                    let next = tokio::select! {
                        next = messages.next() => next,
                        // What the server has may be less than before.
                        made = self.link.reconnected(connects) => { made?; break }
                    };
                    if !self.take_all(next, &mut messages).await? {
                        break;
                    }
                    backoff.reset();
                }
                backoff.pause().await;
            }
        }
    }

    /// Takes this message and those that are there, and publishes them; false if no more
    /// will arrive.
    async fn take_all(
        &mut self,
        mut item: Option<Result<Message, pull::MessagesError>>,
        messages: &mut pull::Stream,
    ) -> Result<bool, Error> {
        let mut goes_on = true;
        for _ in 0..BATCH {
            match item {
                // Of another connection: its sequences may mean other messages.
                Some(Ok(_)) if self.link.made() != self.checked => {
                    goes_on = false;
                    break;
                }
                Some(Ok(message)) => self.take(message).await?,
                Some(Err(error)) if Durable::is_deleted(&error) => {
                    let stream = &self.options.stream;
                    return Err(self.consumer.deleted(&mut self.link, stream).await);
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
        self.sink.publish().await?;
        Ok(goes_on)
    }

    /// Reads what the consumer has delivered up to now, to any process.
    async fn catch_up(&mut self) -> Result<(), Error> {
        self.report.add(Count::Realignments, 1);
        let stream = &self.options.stream;
        let delivered = self.consumer.delivered(&mut self.link, stream).await?;
        self.stored.check(self.sink.last()).await?;
        self.fill(delivered).await?;
        self.sink.publish().await
    }

    /// Reads from the stream what is after the newest message up to this sequence.
    async fn fill(&mut self, end: u64) -> Result<(), Error> {
        let mut is_gap = false;
        while self.sink.newest() < end {
            let Some(message) = self.stored.next(self.sink.newest(), end).await? else {
                return Ok(());
            };
            if !is_gap {
                is_gap = true;
                self.report.add(Count::Gaps, 1);
            }
            self.sink.put(message).await?;
        }
        Ok(())
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
        let message = message.message;
        let Some(reply) = message.reply else {
            return Ok(());
        };
        if sequence > self.sink.newest() && self.expected != Some(delivery) {
            self.fill(sequence - 1).await?;
        }
        self.expected = Some(delivery + 1);
        if sequence <= self.sink.newest() {
            return self.sink.repeated(reply).await;
        }
        let message = Incoming {
            sequence,
            subject: message.subject,
            headers: message.headers,
            payload: message.payload,
            reply: Some(reply),
        };
        self.sink.put(message).await
    }
}
