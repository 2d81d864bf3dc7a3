//! Which ring to move to which stream.

use crate::ring::RingChoice;

/// A ring that is written to a stream.
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
}
