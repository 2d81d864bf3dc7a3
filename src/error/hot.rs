//! What a push, a claim and a pop answer.

use core::fmt;
use std::error;
use std::io;

use super::Corrupt;

/// Why a record was not pushed. The record comes back.
///
/// ```
/// use quoit::{PushError, RingOptions};
///
/// let (mut producer, _consumer) = RingOptions::new(1).heap::<u64>()?;
/// producer.try_push(1)?;
/// match producer.try_push(2) {
///     Ok(()) => {}
///     Err(PushError::Full(value)) => assert_eq!(value, 2), // for later
///     Err(PushError::Abandoned(_)) => println!("no consumer now"),
///     Err(PushError::Superseded(_)) => println!("open the name again"),
///     Err(PushError::Corrupt(_, corrupt)) => return Err(corrupt.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// There is no room, or none came in time. Another try may find some.
    Full(T),
    /// There is no room, and the consumer has left or died. Another try may
    /// find a successor's.
    Abandoned(T),
    /// There is no room and no consumer, and none will come: the ring's name
    /// leads elsewhere by now. Open it again. Only calls that wait say so.
    Superseded(T),
    /// The ring is corrupt, and this endpoint poisoned: drop it.
    Corrupt(T, Corrupt),
}

impl<T> PushError<T> {
    /// The record that was not pushed.
    ///
    /// # Real-time
    ///
    /// Wait-free, no syscall, no allocation.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value)
            | Self::Abandoned(value)
            | Self::Superseded(value)
            | Self::Corrupt(value, _) => value,
        }
    }

    /// For a record, which is never too long.
    #[cold]
    pub(crate) fn new(value: T, reason: ClaimError) -> Self {
        match reason {
            ClaimError::Full | ClaimError::TooLong { .. } => Self::Full(value),
            ClaimError::Abandoned => Self::Abandoned(value),
            ClaimError::Superseded => Self::Superseded(value),
            ClaimError::Corrupt(corrupt) => Self::Corrupt(value, corrupt),
        }
    }

    /// The same reason without the record.
    pub(crate) fn reason(&self) -> ClaimError {
        match self {
            Self::Full(_) => ClaimError::Full,
            Self::Abandoned(_) => ClaimError::Abandoned,
            Self::Superseded(_) => ClaimError::Superseded,
            Self::Corrupt(_, corrupt) => ClaimError::Corrupt(*corrupt),
        }
    }
}

/// Shows the reason, never the record.
impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl<T> error::Error for PushError<T> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Corrupt(_, corrupt) => Some(corrupt),
            _ => None,
        }
    }
}

impl<T> From<PushError<T>> for io::Error {
    fn from(error: PushError<T>) -> Self {
        error.reason().into()
    }
}

/// Why no room was claimed.
///
/// ```
/// use quoit::{ClaimError, RingOptions};
///
/// let (mut producer, _consumer) = RingOptions::new(64).heap::<[u8]>()?;
/// match producer.try_claim(100) {
///     Ok(claim) => claim.commit(),
///     Err(ClaimError::Full) => println!("later"),
///     Err(ClaimError::Abandoned) => println!("no consumer now"),
///     Err(ClaimError::Superseded) => println!("open the name again"),
///     Err(ClaimError::TooLong { longest, .. }) => assert_eq!(longest, 24), // split it
///     Err(ClaimError::Corrupt(corrupt)) => return Err(corrupt.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimError {
    /// There is not enough room, or it did not come in time. Another try may
    /// find it.
    Full,
    /// There is not enough room, and the consumer has left or died. Another try
    /// may find a successor's.
    Abandoned,
    /// There is not enough room and no consumer, and none will come: the ring's
    /// name leads elsewhere by now. Open it again. Only calls that wait say so.
    Superseded,
    /// No frame of this ring can be so long, now or later. Records never are.
    TooLong {
        /// Bytes that were asked for.
        wanted: usize,
        /// Bytes of the longest frame.
        longest: usize,
    },
    /// The ring is corrupt, and this endpoint poisoned: drop it.
    Corrupt(Corrupt),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full"),
            Self::Abandoned => f.write_str("the ring is full, and its consumer is gone"),
            Self::Superseded => f.write_str(
                "the ring is full, and was unlinked or replaced: no consumer will come; open its \
                 name again",
            ),
            Self::TooLong { wanted, longest } => write!(
                f,
                "a frame of {wanted} bytes does not fit: the longest is {longest}, half the \
                 ring's capacity less 8; split the message, or create a larger ring"
            ),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
        }
    }
}

impl error::Error for ClaimError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt),
            _ => None,
        }
    }
}

impl From<ClaimError> for io::Error {
    fn from(error: ClaimError) -> Self {
        let kind = match error {
            ClaimError::Full => io::ErrorKind::WouldBlock,
            ClaimError::Abandoned => io::ErrorKind::BrokenPipe,
            ClaimError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            ClaimError::TooLong { .. } => io::ErrorKind::InvalidInput,
            ClaimError::Corrupt(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Why there was nothing to read.
///
/// ```
/// use quoit::{PopError, RingOptions};
///
/// let (mut producer, mut consumer) = RingOptions::new(64).heap::<[u8]>()?;
/// producer.try_push(b"hello")?;
/// let mut buffer = vec![0; 4];
/// let len = loop {
///     match consumer.try_pop(&mut buffer) {
///         Ok(len) => break len,
///         Err(PopError::Empty) => println!("later"),
///         Err(PopError::Abandoned) => println!("no producer now"),
///         Err(PopError::Superseded) => println!("open the name again"),
///         Err(PopError::TooShort { needed }) => buffer.resize(needed, 0),
///         Err(PopError::Corrupt(corrupt)) => return Err(corrupt.into()),
///     }
/// };
/// assert_eq!(&buffer[..len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PopError {
    /// Nothing is there, or nothing came in time. Another try may find
    /// something.
    Empty,
    /// Everything published was taken, and the producer has left or died.
    /// Another try may find what a successor has published.
    Abandoned,
    /// Everything published was taken, there is no producer, and none will come:
    /// the ring's name leads elsewhere by now. Open it again. Only calls that
    /// wait say so.
    Superseded,
    /// The buffer is too short for the next frame, which stays in the ring.
    /// Records never need one.
    TooShort {
        /// Bytes of the frame.
        needed: usize,
    },
    /// The ring is corrupt, and this endpoint poisoned: drop it.
    Corrupt(Corrupt),
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the ring is empty"),
            Self::Abandoned => f.write_str("the ring is empty, and its producer is gone"),
            Self::Superseded => f.write_str(
                "the ring is empty, and was unlinked or replaced: no producer will come; open its \
                 name again",
            ),
            Self::TooShort { needed } => write!(
                f,
                "the next frame has {needed} bytes, more than the buffer; it stays in the ring"
            ),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
        }
    }
}

impl error::Error for PopError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt),
            _ => None,
        }
    }
}

impl From<PopError> for io::Error {
    fn from(error: PopError) -> Self {
        let kind = match error {
            PopError::Empty => io::ErrorKind::WouldBlock,
            PopError::Abandoned => io::ErrorKind::UnexpectedEof,
            PopError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            PopError::TooShort { .. } => io::ErrorKind::InvalidInput,
            PopError::Corrupt(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
