//! Why a command ends before it is done, and the exit code for it.

use std::fmt;
use std::io;

use quoit::{ClaimError, Error, PeerError, PopError};

use crate::moved::Moved;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done, or no process reads standard output any more
  1    the system refused something, a message does not fit, or the input was
       cut off in the middle of one
  2    the command line is wrong
  3    there is no such ring, or it is not one that this command can use
  4    another process has the role that this command needs, or one in a ring to
       be removed
  5    the ring is full and its consumer closed or crashed
  6    the recording is broken or cut off, or none; what is whole is replayed
  7    the peer did nothing within --timeout
  8    the producer died; what it had published is received
  9    doctor has a warning
SIGHUP, SIGINT, SIGQUIT and SIGTERM end a command where nothing is lost; then the
tool dies of that signal, for which a shell has 129, 130, 131 and 143.";

/// Each but 0 of the exit codes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Code {
    Refused = 1,
    Usage = 2,
    NoRing = 3,
    InUse = 4,
    Abandoned = 5,
    Recording = 6,
    TimedOut = 7,
    Died = 8,
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

    /// What could not be done with an answer.
    pub(crate) fn output() -> impl FnOnce(io::Error) -> Self {
        Self::io("write to standard output")
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
            Self::Partly(stop, moved) => write!(f, "{stop}; until then {moved}"),
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
                "the ring holds records of another size, or frames".to_owned()
            }
            Error::SchemaMismatch {
                found, expected, ..
            } => format!(
                "the ring has the schema {found:016x}, and not {expected:016x} as the recording, \
                 or as --schema-tag makes it; leave that out, or use another ring"
            ),
            Error::Corrupt(corrupt) => format!(
                "the ring is corrupt: its {} cannot be {:#x}; stop its processes, and remove it \
                 with quoit rm NAME",
                corrupt.field, corrupt.found
            ),
            Error::NotARing { name, reason } => format!("{name:?} is not a quoit ring: {reason}"),
            Error::CapacityMismatch { found, .. } => {
                format!("the ring has a capacity of {found}; leave out --capacity")
            }
            Error::NotFound { name } => {
                format!("there is no ring {name:?}; quoit list shows those in /dev/shm")
            }
            error => error.to_string(),
        };
        Self::Error(code, text)
    }
}

impl From<ClaimError> for Stop {
    fn from(error: ClaimError) -> Self {
        let code = match error {
            ClaimError::TooLong { .. } => Code::Refused,
            ClaimError::Corrupt => Code::NoRing,
            _ => Code::Abandoned,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PopError> for Stop {
    fn from(error: PopError) -> Self {
        Self::new(Code::NoRing, error.to_string())
    }
}

impl From<PeerError> for Stop {
    fn from(error: PeerError) -> Self {
        Self::new(Code::Abandoned, error.to_string())
    }
}
