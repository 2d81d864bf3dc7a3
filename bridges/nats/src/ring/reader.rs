//! The endpoint that reads.

use std::fmt;
use std::io;

use quoit::observer::{Message, RingInfo};
use quoit::raw::{RawConsumer, Reachable};
use quoit::{Observer, PopError};

use super::{Bell, RingChoice, ring_bell, store};
use crate::error::Error;

/// What a wait for a message has ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// There is one.
    Message,
    /// The producer has closed or crashed, and no other one can attach: the ring has lost its name.
    Superseded,
}

/// A consumer that reads ahead of what it releases.
///
/// The endpoint's private position is what was read, the shared head is what was
/// released. The distance is the window: the ring keeps what a killed process has not
/// released.
pub(crate) struct Reader {
    bell: Option<Bell>,
    end: Reachable<RawConsumer>,
    observer: Observer,
    /// The shared head.
    head: u64,
    /// The position to read at.
    next: u64,
}

impl Reader {
    pub(crate) fn open(choice: &RingChoice) -> Result<Self, Error> {
        let (ring, observer) = choice.open()?;
        let end = ring
            .consumer()
            .map_err(|source| Error::ring(choice.text(), source))?;
        let head = end.position();
        Ok(Self {
            bell: None,
            end: Reachable::new(end),
            observer,
            head,
            next: head,
        })
    }

    pub(crate) fn info(&self) -> RingInfo {
        self.observer.info()
    }

    /// What is released.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// What the producer has published.
    pub(crate) fn tail(&self) -> u64 {
        self.observer.positions().tail
    }

    /// Reads up to `most` messages, and releases nothing; how many there were.
    pub(crate) fn read(
        &mut self,
        most: usize,
        mut see: impl FnMut(Message),
    ) -> Result<usize, Error> {
        let mut next = self.next;
        let read = self.observer.unread_from(next, most, |message| {
            next = message.next;
            see(message);
        });
        self.next = next;
        read.map_err(|source| Error::ring(self.observer.name(), source))
    }

    /// Goes back to what is not released.
    pub(crate) fn rewind(&mut self) {
        self.next = self.head;
    }

    /// Releases what lies before this position, and was read.
    pub(crate) fn release(&mut self, position: u64) -> Result<(), Error> {
        // Before there is more room: the endpoint's position is never less than the head, or
        // the producer would seem to be more than a ring ahead of it.
        self.follow().map_err(|error| self.failed(error))?;
        self.head = position;
        let end = self.end.get();
        store(end.words().own, position);
        end.moved();
        Ok(())
    }

    /// Waits until there is a message that was not read.
    ///
    /// Cancel safety: nothing is read.
    pub(crate) async fn arrival(&mut self) -> Result<Arrival, Error> {
        loop {
            match self.poll() {
                Ok(()) => return Ok(Arrival::Message),
                Err(PopError::Empty) => {}
                Err(PopError::Abandoned) if !self.end.get().is_superseded() => {}
                Err(PopError::Abandoned) => return Ok(Arrival::Superseded),
                Err(error) => return Err(self.failed(error)),
            }
            let armed = self.end.arm(1);
            let wait = match armed {
                Ok(descriptor) => ring_bell(&mut self.bell, descriptor).await,
                Err(error) => Err(io::Error::other(error)),
            };
            wait.map_err(|source| Error::wait(self.observer.name(), source))?;
        }
    }

    /// Whether there is a message at `next`.
    fn poll(&mut self) -> Result<(), PopError> {
        self.follow()?;
        self.end.get().poll(1, None).map(drop)
    }

    /// Moves the endpoint's position to `next`.
    fn follow(&mut self) -> Result<(), PopError> {
        let end = self.end.get();
        let ahead = self.next.wrapping_sub(end.position());
        // The endpoint sees the tail that the observer has seen before it follows.
        if ahead != 0 && ahead <= end.capacity() {
            end.poll(ahead, None)?;
        }
        end.follow(self.next);
        Ok(())
    }

    fn failed(&mut self, error: PopError) -> Error {
        let why = match self.end.get().corruption() {
            Some(corrupt) => quoit::Error::from(corrupt).to_string(),
            None => error.to_string(),
        };
        Error::Failed(self.observer.name().to_owned(), why)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("head", &self.head)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
