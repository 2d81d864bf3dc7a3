//! Why the tool ends before it is done, and the exit code for it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use quoit::{ClaimError, PopError};

use crate::moved::Moved;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nobody reads standard output any more
  1    the system refused something, a message does not fit, or the input was
       cut off in the middle of one
  2    the command line is wrong
  3    there is no such ring, or it is not one that this command can use
  4    another process has the end of the ring that this command needs, or one of
       a ring to be removed
  5    the ring is full and its consumer is gone
  6    the recording is broken or cut off, or none; what is whole is replayed
  7    the other end did nothing for as long as --timeout says
  8    the producer died; what it had published is received
  9    doctor has a warning
SIGHUP, SIGINT, SIGQUIT and SIGTERM end a command where nothing is lost; then the
tool dies of that signal, for which a shell has 129, 130, 131 and 143.";

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody reads what is written.
    ClosedPipe,
    Signal(i32),
    Ring(quoit::Error),
    Push(ClaimError),
    Pop(PopError),
    Recording(String),
    /// A pattern that is none.
    Pattern(String),
    /// Bytes of a layout, and of the record that it is not of.
    Layout {
        layout: u64,
        record: u64,
    },
    /// Bytes of a record of this ring, and of what is none.
    RecordLength {
        record: usize,
        length: usize,
    },
    /// Where the input ends, and what is missing.
    CutInput(String),
    /// What nobody did for so long.
    TimedOut {
        wanted: &'static str,
        timeout: Duration,
    },
    /// A ring, and who has its ends.
    Held(String, String),
    /// A ring that was removed or replaced.
    Gone(String),
    /// The process that was the producer, without a goodbye.
    Died(u32),
    /// Something was found that is said already.
    Warned,
    /// After something was moved; nobody has said so yet.
    Partly(Box<Self>, Moved),
    /// What was being done, and the system's answer.
    Io(String, io::Error),
}

impl Stop {
    /// Of the system's answer to what is done with a file.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |error| match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Io(doing.into(), error),
        }
    }

    /// What could not be done with an answer.
    pub(crate) fn output() -> impl FnOnce(io::Error) -> Self {
        Self::io("write to standard output")
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Io(..) | Self::CutInput(_) => 1,
            Self::Ring(
                quoit::Error::Io { .. }
                | quoit::Error::NotEnoughMemory { .. }
                | quoit::Error::FileSizeLimit { .. },
            ) => 1,
            Self::Ring(quoit::Error::InvalidName { .. } | quoit::Error::InvalidCapacity { .. }) => {
                2
            }
            Self::Layout { .. } | Self::Pattern(_) => 2,
            Self::Ring(quoit::Error::InUse { .. }) | Self::Held(..) => 4,
            Self::Push(ClaimError::TooLong { .. }) | Self::RecordLength { .. } => 1,
            Self::Ring(_) | Self::Push(ClaimError::Corrupt) | Self::Pop(_) | Self::Gone(_) => 3,
            Self::Push(_) => 5,
            Self::Recording(_) => 6,
            Self::TimedOut { .. } => 7,
            Self::Died(_) => 8,
            Self::Warned => 9,
            Self::Partly(stop, _) => stop.code(),
            Self::Signal(signal) => 128 + *signal as u8,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedPipe => f.write_str("nobody reads the output"),
            Self::Warned => f.write_str("something is wrong"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Ring(quoit::Error::ShapeMismatch { .. }) => {
                f.write_str("the ring holds records of another size, or frames")
            }
            Self::Ring(quoit::Error::SchemaMismatch {
                found, expected, ..
            }) => {
                write!(
                    f,
                    "the ring has the schema {found:016x}, and not {expected:016x} as the \
                     recording, or as --schema-tag makes it; leave that out, or use another ring"
                )
            }
            Self::Ring(quoit::Error::Corrupt(corrupt)) => {
                let (field, found) = (corrupt.field, corrupt.found);
                write!(
                    f,
                    "the ring is corrupt: its {field} cannot be {found:#x}; stop its processes, \
                     and remove it with quoit rm NAME"
                )
            }
            Self::Ring(quoit::Error::NotARing { name, reason }) => {
                write!(f, "{name:?} is not a quoit ring: {reason}")
            }
            Self::Ring(quoit::Error::CapacityMismatch { found, .. }) => {
                write!(
                    f,
                    "the ring has a capacity of {found}; leave out --capacity"
                )
            }
            Self::Ring(quoit::Error::NotFound { name }) => {
                write!(
                    f,
                    "there is no ring {name:?}; quoit list shows those in /dev/shm"
                )
            }
            Self::Ring(error) => error.fmt(f),
            Self::Push(error) => error.fmt(f),
            Self::Pop(error) => error.fmt(f),
            Self::CutInput(wrong) => write!(f, "could not read standard input: {wrong}"),
            Self::Recording(wrong) | Self::Pattern(wrong) => f.write_str(wrong),
            Self::Layout { layout, record } => {
                write!(
                    f,
                    "the layout has {layout} bytes, and a record of this ring {record}"
                )?;
                match record.checked_sub(*layout) {
                    Some(more) => write!(f, "; _: [u8; {more}] passes over the rest"),
                    None => Ok(()),
                }
            }
            Self::RecordLength { record, length } => {
                write!(f, "a record of this ring has {record} bytes, not {length}")
            }
            Self::TimedOut { wanted, timeout } => write!(f, "nobody {wanted} for {timeout:?}"),
            Self::Held(name, holders) => write!(f, "{name:?} is in use: {holders}; stop it first"),
            Self::Gone(name) => write!(f, "the ring {name:?} is gone"),
            Self::Died(pid) => write!(f, "the producer (it called itself process {pid}) died"),
            Self::Partly(stop, moved) => write!(f, "{stop}; until then {moved}"),
            Self::Io(doing, error) => write!(f, "could not {doing}: {error}"),
        }
    }
}

impl Error for Stop {}

impl From<quoit::Error> for Stop {
    fn from(error: quoit::Error) -> Self {
        Self::Ring(error)
    }
}

impl From<ClaimError> for Stop {
    fn from(error: ClaimError) -> Self {
        Self::Push(error)
    }
}

impl From<PopError> for Stop {
    fn from(error: PopError) -> Self {
        Self::Pop(error)
    }
}
