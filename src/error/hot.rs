//! What a push, a claim, a pop and a wait for the peer answer.

use core::fmt;
use std::error;
use std::io;

use super::debug_as_display;

/// What to do with an endpoint that is poisoned.
const CORRUPT: &str = "the ring is corrupt, and this endpoint stores nothing any more; \
    corruption() says what was found; drop the endpoint and take the role again, or replace \
    the ring with RingOptions::stale(StalePolicy::Replace)";

/// The error of an async endpoint whose reactor has ended.
const REACTOR_DIED: &str = "the thread quoit-reactor, which waits for all async endpoints, has ended; \
    see whether a seccomp filter forbids futex_waitv; the next wait starts it again, but not in a \
    child of fork";

/// Why there is no room, whatever is to be written.
#[derive(Clone, Copy)]
pub(crate) enum NoRoom {
    Full,
    TimedOut,
    Abandoned,
    Superseded,
    Corrupt,
    #[cfg_attr(
        not(feature = "futures"),
        expect(dead_code, reason = "only of async endpoints")
    )]
    ReactorDied,
}

/// Why a record was not pushed. The error returns the record.
///
/// ```
/// use quoit::{PushError, RingOptions};
///
/// let (mut producer, _consumer) = RingOptions::new(1).heap::<u64>()?;
/// producer.try_push(1)?;
/// match producer.try_push(2) {
///     Ok(()) => {}
///     Err(PushError::Full(value) | PushError::TimedOut(value)) => assert_eq!(value, 2), // for later
///     Err(PushError::Abandoned(_)) => println!("no consumer now"),
///     Err(PushError::Superseded(_)) => println!("open the name again"),
///     Err(PushError::Corrupt(_)) => println!("{:?}", producer.corruption()),
///     Err(PushError::ReactorDied(_)) => println!("only of async endpoints"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum PushError<T> {
    /// There is no room now. A later call may find some.
    Full(T),
    /// No room was freed in time. A later call may find some.
    TimedOut(T),
    /// There is no room, and the consumer has closed or crashed. A later call may
    /// find the room of a restarted consumer.
    Abandoned(T),
    /// There is no room and no consumer, and none can attach: the ring was unlinked or replaced.
    /// Open it again. Only calls that wait return this.
    Superseded(T),
    /// The ring is corrupt, and this endpoint poisoned: drop it. Its
    /// [`corruption`](crate::Producer::corruption) says what was found.
    Corrupt(T),
    /// There is no room, and the thread that waited for some has ended: see
    /// [`docs::process`](crate::docs::process). A later call starts it again. Only async endpoints
    /// return this.
    ReactorDied(T),
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
            | Self::TimedOut(value)
            | Self::Abandoned(value)
            | Self::Superseded(value)
            | Self::Corrupt(value)
            | Self::ReactorDied(value) => value,
        }
    }

    #[cold]
    pub(crate) fn new(value: T, reason: NoRoom) -> Self {
        match reason {
            NoRoom::Full => Self::Full(value),
            NoRoom::TimedOut => Self::TimedOut(value),
            NoRoom::Abandoned => Self::Abandoned(value),
            NoRoom::Superseded => Self::Superseded(value),
            NoRoom::Corrupt => Self::Corrupt(value),
            NoRoom::ReactorDied => Self::ReactorDied(value),
        }
    }

    /// The same reason without the record.
    pub(crate) fn reason(&self) -> ClaimError {
        match self {
            Self::Full(_) => ClaimError::Full,
            Self::TimedOut(_) => ClaimError::TimedOut,
            Self::Abandoned(_) => ClaimError::Abandoned,
            Self::Superseded(_) => ClaimError::Superseded,
            Self::Corrupt(_) => ClaimError::Corrupt,
            Self::ReactorDied(_) => ClaimError::ReactorDied,
        }
    }
}

