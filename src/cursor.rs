//! Positions: which endpoint may write or read which part of the ring.
//!
//! The producer owns the *tail*, the next position to write; the consumer owns the *head*,
//! the next position to read. Both only grow, and each side keeps its own in private
//! memory: the shared word is the published copy. The range `head..tail` may be read, the
//! range `tail..head + capacity` may be written (the queue of Lamport, 1983). A position
//! counts slots or bytes, as the caller does; `position & (capacity - 1)` is the place in
//! the ring.
//!
//! Each side caches the last position that it saw of its peer and polls again only when
//! that one does not suffice (the cached indices of MCRingBuffer, Lee et al., 2009). Every
//! value of the peer is checked before it is used: a position that moves backwards, or by
//! more than the length of the ring, poisons the cursor permanently.
//!
//! # Open units
//!
//! Cache lines are fetched in groups, because the transfers of a group overlap. So each
//! side also keeps a private *stop*: the units before it are *open*, which means that this
//! side owns them and has requested their lines. Always `position <= stop <= known units`,
//! so one comparison decides the hot path. Code that moves the position past the stop also
//! moves the stop.
//!
//! # The inline copy
//!
//! In a plain index ring the consumer waits for two dependent cache misses: the tail's
//! line, then the message's line. So a small message is also copied into the tail's own
//! line. A sequence lock guards the words (with the fences of Boehm, 2012): `ride_position`
//! is the mark of the tail that the words belong to.
//!
//! ```text
//! producer                            consumer
//! ride_position = mark(new tail)      tail                     (READY)
//! fence                   (RIDE)      words
//! words                               fence                    (CHECK)
//! tail = new tail      (PUBLISH)      ride_position == mark(tail)?
//! ```
//!
//! If the consumer reads a word of a later message, the two fences synchronize, and it also
//! reads the position of that message, or of a later one. Then it refuses the copy and
//! reads the slot, which the producer always fills.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles it unchanged.

use super::error::Corrupt;
use super::sync::{
    AtomicU64, CHECK, FREE, PLAIN, PUBLISH, READY, RECLAIM, REUSE, RIDE, RIDING, fence,
};

/// Words that fit into the tail's line next to the tail and `ride_position`.
pub(crate) const RIDE_WORDS: usize = 6;

/// The producer's cache line: only the producer stores to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailLine<'a> {
    pub(crate) tail: &'a AtomicU64,
    pub(crate) ride_position: &'a AtomicU64,
    pub(crate) ride: &'a [AtomicU64; RIDE_WORDS],
}

/// The position of the peer that a waiting endpoint needs. It is fixed before the second
/// poll of a park, so that later polls on its behalf compare with the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Any tail except this one.
    Message { seen: u64 },
    /// A head that leaves `wanted` units of room after `position`.
    Room {
        position: u64,
        capacity: u64,
        wanted: u64,
    },
    /// None: only the peer's state ends the wait.
    Nothing,
}

impl Awaited {
    /// Whether the peer's position is reached. Advice: the cursor's own `look` follows,
    /// checks the position, and orders later accesses.
    pub(crate) fn is_there(self, peer: &AtomicU64) -> bool {
        let found = peer.load(PLAIN);
        match self {
            Self::Message { seen } => found != seen,
            Self::Room {
                position,
                capacity,
                wanted,
            } => {
                let room = capacity.checked_sub(position.wrapping_sub(found));
                // More than the capacity is corrupt: `look` reports it.
                room.is_none_or(|room| room >= wanted)
            }
            Self::Nothing => false,
        }
    }
}

/// `ride_position` for a message that ends at `tail`. The lowest bit is set, so that no
/// position equals the mark of "no inline copy".
#[inline(always)]
fn mark(tail: u64) -> u64 {
    tail << 1 | 1
}

const NO_RIDE: u64 = 0;

/// The producer's view of both positions.
#[derive(Debug)]
pub(crate) struct WriteCursor {
    tail: u64,
    /// The end of the open units.
    stop: u64,
    /// The end of the room: the cached head, which is never ahead of the real one, plus the
    /// capacity.
    end: u64,
    /// The capacity minus one.
    mask: u64,
    poison: Option<Corrupt>,
}

impl WriteCursor {
    /// Takes the producer's role at the stored position. Clears an incomplete inline copy
    /// of the previous holder: its mark could be that of a position that this producer
    /// publishes without an inline copy.
    pub(crate) fn resume(
        line: TailLine<'_>,
        head: &AtomicU64,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        let tail = line.tail.load_own();
        // reclaim -> free: the slots before this head are no longer read.
        let head = head.load(FREE);
        // copied -> overtaken: no payload is stored before this head was loaded.
        fence(REUSE);
        if tail.wrapping_sub(head) > capacity {
            return Err(Corrupt {
                field: "head",
                found: head,
            });
        }
        // `ride -> check`: PUBLISH orders it before the first publish of this producer.
        line.ride_position.store(NO_RIDE, RIDING);
        Ok(Self {
            tail,
            stop: tail,
            end: head.wrapping_add(capacity),
            mask: capacity - 1,
            poison: None,
        })
    }

