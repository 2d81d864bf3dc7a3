//! The messages of a ring, as a queue.

use std::collections::VecDeque;

/// The published messages that are not released, each with the units that it takes.
pub(crate) struct Queue<M> {
    messages: VecDeque<(M, u64)>,
    capacity: u64,
    pub(crate) tail: u64,
    pub(crate) head: u64,
}

impl<M> Queue<M> {
    pub(crate) fn new(capacity: u64, first_position: u64) -> Self {
        Self {
            messages: VecDeque::new(),
            capacity,
            tail: first_position,
            head: first_position,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &M> {
        self.messages.iter().map(|(message, _)| message)
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The units of all messages.
    pub(crate) fn unread(&self) -> u64 {
        self.messages.iter().map(|(_, units)| units).sum()
    }

    pub(crate) fn publish(&mut self, message: M, units: u64) {
        self.tail = self.tail.wrapping_add(units);
        self.messages.push_back((message, units));
    }

    pub(crate) fn release(&mut self, count: usize) {
        for (_, units) in self.messages.drain(..count) {
            self.head = self.head.wrapping_add(units);
        }
    }
}
