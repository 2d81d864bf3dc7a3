//! The side that calls.

use core::fmt;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::{CallError, REFUSED, WORD, split_word};
use crate::deadline::{Deadline, LATE_BYTES};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::ring::Record;
use crate::segment::random;

/// The side that calls. Several calls may be in flight; replies to other calls than the awaited one
/// are kept.
///
/// ```
/// use std::time::Duration;
///
/// use quoit::RingOptions;
/// use quoit::rpc::{Client, Server};
///
/// let (requests, requests_in) = RingOptions::new(4096).heap::<[u8]>()?;
/// let (replies_in, replies) = RingOptions::new(4096).heap::<[u8]>()?;
/// let mut client = Client::new(requests, replies);
/// let one = client.start(b"one", Duration::from_secs(5))?;
/// let two = client.start(b"two", Duration::from_secs(5))?;
/// # let mut server = Server::new(requests_in, replies_in);
/// # for _ in 0..2 {
/// #     server.answer(Duration::from_secs(5), |request, reply| {
/// #         reply.extend(request.to_ascii_uppercase());
/// #         Ok::<(), String>(())
/// #     })?;
/// # }
///
/// let mut reply = Vec::new();
/// client.finish(&two, &mut reply)?; // in any order
/// assert_eq!(reply, b"TWO");
/// client.cancel(one);
/// assert_eq!(client.in_flight(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a dropped client frees its roles"]
pub struct Client {
    requests: FrameProducer,
    replies: FrameConsumer,
    next: u64,
    /// The private copy of a reply.
    buffer: Vec<u8>,
    /// The calls in flight, and calls that were dropped since the last sweep.
    flight: HashMap<u64, Flight>,
    /// How many calls are kept until the next sweep.
    most: usize,
}

/// How many calls a client keeps before its first sweep for dropped ones.
const FEW: usize = 16;

/// A handler's result.
type Answer = Result<Vec<u8>, String>;

/// What the client stores for a call.
struct Flight {
    /// Dropped with the caller's [`Call`].
    call: Weak<()>,
    /// A reply that arrived early.
    answer: Option<Answer>,
}

impl Flight {
    fn is_dropped(&self) -> bool {
        self.call.strong_count() == 0
    }
}

/// A call in flight, from [`Client::start`] to [`Client::finish`] or
/// [`Client::cancel`]. A call that is dropped is cancelled.
#[derive(Debug)]
#[must_use = "a call that is dropped is cancelled"]
pub struct Call {
    /// It shows the client whether the call was dropped.
    alive: Arc<()>,
    id: u64,
    deadline: Deadline,
}