    /// The next position to write.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// Slots, or bytes for frames; a power of two.
    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Whether the next unit is open.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.stop != self.tail
    }

    /// Whether the next `units` are.
    #[inline(always)]
    pub(crate) fn has_open(&self, units: u64) -> bool {
        self.stop.wrapping_sub(self.tail) >= units
    }

    /// Opens the next `units`, which are within the last `room`.
    #[inline(always)]
    pub(crate) fn open(&mut self, units: u64) {
        self.stop = self.tail.wrapping_add(units);
    }

    /// Units that can be written according to the last poll, if they are at least `wanted`.
    #[inline(always)]
    pub(crate) fn room(&self, wanted: u64) -> Option<u64> {
        let room = self.end.wrapping_sub(self.tail);
        (wanted <= room).then_some(room)
    }

    /// The goal of a wait for `wanted` units of room.
    pub(crate) fn awaited(&self, wanted: u64) -> Awaited {
        Awaited::Room {
            position: self.tail,
            capacity: self.capacity(),
            wanted,
        }
    }

    /// Polls the consumer's head; returns the units that can be written.
    #[inline]
    pub(crate) fn look(&mut self, head: &AtomicU64) -> Result<u64, Corrupt> {
        if let Some(poison) = self.poison {
            return Err(poison);
        }
        // reclaim -> free: the consumer has read everything before this head.
        let seen = head.load(FREE);
        // copied -> overtaken: as in `resume`.
        fence(REUSE);
        let unread = self.tail.wrapping_sub(seen);
        let end = seen.wrapping_add(self.capacity());
        // The head only grows, and the room with it.
        let known = self.end.wrapping_sub(self.tail);
        if unread > self.capacity() || end.wrapping_sub(self.tail) < known {
            return Err(self.poison(seen));
        }
        self.end = end;
        Ok(self.capacity() - unread)
    }

    /// What poisoned this cursor.
    pub(crate) fn corruption(&self) -> Option<Corrupt> {
        self.poison
    }

    /// Removes all room, so that every later call reaches `look`.
    pub(crate) fn close(&mut self) {
        self.end = self.tail;
        self.stop = self.tail;
    }

    /// Moves back before the last `units`, and removes all room: in a forked child no other process
    /// sees them. The tail keeps its value, since a consumer of the same copy may have seen it.
    pub(crate) fn take_back(&mut self, units: u64) {
        self.tail = self.tail.wrapping_sub(units);
        self.close();
    }

    /// Removes all room; every later `look` returns the same.
    #[cold]
    fn poison(&mut self, found: u64) -> Corrupt {
        self.close();
        *self.poison.insert(Corrupt {
            field: "head",
            found,
        })
    }

    /// The place in the ring of the position `ahead` units further.
    #[inline(always)]
    pub(crate) fn index(&self, ahead: usize) -> usize {
        self.index_of(self.tail.wrapping_add(ahead as u64))
    }

    /// The place in the ring of a position.
    #[inline(always)]
    pub(crate) fn index_of(&self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// Makes the next `units` visible. They are within the last `room`.
    #[inline(always)]
    pub(crate) fn publish(&mut self, units: u64, line: TailLine<'_>) {
        let tail = self.tail.wrapping_add(units);
        if self.stop.wrapping_sub(self.tail) < units {
            self.stop = tail;
        }
        self.move_to(tail, line);
    }

    /// `publish` of the next unit, which is open. The caller has loaded the position.
    #[inline(always)]
    pub(crate) fn publish_open(&mut self, position: u64, line: TailLine<'_>) {
        self.move_to(position.wrapping_add(1), line);
    }

    #[inline(always)]
    fn move_to(&mut self, tail: u64, line: TailLine<'_>) {
        self.tail = tail;
        // publish -> ready: the bytes are visible before the position.
        line.tail.store(tail, PUBLISH);
    }

    /// `publish` for one message that is also copied into the tail's line.
    #[inline(always)]
    pub(crate) fn publish_inline(
        &mut self,
        units: u64,
        words: impl Iterator<Item = u64>,
        line: TailLine<'_>,
    ) {
        let tail = self.tail.wrapping_add(units);
        // `ride -> check`: the position precedes its words ...
        line.ride_position.store(mark(tail), RIDING);
        // ... so that a read of a word implies a read of the position.
        fence(RIDE);
        for (slot, word) in line.ride.iter().zip(words) {
            // `ride -> check`: between the fence and the publish.
            slot.store(word, RIDING);
        }
        self.publish(units, line);
    }
}

