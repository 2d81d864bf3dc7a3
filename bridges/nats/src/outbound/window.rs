//! What was sent and not acknowledged.

use std::collections::VecDeque;

/// Messages that are copied from the ring at a time.
pub(super) const BATCH: usize = 64;

/// A message that was sent.
#[derive(Debug)]
struct Sent {
    /// The position after it.
    next: u64,
    len: usize,
}

/// What an acknowledgement releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Released {
    /// The position after it.
    pub(super) position: u64,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

/// The messages in flight, each with a number.
#[derive(Debug)]
pub(super) struct Window {
    most: usize,
    most_bytes: usize,
    /// The number of the oldest message.
    first: u64,
    flight: VecDeque<Sent>,
    bytes: usize,
}

impl Window {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most: most.max(1),
            most_bytes,
            first: 0,
            flight: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Has room for one message at a time from now on.
    pub(super) fn narrow(&mut self) {
        self.most = 1;
    }

    pub(super) fn len(&self) -> usize {
        self.flight.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flight.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        let fits = self.flight.is_empty() || self.bytes < self.most_bytes;
        self.flight.len() < self.most && fits
    }

    /// How many messages to copy now: about as many as have room.
    pub(super) fn wanted(&self) -> usize {
        let last = self.flight.back().map_or(0, |sent| sent.len).max(1);
        let left = self.most_bytes.saturating_sub(self.bytes) / last;
        let room = self.most - self.flight.len();
        // The first message says how long they are.
        let most = if self.flight.is_empty() { 1 } else { BATCH };
        room.min(left).clamp(1, most)
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.first + self.flight.len() as u64
    }

    /// A message was sent, with the next number.
    pub(super) fn push(&mut self, next: u64, len: usize) {
        self.flight.push_back(Sent { next, len });
        self.bytes += len;
    }

    /// Whether the message of this number is in flight.
    pub(super) fn has(&self, number: u64) -> bool {
        (self.first..self.next()).contains(&number)
    }

    /// The server has this message in flight, and therefore all before it.
    pub(super) fn acknowledge(&mut self, number: u64) -> Option<Released> {
        if !self.has(number) {
            return None;
        }
        let count = number - self.first + 1;
        let (mut position, mut bytes) = (0, 0);
        for sent in self.flight.drain(..count as usize) {
            position = sent.next;
            bytes += sent.len;
        }
        self.first = number + 1;
        self.bytes -= bytes;
        Some(Released {
            position,
            count,
            bytes: bytes as u64,
        })
    }

    /// Nothing is in flight.
    pub(super) fn clear(&mut self) {
        self.first = 0;
        self.flight.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_room_for_messages_and_for_bytes_or_one_message() {
        let mut window = Window::new(4, 100);
        assert_eq!(window.wanted(), 1, "of unknown length");
        window.push(8, 30);
        assert_eq!(window.wanted(), 2, "of 30 bytes in 70");
        window.push(16, 30);
        window.push(24, 50);
        assert!(!window.has_room(), "110 bytes");
        assert_eq!(
            window.acknowledge(1),
            Some(Released {
                position: 16,
                count: 2,
                bytes: 60
            })
        );
        for position in [32, 40, 48] {
            assert!(window.has_room());
            window.push(position, 1);
        }
        assert!(!window.has_room(), "4 messages");
        window.clear();
        window.push(8, 1000);
        assert!(!window.has_room(), "1000 bytes");
        window.clear();
        window.narrow();
        window.push(8, 1);
        assert!(!window.has_room(), "one at a time");
    }

    #[test]
    fn an_acknowledgement_of_another_number_releases_nothing() {
        let mut window = Window::new(4, 100);
        window.push(8, 1);
        window.push(16, 1);
        assert_eq!(window.acknowledge(2), None);
        assert!(window.acknowledge(0).is_some());
        assert_eq!(window.acknowledge(0), None);
        assert_eq!((window.len(), window.next()), (1, 2));
    }
}
