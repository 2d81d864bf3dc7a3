//! Positions: who may write where, and who may read what.
//!
//! The producer owns the *tail*, the next position to write; the consumer owns
//! the *head*, the next position to read. Both only grow, and each side keeps
//! its own in private memory: the shared word is the published copy. What lies
//! in `head..tail` may be read, what lies in `tail..head + capacity` may be
//! written (the queue of Lamport, 1983). A position counts slots or bytes, whatever the caller counts;
//! `position & (capacity - 1)` is the place in the ring.
//!
//! Each side keeps the last position that it saw of its peer and looks again
//! only when that one does not suffice (the cached indices of MCRingBuffer,
//! Lee et al., 2009). No value of the peer is believed before it is checked:
//! a position that moves backwards or further than the ring is long poisons
//! the cursor for good.
//!
//! # Open units
//!
//! Cache lines are taken in groups, because the transfers of a group overlap. So each
//! side also keeps a private *stop*: the units before it are *open*, which means that
//! they are this side's and that their lines were asked for. It holds
//! `position <= stop <= what is known`, so one comparison decides the hot path.
//! Whatever moves the position past the stop moves the stop with it.
//!
//! # The ride-along
//!
//! In a plain index ring the consumer waits for two dependent cache misses:
//! the tail's line, then the message's line. So a small message can also ride
//! in the tail's own line. The words are guarded like a sequence lock (with the
//! fences of Boehm, 2012): the ride's position names the tail that the words
//! belong to.
//!
//! ```text
//! producer                            consumer
//! ride_position = mark(new tail)      tail                     (READY)
//! fence                   (RIDE)      words
//! words                               fence                    (CHECK)
//! tail = new tail      (PUBLISH)      ride_position == mark(tail)?
//! ```
//!
//! If a word of a later ride was read, the two fences meet, and the position
//! of that later ride (or a later one still) is read too: the copy is refused
//! and the slot is read instead, which the producer fills in any case.
//!
//! This file makes no syscall and follows no pointer; `loom-tests/` compiles
//! it as it stands.

use super::error::Corrupt;
use super::sync::{
    AtomicU64, CHECK, FREE, PLAIN, PUBLISH, READY, RECLAIM, REUSE, RIDE, RIDING, fence,
};

/// Words that fit into the tail's line beside the tail and the ride's position.
pub(crate) const RIDE_WORDS: usize = 6;

/// The producer's cache line: only the producer stores to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TailLine<'a> {
    pub(crate) tail: &'a AtomicU64,
    pub(crate) ride_position: &'a AtomicU64,
    pub(crate) ride: &'a [AtomicU64; RIDE_WORDS],
}

/// What an end that waits needs of its peer's position. A value, fixed before the
/// second poll of a park: what polls for the end later compares with the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Any tail but this one.
    Message { seen: u64 },
    /// A head that leaves `wanted` units of room behind `position`.
    Room {
        position: u64,
        capacity: u64,
        wanted: u64,
    },
    /// No position: only the peer's state ends the wait.
    Nothing,
}

impl Awaited {
    /// Whether the peer's position is such. Advice: the cursor's own `look` comes next,
    /// checks the position, and orders what follows.
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
                // More than the ring holds is corrupt: `look` says so.
                room.is_none_or(|room| room >= wanted)
            }
            Self::Nothing => false,
        }
    }
}

/// The ride's position for a message that ends at `tail`. The lowest bit is
/// set so that no position looks like "no ride".
#[inline(always)]
fn mark(tail: u64) -> u64 {
    tail << 1 | 1
}

const NO_RIDE: u64 = 0;

/// The producer's view of both positions.
#[derive(Debug)]
pub(crate) struct WriteCursor {
    tail: u64,
    /// Where open units end.
    stop: u64,
    /// Where room ends: the head as last seen, which is never ahead of the real
    /// one, and a capacity.
    end: u64,
    /// The capacity less one.
    mask: u64,
    poison: Option<Corrupt>,
}