/// The consumer's view of both positions.
#[derive(Debug)]
pub(crate) struct ReadCursor {
    head: u64,
    /// The end of the open units.
    stop: u64,
    /// The cached tail, which is never ahead of the real one.
    tail: u64,
    /// The capacity minus one.
    mask: u64,
    poison: Option<Corrupt>,
}

impl ReadCursor {
    /// Takes the consumer's role at the stored position.
    pub(crate) fn resume(
        tail: &AtomicU64,
        head: &AtomicU64,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        let head = head.load_own();
        // publish -> ready: everything before this tail can be read.
        let tail = tail.load(READY);
        if tail.wrapping_sub(head) > capacity {
            return Err(Corrupt {
                field: "tail",
                found: tail,
            });
        }
        Ok(Self {
            head,
            stop: head,
            tail,
            mask: capacity - 1,
            poison: None,
        })
    }

    /// The next position to read.
    #[inline(always)]
    pub(crate) fn position(&self) -> u64 {
        self.head
    }

    /// Slots, or bytes for frames; a power of two.
    #[inline(always)]
    pub(crate) fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Whether the next unit is open.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        self.stop != self.head
    }

    /// Opens the next `units`, which are within `seen`.
    #[inline(always)]
    pub(crate) fn open(&mut self, units: u64) {
        self.stop = self.head.wrapping_add(units);
    }

    /// Units that can be read and that an earlier poll has found.
    #[inline(always)]
    pub(crate) fn seen(&self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }

    /// The goal of a wait for another message.
    pub(crate) fn awaited(&self) -> Awaited {
        Awaited::Message { seen: self.tail }
    }

    /// Polls the producer's tail; returns the units that can be read.
    #[inline(always)]
    pub(crate) fn look(&mut self, tail: &AtomicU64) -> Result<u64, Corrupt> {
        if let Some(poison) = self.poison {
            return Err(poison);
        }
        // publish -> ready: the bytes before this tail are whole.
        let seen = tail.load(READY);
        let unread = seen.wrapping_sub(self.head);
        // The tail only grows, and by at most the length of the ring.
        if unread > self.capacity() || unread < self.seen() {
            return Err(self.poison("tail", seen));
        }
        self.tail = seen;
        Ok(unread)
    }

    /// What poisoned this cursor.
    pub(crate) fn corruption(&self) -> Option<Corrupt> {
        self.poison
    }

    /// Removes all unread units: every later `look` returns the same. The first corruption
    /// counts.
    #[cold]
    pub(crate) fn poison(&mut self, field: &'static str, found: u64) -> Corrupt {
        self.tail = self.head;
        self.stop = self.head;
        *self.poison.get_or_insert(Corrupt { field, found })
    }

    /// Copies the inline copy into `words` and returns whether it is the whole message that
    /// ends at the tail of the last poll. Useful when that poll has just fetched the line
    /// and found a single message.
    #[inline(always)]
    pub(crate) fn inline_copy(&self, words: &mut [u64], line: TailLine<'_>) -> bool {
        for (word, slot) in words.iter_mut().zip(line.ride) {
            // `ride -> check`: possibly torn; the position below shows it.
            *word = slot.load(RIDING);
        }
        // `ride -> check`: no word above is newer than the position below.
        fence(CHECK);
        line.ride_position.load(RIDING) == mark(self.tail)
    }

    /// The place in the ring of the position `ahead` units further.
    #[inline(always)]
    pub(crate) fn index(&self, ahead: usize) -> usize {
        self.index_of(self.head.wrapping_add(ahead as u64))
    }

    /// The place in the ring of a position.
    #[inline(always)]
    pub(crate) fn index_of(&self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// Returns the next `units` to the producer. They are within `seen`.
    #[inline(always)]
    pub(crate) fn release(&mut self, units: u64, head: &AtomicU64) {
        let position = self.head.wrapping_add(units);
        if self.stop.wrapping_sub(self.head) < units {
            self.stop = position;
        }
        self.move_to(position, head);
    }

    /// `release` of the next unit, which is open. The caller has loaded the position.
    #[inline(always)]
    pub(crate) fn release_open(&mut self, position: u64, head: &AtomicU64) {
        self.move_to(position.wrapping_add(1), head);
    }

    #[inline(always)]
    fn move_to(&mut self, position: u64, head: &AtomicU64) {
        self.head = position;
        // reclaim -> free: the reads end before the room is reused.
        head.store(position, RECLAIM);
    }
}