// The reason, never the record.
debug_as_display!(enum PushError<T> {
    Full(..), TimedOut(..), Abandoned(..), Superseded(..), Corrupt(..),
    ReactorDied(..)
});

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl<T> error::Error for PushError<T> {}

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
///     Err(ClaimError::Full | ClaimError::TimedOut) => println!("later"),
///     Err(ClaimError::Abandoned) => println!("no consumer now"),
///     Err(ClaimError::Superseded) => println!("open the name again"),
///     Err(ClaimError::TooLong { max }) => assert_eq!(max, 24), // split it
///     Err(ClaimError::Corrupt) => println!("{:?}", producer.corruption()),
///     Err(ClaimError::ReactorDied) => println!("only of async endpoints"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum ClaimError {
    /// There is not enough room now. A later call may find it.
    Full,
    /// Not enough room was freed in time. A later call may find it.
    TimedOut,
    /// There is not enough room, and the consumer has closed or crashed. A later
    /// call may find the room of a restarted consumer.
    Abandoned,
    /// There is not enough room and no consumer, and none can attach: the ring was unlinked or
    /// replaced. Open it again. Only calls that wait return this.
    Superseded,
    /// This ring never has this much room: a frame is too long, alone or with those of its batch
    /// before it, or more slots were asked for than the ring has.
    TooLong {
        /// Bytes of the longest frame, or slots of the ring.
        max: usize,
    },
    /// The ring is corrupt, and this endpoint poisoned: drop it. Its
    /// [`corruption`](crate::Producer::corruption) says what was found.
    Corrupt,
    /// There is no room, and the thread that waited for some has ended: see
    /// [`docs::process`](crate::docs::process). A later call starts it again. Only async endpoints
    /// return this.
    ReactorDied,
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full"),
            Self::TimedOut => f.write_str("the ring is full, and no room was freed in time"),
            Self::Abandoned => {
                f.write_str("the ring is full, and its consumer has closed or crashed")
            }
            Self::Superseded => f.write_str(
                "the ring is full, and was unlinked or replaced: no consumer can attach; open its \
                 name again",
            ),
            Self::TooLong { max } => write!(
                f,
                "the message never fits: the longest claim of this ring is {max}; split the \
                 message or its batch, or create a larger ring"
            ),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::ReactorDied => f.write_str(REACTOR_DIED),
        }
    }
}

debug_as_display!(enum ClaimError {
    Full, TimedOut, Abandoned, Superseded, TooLong { max }, Corrupt, ReactorDied
});

impl error::Error for ClaimError {}

impl From<NoRoom> for ClaimError {
    #[cold]
    fn from(reason: NoRoom) -> Self {
        match reason {
            NoRoom::Full => Self::Full,
            NoRoom::TimedOut => Self::TimedOut,
            NoRoom::Abandoned => Self::Abandoned,
            NoRoom::Superseded => Self::Superseded,
            NoRoom::Corrupt => Self::Corrupt,
            NoRoom::ReactorDied => Self::ReactorDied,
        }
    }
}

