//! Where messages go that can never be in the ring.

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{HeaderMap, RequestErrorKind};

use super::message::Incoming;
use crate::error::Error;
use crate::link::{Backoff, Link};
use crate::report::{Count, Report};
use crate::wire::Answer;

/// The headers of the dead letter: those of the message, and what it was.
pub(super) fn headers(message: &Incoming, stream: &str, created: u64, why: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
        // What the server reads is meant for the first publish.
        if !name.to_string().starts_with("Nats-") {
            for value in values {
                headers.append(name.clone(), value.clone());
            }
        }
    }
    let sequence = message.sequence.to_string();
    let id = format!("{stream}:{created:x}:{sequence}");
    headers.insert(NATS_MESSAGE_ID, id);
    headers.insert("Quoit-Reason", why);
    headers.insert("Quoit-Stream", stream);
    headers.insert("Quoit-Sequence", sequence);
    headers.insert("Quoit-Subject", message.subject.as_str());
    headers
}

/// Publishes the message to this subject, until a stream has it.
pub(super) async fn send(
    link: &mut Link,
    report: &Report,
    subject: &str,
    headers: HeaderMap,
    message: &Incoming,
    what: &str,
) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    loop {
        link.connected().await?;
        let (headers, payload) = (headers.clone(), message.payload.clone());
        let sent = link
            .client
            .request_with_headers(subject.to_owned(), headers, payload);
        let answer = match sent.await.map_err(|error| (error.kind(), error)) {
            Ok(answer) => Answer::parse(&answer),
            Err((RequestErrorKind::NoResponders, _)) => Answer::NoResponders,
            Err((RequestErrorKind::MaxPayloadExceeded, _)) => {
                Answer::TooLong("the server's max_payload counts its headers, too".to_owned())
            }
            Err((_, error)) => {
                let doing = format!("send a dead letter to {subject}");
                link.retry(&mut backoff, &doing, error).await;
                continue;
            }
        };
        match answer {
            Answer::Stored { .. } => return Ok(()),
            Answer::NoResponders => {
                return Err(Error::Stream(format!(
                    "no stream takes the dead-letter subject {subject}; create one ({what})"
                )));
            }
            Answer::TooLong(why) | Answer::Sealed(why) => {
                return Err(Error::Message(format!(
                    "{what}, and the stream of the dead-letter subject {subject} never takes it: \
                     {why}; use another one"
                )));
            }
            Answer::Refused(why) => {
                report.add(Count::Refused, 1);
                report.note(&format!("the stream of {subject} refuses: {why}"));
            }
            // It names no message before it.
            Answer::OutOfOrder => {}
        }
        backoff.pause().await;
    }
}
