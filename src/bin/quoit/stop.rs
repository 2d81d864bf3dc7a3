//! Why the tool ends before it is done, and the exit code for it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use quoit::{ClaimError, PopError};

use crate::progress::Moved;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nobody reads standard output any more
  1    the system refused something, a message does not fit, or the input was
       cut off in the middle of a frame
  2    the command line is wrong
  3    there is no such ring, or it is not one that this command can use
  4    another process has the end of the ring that this command needs, or one of
       a ring to be removed
  5    the ring is full and its consumer is gone
  6    the recording is truncated, or not a recording
  7    the other end did nothing for as long as --timeout says
  8    the producer died; what it had published is received
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
    /// Bytes of a layout, and of the record that it is not of.
    Layout {
        layout: u64,
        record: u64,
    },
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
    /// After something was moved; nobody has said so yet.
    Partly(Box<Self>, Moved),
    /// What was being done, and the system's answer.
    Io(String, io::Error),
}

impl Stop {
    /// Of the system's answer to what is done with a file.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |error| match error.downcast::<Self>() {
            Ok(stop) => stop,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            Err(error) => Self::Io(doing.into(), error),
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Io(..) => 1,
            Self::Ring(
                quoit::Error::Io { .. }
                | quoit::Error::NotEnoughMemory { .. }
                | quoit::Error::FileSizeLimit { .. },
            ) => 1,
            Self::Ring(quoit::Error::InvalidName { .. } | quoit::Error::InvalidCapacity { .. }) => {
                2
            }
            Self::Layout { .. } => 2,
            Self::Ring(quoit::Error::InUse { .. }) | Self::Held(..) => 4,
            Self::Push(ClaimError::TooLong { .. }) => 1,
            Self::Ring(_) | Self::Push(ClaimError::Corrupt) | Self::Pop(_) | Self::Gone(_) => 3,
            Self::Push(_) => 5,
            Self::Recording(_) => 6,
            Self::TimedOut { .. } => 7,
            Self::Died(_) => 8,
            Self::Partly(stop, _) => stop.code(),
            Self::Signal(signal) => 128 + *signal as u8,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedPipe => f.write_str("nobody reads the output"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Ring(quoit::Error::ShapeMismatch { .. }) => {
                f.write_str("the ring holds records; this command moves frames only")
            }
            Self::Ring(error @ quoit::Error::SchemaMismatch { .. }) => {
                write!(f, "{error}; this command takes the tag as --schema-tag TAG")
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
            Self::Recording(wrong) => f.write_str(wrong),
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
            Self::TimedOut { wanted, timeout } => write!(f, "nobody {wanted} for {timeout:?}"),
            Self::Held(name, holders) => write!(f, "{name:?} is in use: {holders}; end them first"),
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
