//! From a ring to a stream.
//!
//! ```text
//! ring     | released | sent, not acknowledged | unread |
//!                     head                     next      tail
//! ```
//!
//! The bridge reads ahead of the head, and moves the head when the server has
//! acknowledged. So a bridge that is killed leaves in the ring what the server may not
//! have, and its successor sends that again.
//!
//! # Each message once, and in order
//!
//! Each message names its predecessor, and the server stores it only behind that one
//! (`Nats-Expected-Last-Msg-Id`, and for the first message after a pause
//! `Nats-Expected-Last-Subject-Sequence`). So a message that is lost on the way, or that
//! the server refuses, takes those behind it with it, and nothing is stored out of order.
//! A message that comes again is a duplicate by its id within the stream's duplicate
//! window, and has the wrong predecessor after it. When an answer is missing or is a
//! refusal, the bridge asks for the last message of the subject, whose id says the
//! position to go on at.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{Info, LastRawMessageErrorKind, Stream};
use async_nats::{PublishErrorKind, Subject, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use quoit::observer::Message;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::link::{Backoff, Link};
use crate::report::{Count, Report};
use crate::ring::{Arrival, Reader, RingChoice};
use crate::wire::{Answer, Headers, Id, Predecessor, matches};

/// How long the server may take to acknowledge while there is a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that are copied from the ring at a time.
const BATCH: usize = 64;

/// A ring that goes out to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// The ring, whose consumer the bridge is.
    pub ring: RingChoice,
    /// The stream, which exists.
    pub stream: String,
    /// The subject of each message, which the stream takes.
    pub subject: String,
    /// How many messages may be sent and not acknowledged.
    pub window: usize,
    /// How many bytes of payload these may have, or one message.
    pub window_bytes: usize,
}

impl Outbound {
    /// With a window of 1024 messages and 8 MiB.
    pub fn new(ring: RingChoice, stream: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            ring,
            stream: stream.into(),
            subject: subject.into(),
            window: 1024,
            window_bytes: 8 << 20,
        }
    }

    /// Carries over what is in the ring and what comes, until an error.
    ///
    /// Cancel safety: as after a kill, nothing is lost, and nothing comes twice.
    ///
    /// # Errors
    ///
    /// [`Error`] says what to do. A server that does not answer for a while is none.
    pub async fn run(&self, link: &Link, report: &Report) -> Result<(), Error> {
        let reader = Reader::open(&self.ring)?;
        let mut link = link.clone();
        let stream = link.stream(&self.stream, true).await?;
        let subjects = &stream.cached_info().config.subjects;
        if !subjects
            .iter()
            .any(|subject| matches(subject, &self.subject))
        {
            return Err(Error::Stream(format!(
                "the stream {} does not take the subject {}; it takes {}",
                self.stream,
                self.subject,
                subjects.join(", ")
            )));
        }
        let inbox = link.client.new_inbox();
        let answers = link.client.subscribe(format!("{inbox}.*.*")).await;
        let out = Out {
            headers: Headers::new(&reader.info()),
            options: self,
            subject: Subject::from(self.subject.as_str()),
            answers: answers.map_err(|_| link.closed())?,
            link,
            report,
            stream,
            reader,
            inbox,
            generation: 0,
            connects: 0,
            first: 0,
            flight: VecDeque::new(),
            bytes: 0,
            after: Predecessor::Sequence(0),
            order: Order::Chain,
            heard: Instant::now(),
            batch: Vec::new(),
            backoff: Backoff::default(),
        };
        out.run().await
    }
}

/// How the order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each message names the id of the one before it, as the last one of the stream.
    Chain,
    /// Others write to the stream, too: one message at a time.
    OneByOne,
}

/// A message that was sent.
#[derive(Debug)]
struct Sent {
    /// The position behind it.
    next: u64,
    len: usize,
}

/// What a wait has ended with.
enum News {
    Answer(Option<async_nats::Message>),
    Arrival(Arrival),
    Reconnected,
    Late,
}

