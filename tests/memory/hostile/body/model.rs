//! The queue that a ring is as long as nothing else writes to its segment: what each call returns
//! then. How much room a message takes is computed from `layout.md`.

use std::collections::VecDeque;

use quoit::{ClaimError, Deadline, PopError};

use super::calls::Prey;
use super::memory::{RIDE_POSITION, TAIL};
use super::oracle::Scene;
use crate::common::calls::{Amount, Read, Wait, Way, Write, pop};
use crate::common::ends::End;

pub(crate) struct Model<T: Prey + ?Sized> {
    /// The messages that are not released, each with the units that it takes.
    queue: VecDeque<(T::Message, u64)>,
    capacity: u64,
    tail: u64,
    head: u64,
    /// The number of the next message.
    pub(crate) number: u64,
    /// Whether the producer and the consumer exist, and are not closed.
    pub(crate) are_open: [bool; 2],
}

impl<T: Prey + ?Sized> Model<T> {
    /// An empty ring.
    pub(crate) fn new(capacity: u64, first: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity,
            tail: first,
            head: first,
            number: 0,
            are_open: [true; 2],
        }
    }

    /// The units of all messages.
    pub(crate) fn unread(&self) -> u64 {
        self.queue.iter().map(|(_, units)| units).sum()
    }

    /// The units of a message with a payload of this length, without padding.
    fn size(len: usize) -> u64 {
        match T::HEADER {
            0 => 1,
            header => (header + len).next_multiple_of(header) as u64,
        }
    }

    /// The units of such a message if it begins this far after the tail, or the error if there is
    /// no room for it.
    pub(crate) fn room_for(&self, ahead: u64, len: usize) -> Result<u64, ClaimError> {
        let (size, max) = (Self::size(len), self.capacity as usize / 2 - T::HEADER);
        if T::HEADER > 0 && len > max {
            return Err(ClaimError::TooLong { max });
        }
        let units = self.units(ahead, size);
        let fits = self.unread() + ahead + units <= self.capacity;
        fits.then_some(units).ok_or(ClaimError::Full)
    }

    /// No frame is split: padding fills the lap.
    fn units(&self, ahead: u64, size: u64) -> u64 {
        let rest = self.capacity - self.tail.wrapping_add(ahead) % self.capacity;
        if size > rest { rest + size } else { size }
    }

    /// What a call returns, and the units of the messages that it publishes. `None` if it waits
    /// forever, or is not known.
    fn expected_write(
        &self,
        way: &Way<Write<T>>,
        messages: &[T::Message],
        manner: usize,
    ) -> Option<(Result<usize, ClaimError>, Vec<u64>)> {
        let name = way.name();
        if is_unknown(&name) {
            return None;
        }
        let (mut ahead, mut fitting, mut refusal) = (0, Vec::new(), None);
        let (is_batch, max) = (name.contains("FrameBatch"), self.capacity as usize);
        for message in messages {
            let len = T::bytes(message).len();
            let more = match way.amount == Amount::One && name.contains("claim") {
                true => T::claims_more(manner),
                false => 0,
            };
            match self.room_for(ahead, len + more) {
                // No consumer makes room for more than the ring holds.
                Err(ClaimError::Full)
                    if is_batch && ahead + self.units(ahead, Self::size(len)) > self.capacity =>
                {
                    refusal = Some(ClaimError::TooLong { max });
                }
                Ok(_) if !self.are_open[0] => refusal = Some(ClaimError::Abandoned),
                Err(ClaimError::Full) if self.are_open != [true; 2] => {
                    refusal = Some(ClaimError::Abandoned);
                }
                Err(error) => refusal = Some(error),
                Ok(claimed) => {
                    let units = claimed - Self::size(len + more) + Self::size(len);
                    ahead += units;
                    fitting.push(units);
                    continue;
                }
            }
            break;
        }
        if way.amount == Amount::AtOnce && messages.len() > max {
            (fitting, refusal) = (Vec::new(), Some(ClaimError::TooLong { max }));
        } else if way.amount == Amount::AtOnce && refusal.is_some() {
            fitting.clear();
        }
        let result = match (refusal, way.amount) {
            // A batch waits for room for each of its frames.
            (Some(ClaimError::Full), _)
                if is_endless(way.wait)
                    && (fitting.is_empty() || way.amount != Amount::UpTo || is_batch) =>
            {
                return None;
            }
            (Some(_), Amount::UpTo) if !fitting.is_empty() => Ok(fitting.len()),
            (Some(ClaimError::Full), _) if way.wait != Wait::Never => Err(ClaimError::TimedOut),
            (Some(error), _) => Err(error),
            (None, _) => Ok(fitting.len()),
        };
        Some((result, fitting))
    }

    /// What a call returns, and how many messages it takes. `None` if it waits forever, or is not
    /// known.
    fn expected_read(
        &self,
        way: &Way<Read<T>>,
        wanted: usize,
    ) -> Option<(Result<usize, PopError>, usize)> {
        let (name, max) = (way.name(), self.capacity as usize);
        if is_unknown(&name) {
            return None;
        }
        let is_latest = name.contains("latest");
        let wanted = if is_latest { usize::MAX } else { wanted };
        let there = wanted.min(self.queue.len());
        let no_message_comes = self.are_open != [true; 2];
        let is_enough = match way.amount {
            // A peek of zero records finds nothing.
            Amount::All | Amount::AtOnce => there == wanted && !self.queue.is_empty(),
            // An iterator ends at the last record.
            _ => there > 0,
        } || name == "iter" && there > 0 && no_message_comes;
        let error = match way.wait {
            _ if way.amount == Amount::AtOnce && wanted > max => PopError::TooMany { max },
            _ if is_enough => {
                let taken = there - usize::from(is_latest);
                return Some((Ok(taken), taken));
            }
            _ if no_message_comes => PopError::Abandoned,
            Wait::Never => PopError::Empty,
            wait if is_endless(wait) => return None,
            _ => PopError::TimedOut,
        };
        let taken = if way.amount == Amount::All { there } else { 0 };
        Some((Err(error), taken))
    }

    /// Makes a call that publishes, unless it waits forever. Counts how a message that was published
    /// alone was transferred.
    pub(crate) fn write(
        &mut self,
        way: &Way<Write<T>>,
        messages: Vec<T::Message>,
        manner: usize,
        Scene { memory, tally, .. }: &Scene,
        call: impl FnOnce(&[T::Message]) -> Result<usize, ClaimError>,
    ) {
        let Some((expected, units)) = self.expected_write(way, &messages, manner) else {
            return;
        };
        let (name, written) = (way.name(), call(&messages));
        let may_be_less = name.contains("Batch") || name.contains("claim_many");
        if manner % 2 == 0 || !may_be_less || expected.is_err() {
            assert_eq!(written, expected, "{name}");
        }
        let published = written.unwrap_or(units.len());
        assert!(published <= units.len(), "{name}");
        for (message, units) in messages.into_iter().zip(units).take(published) {
            let is_padded = units > Self::size(T::bytes(&message).len());
            tally.count("padded", is_padded);
            self.tail = self.tail.wrapping_add(units);
            self.queue.push_back((message, units));
        }
        if way.amount == Amount::One && published == 1 {
            let is_inline = memory.word(RIDE_POSITION) == memory.word(TAIL) << 1 | 1;
            tally.count("inline copy", is_inline);
            tally.count("no inline copy", !is_inline);
        }
    }

    /// Makes a call that takes messages, unless it waits forever.
    pub(crate) fn read(
        &mut self,
        way: &Way<Read<T>>,
        wanted: usize,
        call: impl FnOnce() -> (Result<usize, PopError>, Vec<T::Message>),
    ) {
        if let Some((expected, count)) = self.expected_read(way, wanted) {
            let (name, (read, taken)) = (way.name(), call());
            assert_eq!(read, expected, "{name}");
            let released = self.release(count);
            assert!(taken == released || name.contains("skip"), "{name}");
        }
    }

    /// Releases as many messages, and returns them.
    fn release(&mut self, count: usize) -> Vec<T::Message> {
        let head = &mut self.head;
        let released = self.queue.drain(..count).map(|(message, units)| {
            *head = head.wrapping_add(units);
            message
        });
        released.collect()
    }

    /// Takes everything, and then polls as often as a consumer that has caught up.
    pub(crate) fn catch_up(&mut self, consumer: &mut T::Consumer) {
        for message in self.release(self.queue.len()) {
            assert_eq!(pop::<T>(consumer, Wait::Never), Ok(message));
        }
        let none = if self.are_open == [true; 2] {
            PopError::Empty
        } else {
            PopError::Abandoned
        };
        for _ in 0..64 {
            assert_eq!(pop::<T>(consumer, Wait::Never), Err(none));
        }
    }

    /// Compares what the endpoints say.
    pub(crate) fn compare(&self, producer: Option<&T::Producer>, consumer: Option<&T::Consumer>) {
        let [producer_is_open, consumer_is_open] = self.are_open;
        if let Some(producer) = producer {
            self.compare_end(producer, self.tail, !consumer_is_open);
        }
        if let Some(consumer) = consumer {
            self.compare_end(consumer, self.head, !producer_is_open);
        }
        T::compare(self, producer, consumer);
    }

    fn compare_end(&self, end: &impl End, position: u64, is_abandoned: bool) {
        let (unread, capacity) = (self.unread(), self.capacity);
        let found = (end.position(), end.len(), end.capacity());
        assert_eq!(found, (position, unread, capacity));
        let found = (end.is_empty(), end.is_abandoned(), end.corruption());
        assert_eq!(found, (self.queue.is_empty(), is_abandoned, None));
    }
}

/// Whether the model does not know this call.
fn is_unknown(name: &str) -> bool {
    let unknown = ["select", "reader", "writer"];
    unknown.iter().any(|unknown| name.contains(unknown))
}

fn is_endless(wait: Wait) -> bool {
    [Wait::Forever, Wait::Until(Deadline::NEVER)].contains(&wait)
}