impl WriteCursor {
    /// Takes up the producer's role at the stored position. A ride that the
    /// predecessor left half made is cleared: it could carry the very position
    /// that its successor publishes without a ride.
    pub(crate) fn resume(
        line: TailLine<'_>,
        head: &AtomicU64,
        capacity: u64,
    ) -> Result<Self, Corrupt> {
        let tail = line.tail.load_own();
        // reclaim -> free: the slots behind this head are no longer read.
        let head = head.load(FREE);
        // copied -> overtaken: no payload is stored before this head was loaded.
        fence(REUSE);
        if tail.wrapping_sub(head) > capacity {
            return Err(Corrupt {
                field: "head",
                found: head,
            });
        }
        // ride -> check: ordered before the successor's first publish by PUBLISH.
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

    /// Opens the next `units`, which lie within the last `room`.
    #[inline(always)]
    pub(crate) fn open(&mut self, units: u64) {
        self.stop = self.tail.wrapping_add(units);
    }

    /// Units that can be written, as far as the last look tells, if they are at
    /// least `wanted`.
    #[inline(always)]
    pub(crate) fn room(&self, wanted: u64) -> Option<u64> {
        let room = self.end.wrapping_sub(self.tail);
        (wanted <= room).then_some(room)
    }

    /// What a wait for `wanted` units of room awaits.
    pub(crate) fn awaited(&self, wanted: u64) -> Awaited {
        Awaited::Room {
            position: self.tail,
            capacity: self.capacity(),
            wanted,
        }
    }

    /// Looks at the consumer's head; returns the units that can be written.
    #[inline]
    pub(crate) fn look(&mut self, head: &AtomicU64) -> Result<u64, Corrupt> {
        if let Some(poison) = self.poison {
            return Err(poison);
        }
        // reclaim -> free: the consumer has read what lies behind this head.
        let seen = head.load(FREE);
        // copied -> overtaken: as in `resume`.
        fence(REUSE);
        let unread = self.tail.wrapping_sub(seen);
        let end = seen.wrapping_add(self.capacity());
        // The head only grows, and so does the room.
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

    /// No room from now on, so that every later call comes to `look`.
    pub(crate) fn close(&mut self) {
        self.end = self.tail;
        self.stop = self.tail;
    }

    /// No room, and every later `look` answers the same.
    #[cold]
    fn poison(&mut self, found: u64) -> Corrupt {
        self.close();
        *self.poison.insert(Corrupt {
            field: "head",
            found,
        })
    }

    /// The place in the ring of the position that lies `ahead` units further.
    #[inline(always)]
    pub(crate) fn index(&self, ahead: usize) -> usize {
        self.index_of(self.tail.wrapping_add(ahead as u64))
    }

    /// The place in the ring of a position.
    #[inline(always)]
    pub(crate) fn index_of(&self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// Makes the next `units` visible. They lie within the last `room`.
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

    /// `publish` for one message that also rides in the tail's line.
    #[inline(always)]
    pub(crate) fn publish_riding(
        &mut self,
        units: u64,
        words: impl Iterator<Item = u64>,
        line: TailLine<'_>,
    ) {
        let tail = self.tail.wrapping_add(units);
        // ride -> check: the position goes ahead of its words ...
        line.ride_position.store(mark(tail), RIDING);
        // ... so that who reads a word also reads the position.
        fence(RIDE);
        for (slot, word) in line.ride.iter().zip(words) {
            // ride -> check: between the fence and the publish.
            slot.store(word, RIDING);
        }
        self.publish(units, line);
    }
}

/// The consumer's view of both positions.
#[derive(Debug)]
pub(crate) struct ReadCursor {
    head: u64,
    /// Where open units end.
    stop: u64,
    /// The tail as last seen. Never ahead of the real one.
    tail: u64,
    /// The capacity less one.
    mask: u64,
    poison: Option<Corrupt>,
}

impl ReadCursor {
    /// Takes up the consumer's role at the stored position.
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

    /// Opens the next `units`, which lie within `seen`.
    #[inline(always)]
    pub(crate) fn open(&mut self, units: u64) {
        self.stop = self.head.wrapping_add(units);
    }

    /// Units that can be read now and that an earlier look has seen.
    #[inline(always)]
    pub(crate) fn seen(&self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }

    /// What a wait for another message awaits.
    pub(crate) fn awaited(&self) -> Awaited {
        Awaited::Message { seen: self.tail }
    }

    /// Looks at the producer's tail; returns the units that can be read.
    #[inline(always)]
    pub(crate) fn look(&mut self, tail: &AtomicU64) -> Result<u64, Corrupt> {
        if let Some(poison) = self.poison {
            return Err(poison);
        }
        // publish -> ready: the bytes before this tail are whole.
        let seen = tail.load(READY);
        let unread = seen.wrapping_sub(self.head);
        // The tail only grows, and never further than the ring is long.
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

    /// Nothing to read from now on: every later `look` answers the same. What was found
    /// first counts.
    #[cold]
    pub(crate) fn poison(&mut self, field: &'static str, found: u64) -> Corrupt {
        self.tail = self.head;
        self.stop = self.head;
        *self.poison.get_or_insert(Corrupt { field, found })
    }

    /// Copies the ride into `words` and says whether it is the whole message
    /// that ends at the tail of the last look. Worth asking when that look has
    /// just fetched the line and found a single message.
    #[inline(always)]
    pub(crate) fn ride(&self, words: &mut [u64], line: TailLine<'_>) -> bool {
        for (word, slot) in words.iter_mut().zip(line.ride) {
            // ride -> check: perhaps torn; the position below tells.
            *word = slot.load(RIDING);
        }
        // ride -> check: no word above is newer than the position below.
        fence(CHECK);
        line.ride_position.load(RIDING) == mark(self.tail)
    }

    /// The place in the ring of the position that lies `ahead` units further.
    #[inline(always)]
    pub(crate) fn index(&self, ahead: usize) -> usize {
        self.index_of(self.head.wrapping_add(ahead as u64))
    }

    /// The place in the ring of a position.
    #[inline(always)]
    pub(crate) fn index_of(&self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// Gives the next `units` back to the producer. They lie within `seen`.
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
        // reclaim -> free: reading is over before the room is reused.
        head.store(position, RECLAIM);
    }
}