struct Out<'a> {
    options: &'a Outbound,
    report: &'a Report,
    link: Link,
    stream: Stream<Info>,
    reader: Reader,
    headers: Headers,
    subject: Subject,
    answers: Subscriber,
    inbox: String,
    /// Grows with each alignment: answers to what was sent before it mean nothing.
    generation: u64,
    /// The connection that the last alignment was made on.
    connects: u64,
    /// The number of the oldest message in flight.
    first: u64,
    flight: VecDeque<Sent>,
    /// Payload in flight.
    bytes: usize,
    /// The predecessor of the next message.
    after: Predecessor,
    order: Order,
    /// When the server has last answered.
    heard: Instant,
    batch: Vec<Message>,
    backoff: Backoff,
}

impl Out<'_> {
    async fn run(mut self) -> Result<(), Error> {
        self.align().await?;
        let mut is_gone = false;
        loop {
            self.send().await?;
            if is_gone && self.flight.is_empty() {
                return Err(Error::Replaced(self.options.ring.text()));
            }
            let (has_room, is_idle) = (self.has_room() && !is_gone, self.flight.is_empty());
            let late = self.heard + PATIENCE;
            let news = tokio::select! {
                answer = self.answers.next() => News::Answer(answer),
                arrival = self.reader.arrival(), if has_room => News::Arrival(arrival?),
                made = self.link.reconnected(self.connects) => { made?; News::Reconnected }
                () = sleep_until(late), if !is_idle => News::Late,
            };
            match news {
                News::Answer(Some(answer)) => self.hear(answer).await?,
                News::Answer(None) => return Err(self.link.closed()),
                News::Arrival(Arrival::Message) => self.restart_patience(is_idle),
                News::Arrival(Arrival::Superseded) => is_gone = true,
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

    fn has_room(&self) -> bool {
        let window = match self.order {
            Order::Chain => self.options.window.max(1),
            Order::OneByOne => 1,
        };
        let fits = self.flight.is_empty() || self.bytes < self.options.window_bytes;
        self.flight.len() < window && fits
    }

    /// How many messages to copy now: about as many as have room.
    fn wanted(&self) -> usize {
        if self.order == Order::OneByOne {
            return 1;
        }
        let last = self.flight.back().map_or(0, |sent| sent.len).max(1);
        let left = self.options.window_bytes.saturating_sub(self.bytes) / last;
        let room = self.options.window.max(1) - self.flight.len();
        // The first message says how long they are.
        let most = if self.flight.is_empty() { 1 } else { BATCH };
        room.min(left).clamp(1, most)
    }

    /// Sends what is in the ring and has room in the window.
    async fn send(&mut self) -> Result<(), Error> {
        while self.has_room() {
            let mut batch = std::mem::take(&mut self.batch);
            let wanted = self.wanted();
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
        self.report.set(Count::InFlight, self.flight.len() as u64);
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
        let headers = self.headers.make(position, kind, self.after);
        let number = self.first + self.flight.len() as u64;
        let reply = format!("{}.{}.{number}", self.inbox, self.generation);
        let len = bytes.len();
        let sent = self.link.client.publish_with_reply_and_headers(
            self.subject.clone(),
            Subject::from(reply),
            headers,
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
        self.after = Predecessor::Id(self.headers.id(position));
        self.flight.push_back(Sent { next, len });
        self.bytes += len;
        self.report.add(Count::Published, 1);
        Ok(())
    }

    /// Takes this answer and those that are there.
    async fn hear(&mut self, answer: async_nats::Message) -> Result<(), Error> {
        let mut answer = Some(answer);
        let mut stored = None;
        let mut failed = None;
        while let Some(message) = answer {
            if let Some(number) = self.number(&message) {
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
            answer = self.answers.next().now_or_never().flatten();
        }
        if let Some((number, sequence)) = stored {
            self.release(number, sequence)?;
        }
        match failed {
            Some(failure) => self.recover(failure).await,
            None => Ok(()),
        }
    }

    /// The number of the message in flight that this answers.
    fn number(&self, answer: &async_nats::Message) -> Option<u64> {
        let (rest, number) = answer.subject.rsplit_once('.')?;
        let (_, generation) = rest.rsplit_once('.')?;
        let is_ours = generation.parse() == Ok(self.generation);
        let number = number.parse::<u64>().ok().filter(|_| is_ours)?;
        let place = number.checked_sub(self.first)?;
        (place < self.flight.len() as u64).then_some(number)
    }

    /// The server has this message in flight, and so all before it.
    fn release(&mut self, number: u64, sequence: u64) -> Result<(), Error> {
        let mut position = None;
        let count = number - self.first + 1;
        for sent in self.flight.drain(..count as usize) {
            self.bytes -= sent.len;
            position = Some(sent.next);
            self.report.add(Count::Bytes, sent.len as u64);
        }
        self.first = number + 1;
        if let Some(position) = position {
            self.reader.release(position)?;
            self.report.set(Count::Position, position);
        }
        self.report.add(Count::Messages, count);
        self.report.set(Count::Sequence, sequence);
        if self.order == Order::OneByOne {
            self.after = Predecessor::Sequence(sequence);
        }
        self.heard = Instant::now();
        self.backoff.reset();
        Ok(())
    }

    async fn recover(&mut self, failure: Answer) -> Result<(), Error> {
        match failure {
            Answer::OutOfOrder => return self.align_beside_others().await,
            Answer::Refused(why) => {
                self.report.add(Count::Refused, 1);
                self.report.note(&format!("the server refuses: {why}"));
                self.backoff.pause().await;
            }
            Answer::NoResponders => {
                // Fails if the stream was deleted.
                self.stream = self.link.stream(&self.options.stream, false).await?;
                self.backoff.pause().await;
            }
            Answer::Stored { .. } => {}
        }
        self.align().await
    }

    /// As [`align`](Self::align). If the stream has a later message of another subject, it is
    /// not the ring's alone.
    async fn align_beside_others(&mut self) -> Result<(), Error> {
        // Asked for first, so that a message of the ring's own is no other one.
        let stream = self.link.stream(&self.options.stream, false).await?;
        let last = stream.cached_info().state.last_sequence;
        self.align().await?;
        let Predecessor::Sequence(own) = self.after else {
            return Ok(());
        };
        if last > own && self.order == Order::Chain {
            self.order = Order::OneByOne;
            self.report.note(&format!(
                "others write to the stream {}, too: from now on one message at a time; a stream \
                 of its own makes the ring faster",
                self.options.stream
            ));
        }
        Ok(())
    }

    /// Asks the server which message is the last one, and goes on behind it.
    async fn align(&mut self) -> Result<(), Error> {
        self.report.add(Count::Realignments, 1);
        self.generation += 1;
        self.first = 0;
        self.flight.clear();
        self.bytes = 0;
        let (sequence, last) = self.last_message().await?;
        if let Some(last) = last.filter(|last| *last == self.headers.id(last.position)) {
            self.recognise(last.position)?;
        }
        self.reader.rewind();
        self.after = Predecessor::Sequence(sequence);
        self.heard = Instant::now();
        Ok(())
    }

    /// The sequence and the id of the last message of the subject.
    async fn last_message(&mut self) -> Result<(u64, Option<Id>), Error> {
        loop {
            self.connects = self.link.connected().await?;
            let subject = &self.options.subject;
            let error = match self.stream.get_last_raw_message_by_subject(subject).await {
                Ok(last) => return Ok((last.sequence, Id::of(&last.headers))),
                Err(error) => error,
            };
            match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => return Ok((0, None)),
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    return Err(Error::Stream(format!(
                        "the stream {} was deleted",
                        self.options.stream
                    )));
                }
                _ => self.backoff.pause().await,
            }
        }
    }

    /// The stream has the messages up to the one at this position: those that are in the
    /// ring are released.
    fn recognise(&mut self, position: u64) -> Result<(), Error> {
        let head = self.reader.head();
        let ahead = position.wrapping_sub(head);
        if ahead as i64 >= 0 && ahead >= self.reader.tail().wrapping_sub(head) {
            return Err(Error::Diverged(format!(
                "the stream {} has the position {position} of the ring {}, which has published up to \
                 {} only: the ring is an older copy of itself; use a new ring",
                self.options.stream,
                self.options.ring.text(),
                self.reader.tail()
            )));
        }
        self.reader.rewind();
        let (mut end, mut count, mut is_over) = (head, 0, (ahead as i64) < 0);
        while !is_over {
            let read = self.reader.read(BATCH, |message| {
                if position.wrapping_sub(message.position) as i64 >= 0 {
                    end = message.next;
                    count += 1;
                } else {
                    is_over = true;
                }
            })?;
            is_over |= read == 0;
        }
        if count > 0 {
            self.reader.release(end)?;
            self.report.set(Count::Position, end);
            self.report.add(Count::Duplicates, count);
            self.report.add(Count::Messages, count);
            self.backoff.reset();
        }
        Ok(())
    }
}
