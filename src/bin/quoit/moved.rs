//! What was moved into a ring, or out of it.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Moved {
    #[serde(rename = "action")]
    pub(crate) verb: &'static str,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Moved {
    pub(crate) fn new(verb: &'static str) -> Self {
        let (messages, bytes) = (0, 0);
        Self {
            verb,
            messages,
            bytes,
        }
    }
}

/// To the byte, for a program that has to continue there.
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
