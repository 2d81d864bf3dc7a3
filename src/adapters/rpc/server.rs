//! The side that answers.

use core::fmt::Display;
use std::time::Duration;

use super::{REFUSED, WORD, split_word};
use crate::doorbell::now;
use crate::error::{ClaimError, PeerError, PopError};
use crate::frame_consumer::FrameConsumer;
use crate::frame_producer::FrameProducer;
use crate::ring::Record;

/// How often a server that serves looks whether it is to end.
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
///         rounds += 1; // in a real program: what a signal has set
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
#[derive(Debug)]
#[must_use = "a dropped server gives its roles up"]
pub struct Server {
    requests: FrameConsumer,
    replies: FrameProducer,
    /// The private copy of a request.
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Server {
    /// A server that reads from one ring and writes to the other.
    pub fn new(requests: FrameConsumer, replies: FrameProducer) -> Self {
        Self {
            requests,
            replies,
            request: Vec::new(),
            reply: Vec::new(),
        }
    }

    /// The two ends again.
    ///
    /// # Real-time
    ///
    /// No syscall, no allocation; frees the buffer of the replies.
    pub fn into_inner(self) -> (FrameConsumer, FrameProducer) {
        (self.requests, self.replies)
    }

    /// Answers requests until `is_over` says so, which is asked after each
    /// request and at least ten times a second. Clients may come and go.
    ///
    /// # Errors
    ///
    /// [`PopError::Superseded`] if a ring's name no longer refers to it and its client
    /// is gone, [`PopError::Corrupt`] if a ring is corrupt.
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

    /// Waits for a client, until the next look at whether to end.
    fn wait_for_client(&mut self) -> Result<(), PopError> {
        match self.requests.wait_for_peer_timeout(LOOK) {
            Ok(()) | Err(PeerError::TimedOut) => Ok(()),
            Err(PeerError::Superseded) => Err(PopError::Superseded),
            Err(PeerError::ReactorDied) => Err(PopError::ReactorDied),
        }
    }

    /// Waits for a request up to `timeout`, and answers it. The handler gets a private
    /// copy of the request, and appends its reply to an empty vector; its error goes to the
    /// client as text. If it panics the request stays. A request whose deadline
    /// is over is dropped, and so is a reply that finds no room until then.
    ///
    /// # Errors
    ///
    /// [`PopError::TimedOut`] if no request came in time; [`PopError::Abandoned`]
    /// if there are none and the client has closed or crashed;
    /// [`PopError::Superseded`] if, besides, a ring's name no longer refers to it;
    /// [`PopError::Corrupt`] if a ring is corrupt.
    ///
    /// # Real-time
    ///
    /// May sleep, and allocates.
    pub fn answer<E: Display>(
        &mut self,
        timeout: Duration,
        mut handler: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), PopError> {
        let request = self.requests.peek_timeout(timeout)?;
        self.request.clear();
        request.append_to(&mut self.request);
        let parts = split_word(&self.request)
            .and_then(|(id, rest)| split_word(rest).map(|(deadline, bytes)| (id, deadline, bytes)));
        // What is shorter than a header has no client that waits.
        if let Some((id, deadline, bytes)) = parts.filter(|&(_, deadline, _)| deadline > now()) {
            self.reply.clear();
            let kind = match handler(bytes, &mut self.reply) {
                Ok(()) => 0,
                Err(error) => refuse(&mut self.reply, &error),
            };
            send(&mut self.replies, id, kind, &mut self.reply, deadline)?;
        }
        request.release();
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
        timeout: Duration,
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
}

fn refuse(reply: &mut Vec<u8>, error: &impl Display) -> u32 {
    reply.clear();
    reply.extend_from_slice(error.to_string().as_bytes());
    REFUSED
}

/// Puts a reply into the ring, unless nobody waits for it any more.
fn send(
    replies: &mut FrameProducer,
    id: u64,
    mut kind: u32,
    reply: &mut Vec<u8>,
    deadline: u64,
) -> Result<(), PopError> {
    let max = replies.max_frame_len() - WORD;
    if reply.len() > max {
        let text = format!(
            "a reply of {} bytes does not fit into the ring",
            reply.len()
        );
        kind = refuse(reply, &text);
        reply.truncate(max);
    }
    let left = Duration::from_nanos(deadline.saturating_sub(now()));
    match replies.push_parts_timeout(kind, &[&id.to_le_bytes(), reply], left) {
        Err(ClaimError::Corrupt) => Err(PopError::Corrupt),
        // Nobody waits for this reply any more.
        _ => Ok(()),
    }
}
