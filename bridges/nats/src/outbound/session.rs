//! The loop: what the ring has, and what the server answers.

use std::time::Duration;

use async_nats::jetstream::stream::{Info, Stream};
use async_nats::{PublishErrorKind, Subject};
use quoit::observer::Message;
use tokio::time::{Instant, sleep_until};

use super::inbox::Inbox;
use super::options::Outbound;
use super::resume;
use super::window::Window;
use crate::error::Error;
use crate::link::{Backoff, Link};
use crate::report::{Count, Report};
use crate::ring::{Arrival, Reader};
use crate::wire::{Answer, Headers, Previous};

/// How long the server may take to acknowledge while there is a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each message names the id of the one before it, as the last one of the stream.
    Chain,
    /// Others write to the stream, too: one message at a time.
    OneByOne,
}

/// What a wait has ended with.
enum News {
    Answer(Option<async_nats::Message>),
    Arrival(Arrival),
    Reconnected,
    Late,
}

pub(super) struct Session<'a> {
    options: &'a Outbound,
    report: &'a Report,
    link: Link,
    stream: Stream<Info>,
    reader: Reader,
    headers: Headers,
    subject: Subject,
    inbox: Inbox,
    window: Window,
    /// The connection that the last alignment was made on.
    connects: u64,
    /// The last sequence that the server has acknowledged.
    acknowledged: u64,
    /// What the next message names.
    after: Previous,
    order: Order,
    /// When the server has last answered.
    heard: Instant,
    batch: Vec<Message>,
    backoff: Backoff,
}

impl<'a> Session<'a> {
    pub(super) async fn new(
        options: &'a Outbound,
        report: &'a Report,
        link: Link,
        stream: Stream<Info>,
        reader: Reader,
    ) -> Result<Self, Error> {
        Ok(Self {
            headers: Headers::new(&reader.info()),
            subject: Subject::from(options.subject.as_str()),
            inbox: Inbox::new(&link).await?,
            window: Window::new(options.window, options.window_bytes),
            options,
            report,
            link,
            stream,
            reader,
            connects: 0,
            acknowledged: 0,
            after: Previous::Sequence(0),
            order: Order::Chain,
            heard: Instant::now(),
            batch: Vec::new(),
            backoff: Backoff::default(),
        })
    }

    pub(super) async fn run(mut self) -> Result<(), Error> {
        self.align().await?;
        let mut is_superseded = false;
        loop {
            self.send().await?;
            if is_superseded && self.window.is_empty() {
                return Err(Error::Replaced(self.options.ring.text()));
            }
            let (has_room, is_idle) = (
                self.window.has_room() && !is_superseded,
                self.window.is_empty(),
            );
            let late = self.heard + PATIENCE;
            let news = tokio::select! {
                answer = self.inbox.next() => News::Answer(answer),
                arrival = self.reader.arrival(), if has_room => News::Arrival(arrival?),
                made = self.link.reconnected(self.connects) => { made?; News::Reconnected }
                () = sleep_until(late), if !is_idle => News::Late,
            };
            match news {
                News::Answer(Some(answer)) => self.hear(answer).await?,
                News::Answer(None) => return Err(self.link.closed()),
                News::Arrival(Arrival::Message) => self.restart_patience(is_idle),
                News::Arrival(Arrival::Superseded) => is_superseded = true,
                // The answers of the old connection are lost.
                News::Reconnected | News::Late => self.align().await?,
            }
        }
    }

    /// Patience counts from the first message in flight.
    fn restart_patience(&mut self, is_idle: bool) {
        if is_idle {
            self.heard = Instant::now();
        }
    }

    /// Sends what is in the ring and has room in the window.
    async fn send(&mut self) -> Result<(), Error> {
        while self.window.has_room() {
            let mut batch = std::mem::take(&mut self.batch);
            let wanted = self.window.wanted();
            self.reader.read(wanted, |message| batch.push(message))?;
            let is_empty = batch.is_empty();
            for message in batch.drain(..) {
                self.publish(message).await?;
            }
            self.batch = batch;
            if is_empty {
                break;
            }
        }
        self.report.set(Count::InFlight, self.window.len() as u64);
        Ok(())
    }

