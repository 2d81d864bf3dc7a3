//! The side that answers.

use core::fmt::{self, Display};
use std::time::Duration;

use super::{REFUSED, WORD, split_word};
use crate::deadline::Deadline;
use crate::doorbell::now;
use crate::endpoint::End;
use crate::error::{ClaimError, PeerError, PopError};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::ring::Record;

/// How often `serve` calls `is_over`.
const LOOK: Duration = Duration::from_millis(100);

/// The side that answers.
///
/// ```
/// use std::time::Duration;
///
/// use quoit::RingOptions;
/// use quoit::rpc::{Client, Server};
///
/// let (requests, requests_in) = RingOptions::new(4096).heap::<[u8]>()?;
/// let (replies_in, replies) = RingOptions::new(4096).heap::<[u8]>()?;
/// let service = std::thread::spawn(move || {
///     let mut server = Server::new(requests_in, replies_in);
///     server.answer_record(Duration::from_secs(5), |number: u64| {
///         number.checked_mul(2).ok_or("too large")
///     })?;
///     let mut rounds = 0;
///     let is_over = || {
///         rounds += 1; // in a real program: a flag that a signal sets
///         rounds > 1
///     };
///     server.serve(|_, _| Err("out of order"), is_over)
/// });
///
/// let mut client = Client::new(requests, replies);
/// let double: u64 = client.call_record(&21_u64, Duration::from_secs(5))?;
/// assert_eq!(double, 42);
/// # service.join().expect("no panic")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a dropped server frees its roles"]
pub struct Server {
    requests: FrameConsumer,
    replies: FrameProducer,
    /// The private copy of a request.
    request: Vec<u8>,
    reply: Vec<u8>,
    /// The request that `reply` answers, until there is room for it. It stays in the ring.
    unsent: Option<Unsent>,
    /// Requests before this position were in the ring at `seen_at`.
    seen: u64,
    seen_at: u64,
}

/// A reply that is not in the ring yet.
#[derive(Debug, Clone, Copy)]
struct Unsent {
    id: u64,
    kind: u32,
    /// Until when the client waits.
    deadline: Deadline,
}

