//! Calls from one process to another, over a pair of rings: requests one way,
//! replies the other.
//!
//! ```
//! use std::thread;
//! use std::time::Duration;
//!
//! use quoit::RingOptions;
//! use quoit::rpc::{Client, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a real program: two names, and two processes.
//! let (requests, requests_in) = RingOptions::new(4096).heap::<[u8]>()?;
//! let (replies_in, replies) = RingOptions::new(4096).heap::<[u8]>()?;
//!
//! let mut server = Server::new(requests_in, replies_in);
//! let service = thread::spawn(move || {
//!     server.answer(Duration::from_secs(5), |request, reply| {
//!         reply.extend(request.iter().rev());
//!         Ok::<(), String>(())
//!     })
//! });
//! let mut client = Client::new(requests, replies);
//! let mut reply = Vec::new();
//! client.call(b"olleh", &mut reply, Duration::from_secs(5))?;
//! assert_eq!(reply, b"hello");
//! # service.join().expect("no panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! # What a call is
//!
//! Two frames. A request: the call's id and its remaining time in nanoseconds, 8 bytes each in
//! little endian, then the caller's bytes; `u64::MAX` waits forever. A reply: the id, then the
//! handler's bytes; frames of kind 1 are errors, and their bytes a text. Ids begin at a random
//! number, so that a reply to an earlier client's call matches no call of this one.
//!
//! # Deadlines
//!
//! A call that has timed out is forgotten: its reply is dropped when it arrives, and never matched
//! to another call.
//!
//! No clock is shared: two processes may be in two time namespaces. The client measures the
//! remaining time when it publishes the request, and the server counts it down from when it first
//! sees the request in the ring. It does not handle a request whose time has expired by then. A request
//! that a busy server has not yet seen does not age.
//!
//! A client that does not read its replies cannot block its server: a reply without room is kept,
//! and [`Server::answer`] returns at its own deadline.
//!
//! # Crashes
//!
//! A client that waits notices its server's crash as any consumer does. Calls that it has started
//! stay in flight, and a restarted server answers them; [`Client::call`] forgets its own. A server
//! releases a request after it has put the reply into the ring, so a request during which it was
//! killed is handled again: handlers should be idempotent, and the caller's bytes may hold a number
//! that tells them what they have handled. A request that kills its server kills the
//! next one as well. To pass over it, take the consumer of [`Server::into_inner`] and
//! [`skip`](crate::FrameConsumer::skip) one frame.

mod client;
mod server;

use core::fmt;
use std::error;
use std::io;

pub use self::client::{Call, Client};
pub use self::server::Server;
use crate::error::{ClaimError, PopError, debug_as_display};

/// The kind of a reply that is an error.
const REFUSED: u32 = 1;
/// Bytes of an id, and of the remaining time.
const WORD: usize = size_of::<u64>();

/// Why a call has no reply.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// No reply arrived in time, or there was no room for the request. The call is
    /// forgotten.
    TimedOut,
    /// There is no server: it has closed or crashed. After [`Client::finish`] the call stays in
    /// flight, and a restarted server may answer it until the call's deadline; [`Client::call`]
    /// forgets it.
    NoServer,
    /// There is no server, and none can attach: a ring was unlinked or replaced.
    Superseded,
    /// The handler's error, as text.
    Refused(String),
    /// The call was finished or forgotten before.
    NotInFlight,
    /// The request does not fit into the ring.
    TooLong {
        /// Bytes of the longest request.
        max: usize,
    },
    /// The reply is not a record of the expected type.
    WrongLength {
        /// Bytes of such a record.
        expected: usize,
        /// Bytes of the reply.
        found: usize,
    },
    /// A ring is corrupt. The `corruption` of the endpoint from [`Client::into_inner`] says what
    /// was found.
    Corrupt,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no reply arrived in time"),
            Self::NoServer => {
                f.write_str("there is no server: it has closed or crashed; start it again")
            }
            Self::Superseded => f.write_str(
                "there is no server, and the ring was unlinked or replaced; open its name again",
            ),
            Self::Refused(text) => write!(f, "the server refused: {text}"),
            Self::NotInFlight => f.write_str("the call was finished or forgotten before"),
            Self::TooLong { max } => write!(
                f,
                "the request does not fit: the longest has {max} bytes; split it, or create a \
                 larger ring"
            ),
            Self::WrongLength { expected, found } => write!(
                f,
                "the reply has {found} bytes, not {expected}; both sides need the same types"
            ),
            Self::Corrupt => f.write_str(
                "a ring of the call is corrupt; replace it with \
                 RingOptions::stale(StalePolicy::Replace)",
            ),
        }
    }
}

debug_as_display!(enum CallError {
    TimedOut, NoServer, Superseded, Refused(text), NotInFlight, TooLong { max },
    WrongLength { expected, found }, Corrupt
});

impl error::Error for CallError {}

impl From<ClaimError> for CallError {
    fn from(error: ClaimError) -> Self {
        match error {
            // A plain endpoint does not use the reactor.
            ClaimError::Full | ClaimError::TimedOut | ClaimError::ReactorDied => Self::TimedOut,
            ClaimError::Abandoned => Self::NoServer,
            ClaimError::Superseded => Self::Superseded,
            ClaimError::TooLong { max } => Self::TooLong {
                max: max.saturating_sub(2 * WORD),
            },
            ClaimError::Corrupt => Self::Corrupt,
        }
    }
}

impl From<PopError> for CallError {
    fn from(error: PopError) -> Self {
        match error {
            PopError::Empty | PopError::TimedOut | PopError::ReactorDied => Self::TimedOut,
            PopError::Abandoned => Self::NoServer,
            PopError::Superseded => Self::Superseded,
            // A peek of one frame has no buffer, and no number of frames.
            PopError::TooShort { .. } | PopError::TooMany { .. } | PopError::Corrupt => {
                Self::Corrupt
            }
        }
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::TimedOut => io::ErrorKind::TimedOut,
            CallError::NoServer => io::ErrorKind::ConnectionReset,
            CallError::Superseded => io::ErrorKind::StaleNetworkFileHandle,
            CallError::Refused(_) => io::ErrorKind::Other,
            CallError::NotInFlight | CallError::TooLong { .. } => io::ErrorKind::InvalidInput,
            CallError::WrongLength { .. } | CallError::Corrupt => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// The first word of a frame, and the rest.
fn split_word(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*word), rest))
}
