//! What a message has in addition to its payload, and what the server answers to it.
//!
//! | header | of | value |
//! |---|---|---|
//! | `Nats-Msg-Id` | each | `incarnation:position` |
//! | `Quoit-Position` | each | the position of the message in its ring, decimal |
//! | `Quoit-Schema` | each | the fingerprint of the ring's schema, 16 hexadecimal digits |
//! | `Quoit-Kind` | frames | the frame's kind, decimal |
//! | `Quoit-Slot-Size` | records | bytes of a record, decimal |

use async_nats::HeaderMap;
use async_nats::header::{
    HeaderName, HeaderValue, NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
    NATS_MESSAGE_ID,
};
use quoit::observer::{RingInfo, ShapeKind};
use serde::Deserialize;

use crate::error::Error;
use crate::ring::Unfit;

const POSITION: HeaderName = HeaderName::from_static("Quoit-Position");
const SCHEMA: HeaderName = HeaderName::from_static("Quoit-Schema");
const KIND: HeaderName = HeaderName::from_static("Quoit-Kind");
const SLOT_SIZE: HeaderName = HeaderName::from_static("Quoit-Slot-Size");

/// The message is longer than the stream takes.
const TOO_LONG: u64 = 10054;
/// The stream takes no messages any more.
const SEALED: u64 = 10109;
/// The server has another last message in the stream than the one that was expected.
const WRONG_LAST_ID: u64 = 10070;
/// The server has another last message of the subject.
const WRONG_LAST_SEQUENCE: u64 = 10071;

/// Which message of which ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) incarnation: u64,
    pub(crate) position: u64,
}

impl Id {
    pub(crate) fn text(self) -> String {
        format!("{:016x}:{}", self.incarnation, self.position)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (incarnation, position) = text.split_once(':')?;
        Some(Self {
            incarnation: u64::from_str_radix(incarnation, 16).ok()?,
            position: position.parse().ok()?,
        })
    }

    /// That of a message in a stream.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(NATS_MESSAGE_ID)?.as_str())
    }
}

/// What must be in the stream before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Previous {
    /// As the last message of the stream: the message with this id.
    Id(Id),
    /// As the last message of the subject: the one with this sequence, 0 for none.
    Sequence(u64),
}

/// The headers of all messages of one ring.
#[derive(Debug)]
pub(crate) struct Headers {
    incarnation: u64,
    schema: String,
    /// Of records.
    slot_size: Option<String>,
}

impl Headers {
    pub(crate) fn new(info: &RingInfo) -> Self {
        let is_records = info.shape == ShapeKind::Records;
        Self {
            incarnation: info.incarnation,
            schema: format!("{:016x}", info.schema),
            slot_size: is_records.then(|| info.slot_size.to_string()),
        }
    }

    pub(crate) fn id(&self, position: u64) -> Id {
        Id {
            incarnation: self.incarnation,
            position,
        }
    }

    pub(crate) fn make(&self, position: u64, kind: u32, after: Previous) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, self.id(position).text());
        match after {
            Previous::Id(id) => headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, id.text()),
            Previous::Sequence(sequence) => headers.insert(
                NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
                HeaderValue::from(sequence),
            ),
        }
        headers.insert(POSITION, HeaderValue::from(position));
        headers.insert(SCHEMA, self.schema.as_str());
        match &self.slot_size {
            Some(size) => headers.insert(SLOT_SIZE, size.as_str()),
            None => headers.insert(KIND, HeaderValue::from(kind)),
        }
        headers
    }
}

