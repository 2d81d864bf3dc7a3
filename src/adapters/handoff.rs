//! Anonymous rings, handed from process to process over a Unix socket: nothing
//! of theirs has a name, and nothing is left when the last process has ended.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//!
//! use quoit::{RingOptions, handoff};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (parent, worker) = UnixStream::pair()?; // the worker inherits one of them
//! let jobs = RingOptions::new(64).create_anonymous::<u64>()?;
//! handoff::send(&parent, &jobs)?;
//! jobs.producer()?.try_push(7)?;
//!
//! // In the worker.
//! let jobs = handoff::receive::<u64>(&worker)?;
//! assert_eq!(jobs.consumer()?.try_pop()?, 7);
//! # Ok(())
//! # }
//! ```
//!
//! Each ring is a message of its own, and they arrive in the order in which they
//! were sent. A ring may be sent to any number of processes, one after the other
//! or at once: its roles are locks, as those of any ring, and the next worker
//! goes on where the last one stopped.
//!
//! The receiver trusts neither the socket nor the descriptor: the memory is
//! sealed against shrinking, or refused, and its header checked as that of any
//! ring. Whoever is of another user than the ring's creator needs
//! [`RingOptions::mode`], since each process opens the memory anew.
//!
//! A process may also inherit a ring's [`descriptor`](Ring::descriptor) or be
//! given it in another way, for [`RingOptions::open_descriptor`].

use core::fmt;
use std::error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::error::{Error, debug_as_display};
use crate::ring::{Ring, RingOptions, Shape};
use crate::segment::{pass, take};

/// What a message begins with.
const MAGIC: &[u8; 8] = b"quoit-fd";
/// The version of the message, in little endian its other half.
const VERSION: u64 = 1;
/// Bytes of a message.
const LENGTH: usize = MAGIC.len() + size_of::<u64>();

/// Why no ring changed hands.
#[non_exhaustive]
pub enum HandoffError {
    /// The ring has a name. It was not sent.
    Named {
        /// The ring's name.
        name: String,
    },
    /// The other end of the socket is closed.
    Closed,
    /// The socket's timeout is over, or it does not wait. Nothing was sent or
    /// taken.
    TimedOut,
    /// What came is no ring. The socket is out of step: close it.
    OtherMessage,
    /// The sender speaks another version of the message.
    VersionMismatch {
        /// The sender's version.
        found: u64,
        /// This crate's.
        expected: u64,
    },
    /// The message came without a descriptor, or with more than one. They were
    /// closed.
    NotOneDescriptor {
        /// How many there were.
        found: usize,
    },
    /// The message was cut off: this process has no room for the descriptor, or
    /// there were many. What came was closed.
    CutOff,
    /// The descriptor came and is closed: it is not the ring that was asked for.
    Ring(Error),
    /// The system refused.
    Io(io::Error),
}

/// Sends a ring, which stays the sender's as well.
///
/// # Errors
///
/// [`HandoffError::Named`], [`Closed`](HandoffError::Closed),
/// [`TimedOut`](HandoffError::TimedOut), or the system's refusal.
///
/// # Real-time
///
/// Makes syscalls and allocates; waits while the socket is full.
pub fn send<T: ?Sized>(socket: &UnixStream, ring: &Ring<T>) -> Result<(), HandoffError> {
    let Some(descriptor) = ring.descriptor() else {
        let name = ring.name().to_owned();
        return Err(HandoffError::Named { name });
    };
    let mut message = [0; LENGTH];
    let (magic, version) = message.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    version.copy_from_slice(&VERSION.to_le_bytes());
    match pass(socket, &message, descriptor)? {
        LENGTH => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::WriteZero).into()),
    }
}

/// Receives a ring, of whatever capacity.
///
/// # Errors
///
/// [`HandoffError::Closed`] at the end of the stream,
/// [`TimedOut`](HandoffError::TimedOut); [`HandoffError::Ring`] if it is not the
/// ring that was asked for; otherwise what is wrong with the message, after
/// which the socket is of no use any more, or the system's refusal. If a signal
/// comes first it is that of [`ErrorKind::Interrupted`](io::ErrorKind), and
/// another call is in order.
///
/// # Real-time
///
/// Makes syscalls and allocates; waits for as long as the socket does.
pub fn receive<T: Shape + ?Sized>(socket: &UnixStream) -> Result<Ring<T>, HandoffError> {
    receive_with(socket, &RingOptions::default())
}

