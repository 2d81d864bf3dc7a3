//! What to move from which stream into which ring.

use std::path::PathBuf;

use crate::ring::RingChoice;

/// A stream that is written into a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The ring, whose producer the bridge is.
    pub ring: RingChoice,
    /// The stream, which exists.
    pub stream: String,
    /// The durable pull consumer. If there is none of this name, the bridge creates it.
    pub consumer: String,
    /// The subject that the consumer takes. `None` takes all of the stream for a new
    /// consumer, and what an existing one takes.
    pub subject: Option<String>,
    /// Where messages go that can never be in the ring: a subject that a stream takes.
    /// `None` ends the bridge with an error at such a message.
    pub dead_letter: Option<String>,
    /// The journal's file. `None` is a file next to the ring, its name with `.nats`.
    pub journal: Option<PathBuf>,
    /// How many messages the server may send ahead: at most 65536, which the client can hold.
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

    pub(super) fn journal_path(&self) -> PathBuf {
        if let Some(path) = &self.journal {
            return path.clone();
        }
        let mut name = self.ring.name.clone().into_os_string();
        name.push(".nats");
        let path = PathBuf::from(name);
        // As quoit finds a ring: a plain name is in /dev/shm.
        match path.to_string_lossy().contains('/') {
            true => path,
            false => PathBuf::from("/dev/shm").join(path),
        }
    }
}
