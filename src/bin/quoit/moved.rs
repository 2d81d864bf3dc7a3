//! What went into a ring, or came out of it.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Moved {
    #[serde(rename = "action")]
    pub(crate) verb: &'static str,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// To the byte, for who has to go on there.
impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            messages,
            bytes,
        } = self;
        write!(f, "{verb} {messages} messages, {bytes} bytes")
    }
}