/// Receives a ring with a schema, a way to wait and the like, and of whatever
/// capacity.
///
/// # Errors
///
/// As [`receive`].
///
/// # Real-time
///
/// Makes syscalls and allocates; waits for as long as the socket does.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
///
/// use quoit::{RingOptions, handoff};
///
/// let (parent, worker) = UnixStream::pair()?;
/// let jobs = RingOptions::new(64).schema_tag("job/2").create_anonymous::<u64>()?;
/// handoff::send(&parent, &jobs)?;
///
/// let options = RingOptions::default().schema_tag("job/2");
/// let jobs = handoff::receive_with::<u64>(&worker, &options)?;
/// assert_eq!(jobs.capacity(), 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn receive_with<T: Shape + ?Sized>(
    socket: &UnixStream,
    options: &RingOptions,
) -> Result<Ring<T>, HandoffError> {
    receive_by(socket, |descriptor| options.open_descriptor(descriptor))
}

/// Receives a descriptor, and opens it.
pub(super) fn receive_by<R>(
    socket: &UnixStream,
    open: impl FnOnce(BorrowedFd<'_>) -> Result<R, Error>,
) -> Result<R, HandoffError> {
    let mut message = [0; LENGTH];
    let passed = take(socket, &mut message)?;
    if passed.bytes == 0 {
        return Err(HandoffError::Closed);
    }
    // A message is sent in one piece, and so comes in one.
    let version = message[..passed.bytes].strip_prefix(MAGIC);
    let Some(Ok(version)) = version.map(TryInto::try_into) else {
        return Err(HandoffError::OtherMessage);
    };
    let found = u64::from_le_bytes(version);
    if found != VERSION {
        let expected = VERSION;
        return Err(HandoffError::VersionMismatch { found, expected });
    }
    if passed.is_cut_off {
        return Err(HandoffError::CutOff);
    }
    match passed.descriptors.as_slice() {
        [descriptor] => open(descriptor.as_fd()).map_err(HandoffError::Ring),
        others => Err(HandoffError::NotOneDescriptor {
            found: others.len(),
        }),
    }
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name } => write!(
                f,
                "ring {name:?} has a name, by which the other process opens it; only a ring that \
                 RingOptions::create_anonymous has made is sent"
            ),
            Self::Closed => f.write_str(
                "the other end of the socket is closed: its process has ended, or handed over \
                 all that it had",
            ),
            Self::TimedOut => f.write_str(
                "the socket's time-out is over, or it does not wait; try again, or set another \
                 time-out",
            ),
            Self::OtherMessage => f.write_str(
                "what came over the socket is no ring; close it, and let nothing else be sent \
                 before handoff::send",
            ),
            Self::VersionMismatch { found, expected } => write!(
                f,
                "the sender hands over by version {found}, this program by {expected}; build \
                 both with the same major version of quoit"
            ),
            Self::NotOneDescriptor { found } => write!(
                f,
                "the message came with {found} descriptors instead of one; send each ring with \
                 handoff::send, through no proxy"
            ),
            Self::CutOff => f.write_str(
                "a descriptor was lost on the way: this process has none free (raise the limit \
                 with ulimit -n), or the sender sent many",
            ),
            Self::Ring(error) => write!(f, "the ring that came cannot be opened: {error}"),
            Self::Io(error) if error.kind() == io::ErrorKind::Interrupted => {
                f.write_str("a signal came before the ring; call again")
            }
            Self::Io(error) => write!(f, "the socket failed: {error}; connect again"),
        }
    }
}

debug_as_display!(enum HandoffError {
    Named { name }, Closed, TimedOut, OtherMessage, VersionMismatch { found, expected },
    NotOneDescriptor { found }, CutOff, Ring(error), Io(source)
});

impl error::Error for HandoffError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Ring(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for HandoffError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::TimedOut,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<HandoffError> for io::Error {
    fn from(error: HandoffError) -> Self {
        let kind = match error {
            HandoffError::Ring(error) => return error.into(),
            HandoffError::Io(error) => return error,
            HandoffError::Named { .. } => io::ErrorKind::InvalidInput,
            HandoffError::Closed => io::ErrorKind::UnexpectedEof,
            HandoffError::TimedOut => io::ErrorKind::TimedOut,
            HandoffError::CutOff => io::ErrorKind::QuotaExceeded,
            HandoffError::OtherMessage
            | HandoffError::VersionMismatch { .. }
            | HandoffError::NotOneDescriptor { .. } => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
