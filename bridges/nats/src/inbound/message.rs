//! A message for the ring.

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Incoming {
    /// Its sequence in the stream.
    pub(super) sequence: u64,
    pub(super) subject: Subject,
    pub(super) headers: Option<HeaderMap>,
    pub(super) payload: Bytes,
    /// Where to acknowledge it, if the consumer has delivered it.
    pub(super) reply: Option<Subject>,
}