impl From<ClaimError> for io::Error {
    fn from(error: ClaimError) -> Self {
        let kind = match error {
            ClaimError::Full => io::ErrorKind::WouldBlock,
            ClaimError::TimedOut => io::ErrorKind::TimedOut,
            ClaimError::Abandoned => io::ErrorKind::BrokenPipe,
            ClaimError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            ClaimError::TooLong { .. } => io::ErrorKind::InvalidInput,
            ClaimError::Corrupt => io::ErrorKind::InvalidData,
            ClaimError::ReactorDied => io::ErrorKind::Other,
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
/// let popped = loop {
///     match consumer.try_pop(&mut buffer) {
///         Ok(popped) => break popped,
///         Err(PopError::Empty | PopError::TimedOut) => println!("later"),
///         Err(PopError::Abandoned) => println!("no producer now"),
///         Err(PopError::Superseded) => println!("open the name again"),
///         Err(PopError::TooShort { needed }) => buffer.resize(needed, 0), // or `pop_into`
///         Err(PopError::TooMany { max }) => panic!("at most {max}: only of `peek_many`"),
///         Err(PopError::Corrupt) => panic!("{:?}", consumer.corruption()),
///         Err(PopError::ReactorDied) => panic!("only of async endpoints"),
///     }
/// };
/// assert_eq!(&buffer[..popped.len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum PopError {
    /// There is no message now. A later call may find one.
    Empty,
    /// No message arrived in time. A later call may find one.
    TimedOut,
    /// Everything published was taken, and the producer has closed or crashed. A
    /// later call may find what a restarted producer has published.
    Abandoned,
    /// Everything published was taken, there is no producer, and none can attach: the ring was
    /// unlinked or replaced. Open it again. Only calls that wait return this.
    Superseded,
    /// The buffer is too short for the next frame, which stays in the ring.
    TooShort {
        /// Bytes of the frame.
        needed: usize,
    },
    /// More records were asked for at once than the ring ever holds.
    TooMany {
        /// Slots of the ring.
        max: usize,
    },
    /// The ring is corrupt, and this endpoint poisoned: drop it. Its
    /// [`corruption`](crate::Consumer::corruption) says what was found.
    Corrupt,
    /// There is no message, and the thread that waited for one has ended: see
    /// [`docs::process`](crate::docs::process). A later call starts it again. Only async endpoints
    /// return this.
    ReactorDied,
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the ring is empty"),
            Self::TimedOut => f.write_str("the ring is empty, and no message arrived in time"),
            Self::Abandoned => {
                f.write_str("the ring is empty, and its producer has closed or crashed")
            }
            Self::Superseded => f.write_str(
                "the ring is empty, and was unlinked or replaced: no producer can attach; open its \
                 name again",
            ),
            Self::TooShort { needed } => write!(
                f,
                "the next frame has {needed} bytes, more than the buffer; it stays in the ring: call \
                 again with a longer buffer"
            ),
            Self::TooMany { max } => write!(
                f,
                "the ring never holds that many records: it has {max} slots; ask for fewer, or \
                 create a larger ring"
            ),
            Self::Corrupt => f.write_str(CORRUPT),
            Self::ReactorDied => f.write_str(REACTOR_DIED),
        }
    }
}

debug_as_display!(enum PopError {
    Empty, TimedOut, Abandoned, Superseded, TooShort { needed }, TooMany { max }, Corrupt, ReactorDied
});

impl error::Error for PopError {}

impl From<PopError> for io::Error {
    fn from(error: PopError) -> Self {
        let kind = match error {
            PopError::Empty => io::ErrorKind::WouldBlock,
            PopError::TimedOut => io::ErrorKind::TimedOut,
            PopError::Abandoned => io::ErrorKind::UnexpectedEof,
            PopError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            PopError::TooShort { .. } | PopError::TooMany { .. } => io::ErrorKind::InvalidInput,
            PopError::Corrupt => io::ErrorKind::InvalidData,
            PopError::ReactorDied => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Why `wait_for_peer` did not find a peer.
///
/// ```
/// use std::time::Duration;
///
/// use quoit::{PeerError, RingOptions};
///
/// let ring = RingOptions::new(8).create_anonymous::<u32>()?;
/// let mut producer = ring.producer()?;
/// match producer.wait_for_peer_timeout(Duration::from_millis(1)) {
///     Ok(()) => println!("there is a consumer"),
///     Err(PeerError::TimedOut) => println!("not yet"),
///     Err(PeerError::Superseded) => println!("open the name again"),
///     Err(PeerError::ReactorDied) => println!("only of async endpoints"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete: docs::api")]
pub enum PeerError {
    /// No peer attached in time. A later call may find one.
    TimedOut,
    /// No peer can attach: the ring was unlinked or replaced, or is on the heap, or this is the
    /// copy that a child of `fork` has. Open the name again.
    Superseded,
    /// The thread that waited for the peer has ended: see [`docs::process`](crate::docs::process).
    /// A later call starts it again. Only async endpoints return this.
    ReactorDied,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "no peer attached in time; start the other program",
            Self::Superseded => {
                "no peer will attach: the ring was unlinked or replaced, or is on the heap, or \
                 this process forked; open its name again"
            }
            Self::ReactorDied => REACTOR_DIED,
        })
    }
}

debug_as_display!(
    enum PeerError {
        TimedOut,
        Superseded,
        ReactorDied,
    }
);

impl error::Error for PeerError {}

impl From<PeerError> for io::Error {
    fn from(error: PeerError) -> Self {
        let kind = match error {
            PeerError::TimedOut => io::ErrorKind::TimedOut,
            PeerError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            PeerError::ReactorDied => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