/// Shows the endpoints, and no payload.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("requests", &self.requests)
            .field("replies", &self.replies)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server that reads from one ring and writes to the other.
    pub fn new(requests: FrameConsumer, replies: FrameProducer) -> Self {
        Self {
            seen: requests.position(),
            seen_at: 0,
            requests,
            replies,
            request: Vec::new(),
            reply: Vec::new(),
            unsent: None,
        }
    }

    /// Returns the two endpoints. A request whose reply has had no room yet is still in its ring,
    /// and the next server handles it again.
    ///
    /// # Real-time
    ///
    /// No syscall, no allocation; frees the buffer of the replies.
    pub fn into_inner(self) -> (FrameConsumer, FrameProducer) {
        (self.requests, self.replies)
    }

    /// Answers requests until `is_over` returns true. Calls it after each request and at least ten
    /// times a second. Clients may attach, close and crash.
    ///
    /// # Errors
    ///
    /// [`PopError::Superseded`] if the ring of the requests was unlinked or replaced and the client
    /// has closed or crashed. The same while a client is attached to the requests, if the ring of
    /// the replies was unlinked or replaced, is full, and has no reader. [`PopError::Abandoned`] if
    /// you [closed](FrameConsumer::close) the consumer of the requests and none are left;
    /// [`PopError::Corrupt`] if a ring is corrupt.
    ///
    /// # Real-time
    ///
    /// Sleeps, and allocates.
    pub fn serve<E: Display>(
        &mut self,
        mut handler: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<(), PopError> {
        while !is_over() {
            match self.answer(LOOK, &mut handler) {
                Ok(()) | Err(PopError::TimedOut) => {}
                Err(PopError::Abandoned) => self.wait_for_client()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a client, until the next call of `is_over`.
    fn wait_for_client(&mut self) -> Result<(), PopError> {
        // It would find its client again and again.
        if self.requests.endpoint().closed {
            return Err(PopError::Abandoned);
        }
        match self.requests.wait_for_peer_timeout(LOOK) {
            Ok(()) | Err(PeerError::TimedOut) => Ok(()),
            Err(PeerError::Superseded) => Err(PopError::Superseded),
            Err(PeerError::ReactorDied) => Err(PopError::ReactorDied),
        }
    }

    /// Waits for a request up to `timeout`, and answers it. The handler gets a private
    /// copy of the request, and appends its reply to an empty vector; its error goes to the
    /// client as text, as much of it as fits. If it panics the request stays. A request whose time
    /// has expired is dropped.
    ///
    /// A reply without room at the deadline is kept: the next call sends it, and does not call the
    /// handler. It is dropped when its client's time has expired or its client has closed or crashed.
    ///
    /// # Errors
    ///
    /// [`PopError::TimedOut`] if no request arrived in time, or its reply had no room;
    /// [`PopError::Abandoned`] if there are none and the client has closed or crashed;
    /// [`PopError::Superseded`] if, in addition, the ring of the requests was unlinked or replaced, and
    /// for the ring of the replies as in [`serve`](Self::serve): then the request stays;
    /// [`PopError::Corrupt`] if a ring is corrupt.
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates. The handler's time comes on top of `timeout`.
    pub fn answer<E: Display>(
        &mut self,
        timeout: impl Into<Deadline>,
        handler: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), PopError> {
        let deadline = timeout.into().fixed();
        if self.unsent.is_none() {
            self.handle(deadline, handler)?;
        }
        self.send(deadline)?;
        self.unsent = None;
        self.requests.try_peek()?.release();
        Ok(())
    }

    /// [`answer`](Self::answer) with records. A request of another length is
    /// refused.
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn answer_record<Q: Record, R: Record, E: Display>(
        &mut self,
        timeout: impl Into<Deadline>,
        mut handler: impl FnMut(Q) -> Result<R, E>,
    ) -> Result<(), PopError> {
        self.answer(timeout, |bytes, reply| {
            let Ok(request) = Q::read_from_bytes(bytes) else {
                let (found, expected) = (bytes.len(), size_of::<Q>());
                return Err(format!("the request has {found} bytes, not {expected}"));
            };
            let result = handler(request).map_err(|error| error.to_string())?;
            reply.extend_from_slice(result.as_bytes());
            Ok(())
        })
    }

    /// Waits for a request and handles it, if its client still waits.
    fn handle<E: Display>(
        &mut self,
        deadline: Deadline,
        mut handler: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), PopError> {
        self.request.clear();
        let request = self.requests.peek_timeout(deadline)?;
        request.append_to(&mut self.request);
        let seen_at = self.note_arrival();
        let parts = split_word(&self.request)
            .and_then(|(id, rest)| split_word(rest).map(|(left, bytes)| (id, left, bytes)));
        // A frame shorter than a header has no client that waits.
        let Some((id, left, bytes)) = parts else {
            return Ok(());
        };
        let deadline = Deadline::after(seen_at, left);
        if deadline.is_over() {
            return Ok(());
        }
        self.reply.clear();
        let handled = handler(bytes, &mut self.reply);
        let (len, max) = (self.reply.len(), self.replies.max_frame_len() - WORD);
        let refusal = match handled {
            Ok(()) if len <= max => None,
            Ok(()) => Some(format!("a reply of {len} bytes does not fit into the ring")),
            Err(error) => Some(error.to_string()),
        };
        let kind = if refusal.is_some() { REFUSED } else { 0 };
        if let Some(text) = refusal {
            self.reply.clear();
            self.reply.extend_from_slice(first_bytes(&text, max));
        }
        self.unsent = Some(Unsent { id, kind, deadline });
        Ok(())
    }

    /// When the next request was first seen in the ring. Its time starts there: the client's clock
    /// may be different.
    fn note_arrival(&mut self) -> u64 {
        let position = self.requests.position();
        if position.wrapping_sub(self.seen) as i64 >= 0 {
            self.seen = position.wrapping_add(self.requests.len());
            self.seen_at = now();
        }
        self.seen_at
    }

    /// Puts the reply into the ring, if there is one and its client still waits.
    fn send(&mut self, deadline: Deadline) -> Result<(), PopError> {
        let Some(unsent) = self.unsent else {
            return Ok(());
        };
        let until = deadline.earlier(unsent.deadline);
        let parts = [&unsent.id.to_le_bytes(), self.reply.as_slice()];
        match self.replies.push_parts_timeout(unsent.kind, &parts, until) {
            Err(ClaimError::Corrupt) => Err(PopError::Corrupt),
            Err(ClaimError::TimedOut) if !unsent.deadline.is_over() => Err(PopError::TimedOut),
            // An attached client cannot get its reply through this ring.
            Err(ClaimError::Superseded) if !self.requests.is_abandoned() => {
                Err(PopError::Superseded)
            }
            // Sent, or its client no longer waits.
            _ => Ok(()),
        }
    }
}

/// The beginning of a text, of at most this many bytes.
fn first_bytes(text: &str, most: usize) -> &[u8] {
    let end = (0..=most.min(text.len())).rfind(|&end| text.is_char_boundary(end));
    &text.as_bytes()[..end.unwrap_or_default()]
}
