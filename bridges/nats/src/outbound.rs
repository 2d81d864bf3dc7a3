//! From a ring to a stream.
//!
//! ```text
//! ring     | released | sent, not acknowledged | unread |
//!                     head                     next      tail
//! ```
//!
//! The bridge reads ahead of the head, and moves the head when the server has
//! acknowledged. A killed bridge therefore leaves in the ring what the server may not have,
//! and the next bridge sends that again.
//!
//! # Each message once, and in order
//!
//! Each message names the one before it, and the server stores it only after that one
//! (`Nats-Expected-Last-Msg-Id`, and for the first message after a pause
//! `Nats-Expected-Last-Subject-Sequence`). If a message is lost on the way, or the server
//! refuses it, the server refuses those after it too, so nothing is stored out of order.
//! The server recognises a message that arrives again by its id within the stream's
//! duplicate window, and after that by the message that it names. When an answer is missing
//! or is a refusal, the bridge asks for the last message of the subject. Its id gives the
//! position to continue at.

mod inbox;
mod options;
mod resume;
mod session;
mod window;

pub use self::options::Outbound;
use self::session::Session;
use crate::error::Error;
use crate::link::Link;
use crate::report::Report;
use crate::ring::Reader;
use crate::wire::{check_subject, matches};

impl Outbound {
    /// Moves what is in the ring, and what arrives later, until an error.
    ///
    /// Cancel safety: as after a kill, nothing is lost, and nothing arrives twice.
    ///
    /// # Errors
    ///
    /// [`Error`] says what to do. A server that does not answer for a while is not an error.
    pub async fn run(&self, link: &Link, report: &Report) -> Result<(), Error> {
        check_subject(&self.subject)?;
        let reader = Reader::open(&self.ring)?;
        let mut link = link.clone();
        let stream = link.stream(&self.stream, true).await?;
        let subjects = &stream.cached_info().config.subjects;
        if !subjects
            .iter()
            .any(|subject| matches(subject, &self.subject))
        {
            return Err(Error::Stream(format!(
                "the stream {} does not take the subject {}; it takes {}",
                self.stream,
                self.subject,
                subjects.join(", ")
            )));
        }
        if stream.cached_info().config.no_ack {
            return Err(Error::Stream(format!(
                "the stream {} acknowledges no message (no_ack), so it is unknown what it has; turn \
                 that off",
                self.stream
            )));
        }
        let session = Session::new(self, report, link, stream, reader).await?;
        session.run().await
    }
}