/// The kind of a message for a ring, or why the ring cannot take it. A header that is
/// missing is not checked: any client may have sent the message.
pub(crate) fn check(info: &RingInfo, headers: Option<&HeaderMap>) -> Result<u32, Unfit> {
    let Some(headers) = headers else {
        return Ok(0);
    };
    if let Some(schema) = headers.get(SCHEMA) {
        let found = u64::from_str_radix(schema.as_str(), 16).ok();
        if found != Some(info.schema) {
            return Err(Unfit(format!(
                "the schema is {schema}, and that of the ring {:016x}",
                info.schema
            )));
        }
    }
    if let Some(size) = headers.get(SLOT_SIZE) {
        let is_records = info.shape == ShapeKind::Records;
        if !is_records || size.as_str().parse() != Ok(info.slot_size) {
            let own = match is_records {
                true => format!("of {} bytes", info.slot_size),
                false => "frames".to_owned(),
            };
            return Err(Unfit(format!(
                "it is a record of {size} bytes, and the ring holds {}",
                match is_records {
                    true => format!("records {own}"),
                    false => own,
                }
            )));
        }
    }
    match headers.get(KIND) {
        None => Ok(0),
        Some(kind) => kind.as_str().parse().map_err(|_| {
            Unfit(format!(
                "the header Quoit-Kind is {:?}, and not a number of 32 bits",
                kind.as_str()
            ))
        }),
    }
}

/// What the server answers to a published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is in this stream, at this sequence.
    Stored {
        stream: String,
        sequence: u64,
        is_duplicate: bool,
    },
    /// The message before it is not what it must be.
    OutOfOrder,
    /// It is longer than the stream takes.
    TooLong(String),
    /// The stream takes no messages any more.
    Sealed(String),
    /// The server refuses it for now, for this reason.
    Refused(String),
    /// No stream takes the subject now.
    NoResponders,
}

#[derive(Deserialize)]
struct Ack {
    stream: Option<String>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Answer {
    pub(crate) fn parse(message: &async_nats::Message) -> Self {
        if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            return Self::NoResponders;
        }
        match serde_json::from_slice(&message.payload) {
            Ok(Ack {
                error: Some(refusal),
                ..
            }) => match refusal.err_code {
                WRONG_LAST_ID | WRONG_LAST_SEQUENCE => Self::OutOfOrder,
                TOO_LONG => Self::TooLong(refusal.description),
                SEALED => Self::Sealed(refusal.description),
                code => Self::Refused(format!("{} (code {code})", refusal.description)),
            },
            Ok(Ack {
                stream: Some(stream),
                seq: Some(sequence),
                duplicate: is_duplicate,
                ..
            }) => Self::Stored {
                stream,
                sequence,
                is_duplicate,
            },
            _ => Self::Refused("the answer is not an acknowledgement of JetStream".to_owned()),
        }
    }
}

/// Fails unless a message can have this subject: the client sends it as it is, and the server drops
/// what it cannot read.
pub(crate) fn check_subject(subject: &str) -> Result<(), Error> {
    let is_wild = |token: &str| matches!(token, "" | "*" | ">");
    let is_split = |sign: char| sign.is_whitespace() || sign.is_control();
    match subject.split('.').any(is_wild) || subject.contains(is_split) {
        false => Ok(()),
        true => Err(Error::Config(format!(
            "{subject:?} is not the subject of a message: it has words with dots between, without \
             spaces, and no word is * or >"
        ))),
    }
}

/// Whether a subject is among those that a pattern with `*` and `>` names.
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for position in [0, 8, u64::MAX] {
            let id = Id {
                incarnation: 0x0123_4567_89ab_cdef,
                position,
            };
            assert_eq!(Id::parse(&id.text()), Some(id));
        }
        for text in ["", ":", "12", "xyz:1", "1:x", "1:-1", "11112222333344445:1"] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn patterns_name_subjects_as_the_server_reads_them() {
        for (pattern, subject) in [
            ("a.b", "a.b"),
            ("a.*", "a.b"),
            ("a.>", "a.b.c"),
            (">", "a"),
            ("*.b", "a.b"),
        ] {
            assert!(matches(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [
            ("a", "a.b"),
            ("a.b", "a"),
            ("a.>", "a"),
            ("a.*", "a.b.c"),
            ("*", "a.b"),
            ("a.b", "a.c"),
        ] {
            assert!(!matches(pattern, subject), "{pattern} {subject}");
        }
    }
}
