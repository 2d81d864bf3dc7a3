//! Where messages go that can never be in the ring.

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::PublishErrorKind;

use super::message::Incoming;
use crate::error::Error;
use crate::link::{Backoff, Link};

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
    subject: &str,
    headers: HeaderMap,
    message: &Incoming,
    what: &str,
) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    loop {
        link.connected().await?;
        let payload = message.payload.clone();
        let sent =
            link.jetstream
                .publish_with_headers(subject.to_owned(), headers.clone(), payload);
        let error = match sent.await {
            Ok(answer) => match answer.await {
                Ok(_) => return Ok(()),
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
}
