//! Why a command ends before it is done, and the exit code for it.

use std::fmt;
use std::io;

use quoit::{ClaimError, Corrupt, Error, PeerError, PopError};
use serde::Serialize;

/// Each but 0 of the exit codes; `docs::tool` says what they mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Refused = 1,
    Usage = 2,
    NoRing = 3,
    InUse = 4,
    Abandoned = 5,
    Recording = 6,
    TimedOut = 7,
    Crashed = 8,
    Warned = 9,
}

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// No process reads what is written.
    ClosedPipe,
    Signal(i32),
    /// The answer says it.
    Warned,
    Error(Code, String),
    /// After something was moved, which is not said yet.
    Partly(Box<Self>, Moved),
}

/// What was moved into a ring, or out of it.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Moved {
    #[serde(rename = "action")]
    pub(crate) verb: &'static str,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Stop {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self::Error(code, text.into())
    }

    /// Of the system's answer to what is done with a file.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |error| match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::new(
                Code::Refused,
                format!("could not {}: {error}", doing.into()),
            ),
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Signal(signal) => 128 + *signal as u8,
            Self::Warned => Code::Warned as u8,
            Self::Error(code, _) => *code as u8,
            Self::Partly(stop, _) => stop.code(),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(_, text) => f.write_str(text),
            // To the byte, for a program that has to continue there.
            Self::Partly(stop, moved) => write!(
                f,
                "{stop}; until then {} {} messages, {} bytes",
                moved.verb, moved.messages, moved.bytes
            ),
            // Without words.
            Self::ClosedPipe | Self::Signal(_) | Self::Warned => Ok(()),
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Io { .. } | Error::NotEnoughMemory { .. } | Error::FileSizeLimit { .. } => {
                Code::Refused
            }
            Error::InvalidName { .. } | Error::InvalidCapacity { .. } => Code::Usage,
            Error::InUse { .. } => Code::InUse,
            _ => Code::NoRing,
        };
        let text = match error {
            Error::ShapeMismatch { .. } => {
                "the ring holds records of another size, or frames; quoit stat NAME says which; use \
                 another ring"
                    .to_owned()
            }
            Error::SchemaMismatch {
                found, expected, ..
            } => format!(
                "the ring has the schema {found:016x}, and not {expected:016x} as the recording, \
                 or as --schema-tag makes it; leave that out, or use another ring"
            ),
            Error::Corrupt(Corrupt { field, found }) => format!(
                "the ring is corrupt: its {field} cannot be {found:#x}; stop its processes, and \
                 remove it with quoit rm NAME"
            ),
            Error::NotARing { name, reason } => format!("{name:?} is not a quoit ring: {reason}"),
            Error::CapacityMismatch { found, .. } => {
                format!("the ring has a capacity of {found}; leave out --capacity")
            }
            Error::NotFound { name } => {
                format!("there is no ring {name:?}; quoit list shows those in /dev/shm")
            }
            Error::VersionMismatch { found, expected } => format!(
                "the ring has layout version {found}, and this quoit knows {expected}; use the quoit \
                 that made it"
            ),
            Error::DoorbellMismatch { found } => format!(
                "the ring's doorbell is {found:#x}, which this quoit cannot wake; use one that is \
                 built with the C library of the ring's programs"
            ),
            // What the advice calls an option, or another command.
            error => {
                let text = error.to_string();
                let text = text.replace("RingOptions::mode", "--mode");
                text.replace("an Observer only reads", "quoit tail and record --tap only read")
            }
        };
        Self::Error(code, text)
    }
}

impl From<ClaimError> for Stop {
    fn from(error: ClaimError) -> Self {
        let code = match error {
            ClaimError::TooLong { .. } => Code::Refused,
            ClaimError::Corrupt | ClaimError::Superseded => Code::NoRing,
            _ => Code::Abandoned,
        };
        let text = match error {
            ClaimError::TooLong { max } => format!(
                "a message of this ring has {max} bytes at most; split it, or make a larger ring \
                 (--capacity)"
            ),
            error => error.to_string(),
        };
        Self::new(code, text)
    }
}

impl From<PopError> for Stop {
    fn from(error: PopError) -> Self {
        Self::new(Code::NoRing, error.to_string())
    }
}

impl From<PeerError> for Stop {
    fn from(error: PeerError) -> Self {
        Self::new(Code::NoRing, error.to_string())
    }
}