    async fn publish(&mut self, message: Message) -> Result<(), Error> {
        let Message {
            position,
            next,
            kind,
            bytes,
            ..
        } = message;
        let len = bytes.len();
        let sent = self.link.client.publish_with_reply_and_headers(
            self.subject.clone(),
            self.inbox.reply(self.window.next()),
            self.headers.make(position, kind, self.after),
            bytes.into(),
        );
        sent.await.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => Error::Message(format!(
                "the message of {len} bytes at position {position} of the ring {} is longer than \
                 the server takes, {} bytes with headers; raise max_payload of the server",
                self.options.ring.text(),
                self.link.client.max_payload()
            )),
            _ => self.link.closed(),
        })?;
        self.after = Previous::Id(self.headers.id(position));
        self.window.push(next, len);
        self.report.add(Count::Published, 1);
        Ok(())
    }

    /// Takes this answer and those that are there.
    async fn hear(&mut self, answer: async_nats::Message) -> Result<(), Error> {
        let mut answer = Some(answer);
        let mut stored = None;
        let mut failed = None;
        while let Some(message) = answer {
            let number = self.inbox.number(&message);
            if let Some(number) = number.filter(|number| self.window.has(*number)) {
                match Answer::parse(&message) {
                    Answer::Stored {
                        stream,
                        sequence,
                        is_duplicate,
                    } => {
                        if stream != self.options.stream {
                            return Err(Error::Stream(format!(
                                "the subject {} belongs to the stream {stream}, not to {}",
                                self.options.subject, self.options.stream
                            )));
                        }
                        self.report.add(Count::Duplicates, is_duplicate.into());
                        stored = Some((number, sequence));
                    }
                    failure => {
                        failed = Some(failure);
                        break;
                    }
                }
            }
            answer = self.inbox.try_next();
        }
        if let Some((number, sequence)) = stored {
            self.release(number, sequence)?;
        }
        match failed {
            Some(failure) => self.recover(failure).await,
            None => Ok(()),
        }
    }

    /// The server has the messages up to the one of this number.
    fn release(&mut self, number: u64, sequence: u64) -> Result<(), Error> {
        if let Some(released) = self.window.acknowledge(number) {
            self.reader.release(released.position)?;
            self.report.set(Count::Position, released.position);
            self.report.add(Count::Bytes, released.bytes);
            self.report.add(Count::Messages, released.count);
        }
        self.report.set(Count::Sequence, sequence);
        self.acknowledged = self.acknowledged.max(sequence);
        if self.order == Order::OneByOne {
            self.after = Previous::Sequence(sequence);
        }
        self.heard = Instant::now();
        self.backoff.reset();
        Ok(())
    }

    async fn recover(&mut self, failure: Answer) -> Result<(), Error> {
        match failure {
            Answer::OutOfOrder => {
                self.align().await?;
                self.share();
                return Ok(());
            }
            Answer::TooLong(why) => {
                return Err(Error::Message(format!(
                    "the stream {} refuses the message at position {} of the ring {}: {why}; raise \
                     max_msg_size of the stream",
                    self.options.stream,
                    self.reader.head(),
                    self.options.ring.text()
                )));
            }
            Answer::Sealed(why) => {
                return Err(Error::Stream(format!(
                    "the stream {} takes no messages: {why}",
                    self.options.stream
                )));
            }
            Answer::Refused(why) => {
                self.report.add(Count::Refused, 1);
                self.report.note(&format!("the server refuses: {why}"));
                self.backoff.pause().await;
            }
            // Aligning fails if the stream was deleted.
            Answer::NoResponders => self.backoff.pause().await,
            Answer::Stored { .. } => {}
        }
        self.align().await
    }

    /// After a message was out of order: if the stream has a later message of another
    /// subject, others write to it, too.
    fn share(&mut self) {
        let Previous::Sequence(own) = self.after else {
            return;
        };
        let last = self.stream.cached_info().state.last_sequence;
        if last > own && self.order == Order::Chain {
            self.order = Order::OneByOne;
            self.window.narrow();
            self.report.note(&format!(
                "others write to the stream {}, too: from now on one message at a time; a stream \
                 of its own makes the ring faster",
                self.options.stream
            ));
        }
    }

    /// Asks the server which message is the last one, and continues after it.
    async fn align(&mut self) -> Result<(), Error> {
        self.report.add(Count::Realignments, 1);
        self.inbox.renew();
        self.window.clear();
        // Before the last message, so that a message of the ring is not another one.
        self.stream = self.link.stream(&self.options.stream, false).await?;
        self.check_stream()?;
        let subject = &self.options.subject;
        let last = resume::last_message(&mut self.link, &self.stream, subject, &mut self.backoff);
        let last = last.await?;
        self.connects = last.connects;
        let id = last.id.filter(|id| *id == self.headers.id(id.position));
        if let Some(id) = id {
            let known = resume::find(&mut self.reader, id.position, self.options)?;
            if known.count > 0 {
                self.reader.release(known.end)?;
                self.report.set(Count::Position, known.end);
                self.report.add(Count::Duplicates, known.count);
                self.report.add(Count::Messages, known.count);
                self.backoff.reset();
            }
        }
        self.reader.rewind();
        self.after = Previous::Sequence(last.sequence);
        self.acknowledged = self.acknowledged.max(last.sequence);
        self.heard = Instant::now();
        Ok(())
    }

    /// Fails if the server has lost messages that it has acknowledged.
    fn check_stream(&self) -> Result<(), Error> {
        let end = self.stream.cached_info().state.last_sequence;
        if end >= self.acknowledged {
            return Ok(());
        }
        Err(Error::Diverged(format!(
            "the stream {} ends at sequence {end}, and the server had acknowledged up to {}: it has \
             lost messages that the ring {} no longer has, or this is another stream of the name; \
             start the bridge again to continue with what the ring has",
            self.options.stream,
            self.acknowledged,
            self.options.ring.text()
        )))
    }
}
