//! Sends anonymous rings from process to process over a Unix socket. They have no name, and they
//! disappear when the last process exits.
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
//! Each ring is one message, and they arrive in the order in which you send them. You can send a
//! ring to any number of processes, one after the other or at once: its roles are locks, as those
//! of any ring, and the next worker continues where the last one stopped.
//!
//! The receiver trusts neither the socket nor the descriptor: the memory is sealed against
//! shrinking, or refused, and its header checked as that of any ring. A process of another user
//! than the ring's creator needs [`RingOptions::mode`], since each process reopens the memory.
//!
//! A process may also inherit a ring's [`descriptor`](Ring::descriptor) or get it in another way,
//! for [`RingOptions::open_descriptor`].

use core::fmt;
use std::error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::error::{Error, debug_as_display};
use crate::ring::{Ring, RingOptions, Shape};
use crate::segment::{pass, take};

/// The first bytes of a message.
const MAGIC: &[u8; 8] = b"quoit-fd";
/// The version of the message, its second half, in little endian.
const VERSION: u64 = 1;
/// Bytes of a message.
const LENGTH: usize = MAGIC.len() + size_of::<u64>();

/// Why no ring was sent or received.
#[non_exhaustive]
pub enum HandoffError {
    /// The ring has a name. It was not sent.
    Named {
        /// The ring's name.
        name: String,
    },
    /// The other side of the socket is closed.
    Closed,
    /// The socket's timeout ran out, or it is non-blocking. Nothing was sent or received.
    TimedOut,
    /// The message is not a ring. The socket is out of sync: close it.
    OtherMessage,
    /// The sender uses another version of the message.
    VersionMismatch {
        /// The sender's version.
        found: u64,
        /// This crate's.
        expected: u64,
    },
    /// The message has no descriptor, or more than one. They were closed.
    NotOneDescriptor {
        /// How many there were.
        found: usize,
    },
    /// The message was truncated: this process has no room for the descriptor, or there were many.
    /// Those that arrived were closed.
    CutOff,
    /// The descriptor arrived and is closed: it is not the expected ring.
    Ring(Error),
    /// A system call failed.
    Io(io::Error),
}

/// Sends a ring, which the sender can still use.
///
/// # Errors
///
/// [`HandoffError::Named`], [`Closed`](HandoffError::Closed),
/// [`TimedOut`](HandoffError::TimedOut), or an OS error.
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

/// Receives a ring of any capacity.
///
/// # Errors
///
/// [`HandoffError::Closed`] at the end of the stream, [`TimedOut`](HandoffError::TimedOut);
/// [`HandoffError::Ring`] if it is not the expected ring; otherwise what is wrong with the message,
/// after which you must close the socket, or an OS error. A signal is
/// [`ErrorKind::Interrupted`](io::ErrorKind): call again.
///
/// # Real-time
///
/// Makes syscalls and allocates; waits up to the timeout of the socket.
pub fn receive<T: Shape + ?Sized>(socket: &UnixStream) -> Result<Ring<T>, HandoffError> {
    receive_with(socket, &RingOptions::default())
}

/// Receives a ring of any capacity, with options such as a schema or a wait strategy.
///
/// # Errors
///
/// As [`receive`].
///
/// # Real-time
///
/// Makes syscalls and allocates; waits up to the timeout of the socket.
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
    // A message is sent whole, and so arrives whole.
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
                "the other side of the socket is closed: its process has ended, or handed over \
                 all that it had",
            ),
            Self::TimedOut => f.write_str(
                "the socket's timeout ran out, or it is non-blocking; try again, or set another \
                 timeout",
            ),
            Self::OtherMessage => f.write_str(
                "the message is not a ring; close the socket, and let nothing else be sent \
                 before handoff::send",
            ),
            Self::VersionMismatch { found, expected } => write!(
                f,
                "the sender uses message version {found}, this program {expected}; build \
                 both with the same version of quoit"
            ),
            Self::NotOneDescriptor { found } => write!(
                f,
                "the message has {found} descriptors instead of one; send each ring with \
                 handoff::send, through no proxy"
            ),
            Self::CutOff => f.write_str(
                "a descriptor was lost in transit: this process has none free (raise the limit \
                 with ulimit -n), or the sender sent many",
            ),
            Self::Ring(error) => write!(f, "the received ring cannot be opened: {error}"),
            Self::Io(error) if error.kind() == io::ErrorKind::Interrupted => {
                f.write_str("a signal interrupted the wait; call again")
            }
            Self::Io(error) if error.raw_os_error() == Some(libc::ETOOMANYREFS) => f.write_str(
                "this user has sent as many descriptors as it may that no process has received \
                 yet; send the ring when the receivers have taken some, or raise the limit with \
                 ulimit -n",
            ),
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