/// Shows the endpoints, and no payload.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("requests", &self.requests)
            .field("replies", &self.replies)
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that writes to one ring and reads from the other.
    ///
    /// # Real-time
    ///
    /// Makes a syscall, for a random number; no allocation.
    pub fn new(requests: FrameProducer, replies: FrameConsumer) -> Self {
        Self {
            requests,
            replies,
            // Not that of a `HashMap`: two children of one process may begin with the same.
            next: random(),
            buffer: Vec::new(),
            flight: HashMap::new(),
            most: FEW,
        }
    }

    /// Returns the two endpoints. Calls in flight are forgotten.
    ///
    /// # Real-time
    ///
    /// No syscall, no allocation; frees the stored calls.
    pub fn into_inner(self) -> (FrameProducer, FrameConsumer) {
        (self.requests, self.replies)
    }

    /// How many calls are in flight.
    ///
    /// # Real-time
    ///
    /// No syscall, no allocation; checks each of them.
    pub fn in_flight(&self) -> usize {
        let calls = self.flight.values();
        calls.filter(|flight| !flight.is_dropped()).count()
    }

    /// Sends a request and waits for the reply, which replaces the content of `reply`. On any error
    /// the call is forgotten.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start) and [`finish`](Self::finish).
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn call(
        &mut self,
        request: &[u8],
        reply: &mut Vec<u8>,
        timeout: impl Into<Deadline>,
    ) -> Result<(), CallError> {
        let call = self.start(request, timeout)?;
        let finished = self.finish(&call, reply);
        self.cancel(call);
        finished
    }

    /// [`call`](Self::call) with records.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and [`CallError::WrongLength`] if the reply is
    /// no such record.
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn call_record<Q: Record, R: Record>(
        &mut self,
        request: &Q,
        timeout: impl Into<Deadline>,
    ) -> Result<R, CallError> {
        let mut reply = Vec::with_capacity(size_of::<R>());
        self.call(request.as_bytes(), &mut reply, timeout)?;
        R::read_from_bytes(&reply).map_err(|_| CallError::WrongLength {
            expected: size_of::<R>(),
            found: reply.len(),
        })
    }

    /// Sends a request, and returns without waiting for the reply. Waits for
    /// room; the timeout is that of the whole call.
    ///
    /// # Errors
    ///
    /// [`CallError::TimedOut`] if no room was freed in time, [`CallError::TooLong`] if it never
    /// fits, [`CallError::NoServer`] or [`CallError::Superseded`] if there is no room and no
    /// server, [`CallError::Corrupt`].
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn start(
        &mut self,
        request: &[u8],
        timeout: impl Into<Deadline>,
    ) -> Result<Call, CallError> {
        self.forget_dropped();
        let call = Call {
            alive: Arc::new(()),
            id: self.next,
            deadline: timeout.into().fixed(),
        };
        let len = request.len().saturating_add(2 * WORD);
        let claim = self.requests.claim_timeout(len, call.deadline)?;
        // The remaining time is measured when the request is published, not before the wait for
        // room.
        let header = [call.id.to_le_bytes(), call.deadline.left().to_le_bytes()];
        claim.commit_parts(0, &[header.as_flattened(), request])?;
        let flight = Flight {
            call: Arc::downgrade(&call.alive),
            answer: None,
        };
        self.flight.insert(call.id, flight);
        self.next = self.next.wrapping_add(1);
        Ok(call)
    }

    /// Waits for a call's reply until its deadline. The reply replaces the content of `reply`.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] if the handler failed; [`CallError::TimedOut`],
    /// and the call is forgotten; before the deadline [`CallError::NoServer`], and the call stays
    /// in flight, to be finished when the server has restarted;
    /// [`CallError::Superseded`], [`CallError::NotInFlight`],
    /// [`CallError::Corrupt`].
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn finish(&mut self, call: &Call, reply: &mut Vec<u8>) -> Result<(), CallError> {
        let mut end = None;
        loop {
            let early = self.flight.get_mut(&call.id);
            if let Some(answer) = early.ok_or(CallError::NotInFlight)?.answer.take() {
                self.flight.remove(&call.id);
                *reply = answer.map_err(CallError::Refused)?;
                return Ok(());
            }
            if call.deadline.is_over() {
                // Read the replies that are there now; later ones are too late.
                let (position, unread) = (self.replies.position(), self.replies.len());
                let there = unread.clamp(1, LATE_BYTES);
                let end = *end.get_or_insert(position.wrapping_add(there));
                if end.wrapping_sub(position) as i64 <= 0 {
                    self.flight.remove(&call.id);
                    return Err(CallError::TimedOut);
                }
            }
            match self.receive(call.deadline) {
                // A caller that waits for a restarted server waits until the deadline.
                Err(CallError::NoServer) if !call.deadline.is_over() => {
                    return Err(CallError::NoServer);
                }
                Err(CallError::TimedOut | CallError::NoServer) => {
                    self.flight.remove(&call.id);
                    return Err(CallError::TimedOut);
                }
                received => received?,
            }
        }
    }

    /// Forgets a call: its reply is dropped when it arrives.
    ///
    /// # Real-time
    ///
    /// No syscall, no allocation.
    pub fn cancel(&mut self, call: Call) {
        self.flight.remove(&call.id);
    }

    /// Keeps the next reply, if it belongs to a call in flight.
    fn receive(&mut self, deadline: Deadline) -> Result<(), CallError> {
        let kind = self.replies.pop_into_timeout(&mut self.buffer, deadline)?;
        // A frame shorter than an id belongs to no call.
        let Some((id, bytes)) = split_word(&self.buffer) else {
            return Ok(());
        };
        match self.flight.get_mut(&id) {
            Some(flight) if flight.is_dropped() => {
                self.flight.remove(&id);
            }
            Some(Flight {
                answer: answer @ None,
                ..
            }) => {
                *answer = Some(match kind {
                    REFUSED => Err(String::from_utf8_lossy(bytes).into_owned()),
                    _ => Ok(bytes.to_vec()),
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Forgets calls that were dropped, before as many are kept as twice those that
    /// were in flight at the last sweep.
    fn forget_dropped(&mut self) {
        if self.flight.len() >= self.most {
            self.flight.retain(|_, flight| !flight.is_dropped());
            self.most = FEW.max(2 * self.flight.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ring::RingOptions;

    const TIMEOUT: Duration = Duration::from_secs(120);

    #[test]
    fn calls_that_are_dropped_are_forgotten_though_no_reply_comes() {
        let options = RingOptions::new(1024);
        let (requests, mut requests_in) = options.heap::<[u8]>().expect("a ring");
        let (_replies_in, replies) = options.heap::<[u8]>().expect("a ring");
        let mut client = Client::new(requests, replies);
        let kept = [0; 10].map(|_| client.start(b"kept", TIMEOUT).expect("room"));
        for _ in 0..100_000 {
            requests_in.try_peek().expect("a request").release();
            drop(client.start(b"dropped", TIMEOUT).expect("room"));
            assert!(client.flight.len() <= 2 * FEW, "{}", client.flight.len());
        }
        assert!(client.flight.capacity() <= 8 * FEW);
        assert_eq!(client.in_flight(), kept.len());
        kept.into_iter().for_each(|call| client.cancel(call));
        assert_eq!(client.in_flight(), 0);
    }

    #[test]
    fn the_reply_to_a_dropped_call_is_not_kept() {
        let options = RingOptions::new(1024);
        let (requests, _requests_in) = options.heap::<[u8]>().expect("a ring");
        let (mut replies_in, replies) = options.heap::<[u8]>().expect("a ring");
        let mut client = Client::new(requests, replies);
        let (dropped, kept) = (client.start(b"1", TIMEOUT), client.start(b"2", TIMEOUT));
        let kept = kept.expect("room");
        for id in [dropped.map(|call| call.id).expect("room"), kept.id] {
            let parts = [&id.to_le_bytes()[..], b"reply"];
            replies_in.push_parts(0, &parts).expect("room");
        }
        let mut reply = Vec::new();
        client.finish(&kept, &mut reply).expect("a reply");
        assert_eq!(reply, b"reply");
        assert!(client.flight.is_empty());
    }
}
