//! What the four endpoints share: cursor, role, polls of the peer's position, and the two
//! waits.

mod groups;
pub(crate) mod inline_copy;
mod methods;
mod waits;

use core::fmt;
use core::ptr::NonNull;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::cursor::{Awaited, ReadCursor, TailLine, WriteCursor};
use crate::error::{Error, NoRoom, PopError, Role};
use crate::layout::Header;
use crate::peer::last_poll;
use crate::ring::{Description, RoleGuard, Shared};
use crate::slots::Lines;
use crate::sync::PLAIN;
use crate::wait::Pacing;

pub(crate) use self::methods::{open_methods, shared_methods, shared_traits};
pub(crate) use self::waits::wait_for_message;

/// An endpoint of a ring, with its cursor: [`WriteCursor`] or [`ReadCursor`].
pub(crate) struct Endpoint<C> {
    pub(crate) cursor: CachePadded<C>,
    pacing: Pacing,
    lines: Lines,
    data: NonNull<u8>,
    pub(crate) role: RoleGuard,
    /// Whether this endpoint was closed.
    pub(crate) closed: bool,
    #[cfg(test)]
    counts: Counts,
}

/// How often an endpoint performed actions that cost time and change no message.
#[cfg(test)]
#[derive(Debug, Default)]
struct Counts {
    polls: u64,
    /// Groups of units that were opened, and their lines.
    groups: u64,
    lines: u64,
    /// Slow paths of a wake, with a fence and a second load of the peer's word.
    slow_paths: u64,
}

// SAFETY: `data` points into memory that `role` keeps mapped, and that is bound to
// no thread.
unsafe impl<C: Send> Send for Endpoint<C> {}

/// One of the four public endpoints, for the waits.
pub(crate) trait End {
    type Cursor;
    fn endpoint(&self) -> &Endpoint<Self::Cursor>;
    fn endpoint_mut(&mut self) -> &mut Endpoint<Self::Cursor>;
}

impl<C> Endpoint<C> {
    fn new(shared: &Shared, shape: Description, role: RoleGuard, cursor: C) -> Self {
        Self {
            cursor: CachePadded::new(cursor),
            pacing: Pacing::new(shared.capacity(), shape.slot_size),
            lines: Lines::new(shape.slot_size as usize, shared.capacity()),
            data: shared.data(),
            role,
            closed: false,
            #[cfg(test)]
            counts: Counts::default(),
        }
    }

    /// The address of the byte at `offset` in the data. It is mapped if `offset` is
    /// below the data's length.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        self.data.as_ptr().wrapping_add(offset)
    }

    /// Whether a stream lasts: many of the last polls found more than one message, or room for
    /// more.
    pub(crate) fn is_stream(&self) -> bool {
        self.pacing.is_stream()
    }

    pub(crate) fn lines(&self) -> Lines {
        self.lines
    }

    /// Whether a consumer of this thread has polled an empty ring since the last question.
    pub(crate) fn was_idle(&mut self) -> bool {
        self.pacing.was_idle()
    }

    fn mark_closed(&mut self) {
        self.closed = true;
        self.role.close();
    }
}

impl Endpoint<WriteCursor> {
    pub(crate) fn producer(shared: &Arc<Shared>, shape: Description) -> Result<Self, Error> {
        let (role, cursor) = RoleGuard::take(shared, Role::Producer, |header| {
            let head = &header.consumer.head;
            let cursor = WriteCursor::resume(tail_line(header), head, shared.capacity())?;
            let position = cursor.position();
            shape.check_position("tail", position)?;
            Ok((cursor, position))
        })?;
        Ok(Self::new(shared, shape, role, cursor))
    }

    /// The units that the consumer has not released: a snapshot.
    pub(crate) fn len(&self) -> u64 {
        // Advice: without ordering, and possibly outdated.
        let head = self.role.header().consumer.head.load(PLAIN);
        let unread = self.cursor.position().wrapping_sub(head);
        unread.min(self.cursor.capacity())
    }

    /// The room that can be written, if it is at least `wanted`.
    #[inline(always)]
    pub(crate) fn room(&mut self, wanted: u64) -> Result<u64, NoRoom> {
        match self.cursor.room(wanted) {
            Some(room) => Ok(room),
            None => self.poll(wanted),
        }
    }

    /// Reads the head. `Full`, unless the consumer has closed: then its earlier releases
    /// still count.
    #[inline(never)]
    pub(crate) fn poll(&mut self, wanted: u64) -> Result<u64, NoRoom> {
        if self.closed && self.cursor.corruption().is_none() {
            return Err(NoRoom::Abandoned);
        }
        self.pacing.begin();
        match self.poll_head(wanted) {
            Ok(room) => {
                self.pacing.note_found();
                if room / 2 >= wanted {
                    self.pacing.crowded(room);
                } else {
                    self.pacing.lone(room);
                }
                self.role.found(self.cursor.position());
                Ok(room)
            }
            Err(NoRoom::Full) => {
                let has_left = |end: &mut Self| end.role.peer_closed();
                let left = last_poll(self, has_left, |end| end.poll_leftover(wanted));
                left.unwrap_or_else(|| {
                    self.pacing.record_empty();
                    Err(NoRoom::Full)
                })
            }
            other => other,
        }
    }

    #[inline(always)]
    fn poll_head(&mut self, wanted: u64) -> Result<u64, NoRoom> {
        let room = self.cursor.look(&self.role.header().consumer.head);
        let room = room.map_err(|_| NoRoom::Corrupt)?;
        if room < wanted {
            return Err(NoRoom::Full);
        }
        Ok(room)
    }

    /// The room that a closed or crashed consumer has released.
    #[cold]
    fn poll_leftover(&mut self, wanted: u64) -> Result<u64, NoRoom> {
        self.poll_head(wanted).map_err(|reason| match reason {
            NoRoom::Full => NoRoom::Abandoned,
            other => other,
        })
    }

    /// The error of a wait for a closed or crashed consumer.
    #[cold]
    pub(crate) fn abandoned(&self) -> NoRoom {
        if self.role.is_superseded() {
            NoRoom::Superseded
        } else {
            NoRoom::Abandoned
        }
    }

    /// The goal of a wait for `wanted` units of room.
    pub(crate) fn awaited(&self, wanted: u64) -> Awaited {
        self.cursor.awaited(wanted)
    }

    /// Publishes `units` that were written. A poisoned or closed endpoint has none. Returns
    /// `false` in a forked child, closes this endpoint there, and keeps its position.
    #[inline(always)]
    pub(crate) fn publish(&mut self, units: u64) -> bool {
        self.cursor.publish(units, tail_line(self.role.header()));
        self.moved(units)
    }

    /// [`publish`](Self::publish) of the next unit, which is open. The caller has loaded
    /// the position.
    #[inline(always)]
    pub(crate) fn publish_open(&mut self, position: u64) -> bool {
        let line = tail_line(self.role.header());
        self.cursor.publish_open(position, line);
        self.moved(1)
    }

    /// After the tail has moved by `units`: wakes the peer if its word requires it.
    #[inline(always)]
    pub(crate) fn moved(&mut self, units: u64) -> bool {
        match self.role.news() {
            None => true,
            Some(seen) => self.slow_path(seen, units),
        }
    }

    /// Wakes the peer if its word requires it. If the word is that of a forked child, the
    /// message is in a private copy, and the position moves back. Any process may write to a word,
    /// so the table of forks decides.
    #[cold]
    #[inline(never)]
    fn slow_path(&mut self, seen: u32, units: u64) -> bool {
        #[cfg(test)]
        {
            self.counts.slow_paths += 1;
        }
        self.role.slow_path(seen) || self.are_ours(units)
    }

    /// Whether another process sees the last `units`. In a forked child it takes them back.
    #[cold]
    #[inline(never)]
    fn are_ours(&mut self, units: u64) -> bool {
        let are_ours = self.is_ours();
        if !are_ours {
            self.cursor.take_back(units);
        }
        are_ours
    }

    /// Whether this is not a forked child. In a forked child it closes the endpoint.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_ours(&mut self) -> bool {
        let is_ours = !self.role.is_inherited();
        if !is_ours {
            self.close();
        }
        is_ours
    }

    /// Closes this endpoint and keeps the role. It has no room from now on, so that every
    /// later call polls and finds it closed.
    pub(crate) fn close(&mut self) {
        self.cursor.close();
        self.mark_closed();
    }
}

impl Endpoint<ReadCursor> {
    pub(crate) fn consumer(shared: &Arc<Shared>, shape: Description) -> Result<Self, Error> {
        let (role, cursor) = RoleGuard::take(shared, Role::Consumer, |header| {
            let (tail, head) = (&header.producer.tail, &header.consumer.head);
            let cursor = ReadCursor::resume(tail, head, shared.capacity())?;
            let position = cursor.position();
            shape.check_position("head", position)?;
            Ok((cursor, position))
        })?;
        Ok(Self::new(shared, shape, role, cursor))
    }

    /// The units that the producer has published and this endpoint has not released: a snapshot.
    pub(crate) fn len(&self) -> u64 {
        // Advice: without ordering, and possibly outdated.
        let tail = self.role.header().producer.tail.load(PLAIN);
        let unread = tail.wrapping_sub(self.cursor.position());
        unread.min(self.cursor.capacity())
    }

    /// Reads the tail: the units that can be read, at least `wanted`, or the error if there
    /// are fewer.
    #[inline(always)]
    pub(crate) fn poll(&mut self, wanted: u64) -> Result<u64, PopError> {
        #[cfg(test)]
        {
            self.counts.polls += 1;
        }
        self.pacing.begin();
        match self.poll_tail(wanted) {
            Ok(unread) => {
                self.role.found(self.cursor.position());
                Ok(unread)
            }
            Err(PopError::Empty) => self.nothing(wanted),
            other => other,
        }
    }

    #[inline(always)]
    fn poll_tail(&mut self, wanted: u64) -> Result<u64, PopError> {
        match self.cursor.look(&self.role.header().producer.tail) {
            Ok(unread) if unread >= wanted => Ok(unread),
            Ok(_) => Err(PopError::Empty),
            Err(_) => Err(PopError::Corrupt),
        }
    }

    /// `Empty`, unless one of the two endpoints is closed; then messages published before
    /// still count.
    #[inline]
    fn nothing(&mut self, wanted: u64) -> Result<u64, PopError> {
        Pacing::note_idle();
        if self.pacing.record_empty() {
            self.role.hint(true);
        }
        let has_left = |end: &mut Self| end.closed || end.role.peer_closed();
        last_poll(self, has_left, |end| end.poll_leftover(wanted)).unwrap_or(Err(PopError::Empty))
    }

    /// The units that a closed or crashed producer has published.
    #[cold]
    fn poll_leftover(&mut self, wanted: u64) -> Result<u64, PopError> {
        self.poll_tail(wanted).map_err(|reason| match reason {
            PopError::Empty => PopError::Abandoned,
            other => other,
        })
    }

    /// The last poll found a single message, of `unread` units.
    #[inline]
    pub(crate) fn lone(&mut self, unread: u64) {
        if self.pacing.lone(unread) {
            self.role.hint(true);
        }
    }

    /// The last poll found more than one message, `unread` units.
    #[inline]
    pub(crate) fn crowded(&mut self, unread: u64) {
        if self.pacing.crowded(unread) {
            self.role.hint(false);
        }
    }

    /// The error of a wait for a closed or crashed producer.
    #[cold]
    pub(crate) fn abandoned(&self) -> PopError {
        if self.role.is_superseded() {
            PopError::Superseded
        } else {
            PopError::Abandoned
        }
    }

    /// Closes this endpoint and keeps the role. Messages in the ring can still be read.
    pub(crate) fn close(&mut self) {
        self.mark_closed();
    }

    /// The goal of a wait for another message.
    pub(crate) fn awaited(&self) -> Awaited {
        self.cursor.awaited()
    }

    /// Releases `units` that were read.
    #[inline(always)]
    pub(crate) fn release(&mut self, units: u64) {
        self.cursor
            .release(units, &self.role.header().consumer.head);
        self.moved();
    }

    /// [`release`](Self::release) of the next unit, which is open. The caller has loaded
    /// the position.
    #[inline(always)]
    pub(crate) fn release_open(&mut self, position: u64) {
        self.cursor
            .release_open(position, &self.role.header().consumer.head);
        self.moved();
    }

    /// After a store of the head: wakes the peer if its word requires it.
    #[inline(always)]
    pub(crate) fn moved(&self) {
        if let Some(seen) = self.role.news() {
            self.slow_path(seen);
        }
    }

    /// Wakes the peer if its word requires it. In a forked child there is nothing to do.
    #[cold]
    #[inline(never)]
    fn slow_path(&self, seen: u32) {
        self.role.slow_path(seen);
    }
}

#[inline(always)]
fn tail_line(header: &Header) -> TailLine<'_> {
    let page = &header.producer;
    TailLine {
        tail: &page.tail,
        ride_position: &page.ride_position,
        ride: &page.ride,
    }
}

impl<C> fmt::Debug for Endpoint<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// Counts that show the optimisations at work. Endpoints that never fetch lines, never
/// request inline copies, always back off or never omit the fence also deliver every
/// message, but slowly.
#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    #[cfg(target_arch = "x86_64")]
    use crate::payload::WIDE;
    use crate::{
        Consumer, Fences, PopError, Producer, RingOptions, Select, SelectError, WaitStrategy,
    };

    const SLOTS: u64 = 1024;
    /// The number of messages after which an endpoint is AWAKE.
    const STRETCH: u64 = 1024;

    fn options() -> RingOptions {
        RingOptions::new(SLOTS)
    }

    fn pair(options: &RingOptions) -> (Producer<u64>, Consumer<u64>) {
        options.heap::<u64>().expect("a fitting capacity")
    }

    /// Sends this many bursts: the consumer finds all of each with one poll.
    fn stream(ends: &mut (Producer<u64>, Consumer<u64>), bursts: u64, burst: u64) {
        for _ in 0..bursts {
            for number in 0..burst {
                ends.0.try_push(number).expect("there is room");
            }
            for number in 0..burst {
                assert_eq!(ends.1.try_pop(), Ok(number));
            }
        }
    }

    /// Sends this many messages, for each of which the consumer waits; returns how many
    /// were also copied inline.
    fn one_by_one(ends: &mut (Producer<u64>, Consumer<u64>), messages: u64) -> u64 {
        let mut inline = 0;
        for _ in 0..messages {
            assert_eq!(ends.1.try_pop(), Err(PopError::Empty));
            inline += u64::from(copies_inline(ends));
        }
        inline
    }

    /// Whether the next message is also copied inline.
    fn copies_inline(ends: &mut (Producer<u64>, Consumer<u64>)) -> bool {
        ends.0.try_push(7).expect("there is room");
        let page = &ends.0.end.role.header().producer;
        let is_inline = page.ride_position.load(PLAIN) >> 1 == page.tail.load(PLAIN);
        assert_eq!(ends.1.try_pop(), Ok(7));
        is_inline
    }

    #[test]
    fn each_line_that_was_read_is_taken_once_in_groups() {
        // Lines in a group: a quarter of a small ring, at most 16.
        for (slots, group) in [(64, 2), (256, 8), (SLOTS, 16)] {
            let mut ends = pair(&RingOptions::new(slots));
            let lines = slots / 2 * 8 / 64;
            stream(&mut ends, 2, slots / 2);
            assert_eq!(ends.0.end.counts.groups, 0, "no line was read yet");
            stream(&mut ends, 30, slots / 2);
            assert_eq!(ends.0.end.counts.lines, 30 * lines);
            assert_eq!(ends.0.end.counts.groups, 30 * lines / group);
            assert_eq!(ends.1.end.counts.lines, 32 * lines);
            assert_eq!(ends.1.end.counts.groups, 32 * lines / group);
        }
    }

    #[test]
    fn a_consumer_far_behind_asks_for_no_lines() {
        let mut ends = pair(&RingOptions::new(4 * SLOTS));
        stream(&mut ends, 4, SLOTS);
        let groups = ends.1.end.counts.groups;
        assert_eq!(groups, 4 * SLOTS * 8 / 64 / 16);
        stream(&mut ends, 4, SLOTS + 1);
        assert_eq!(ends.1.end.counts.groups, groups);
    }

    #[test]
    fn batches_take_lines_in_a_ring_beyond_the_first_cache_and_open_nothing() {
        // No line has been read in the first lap.
        for (slots, batches, lines) in [(SLOTS, 100, 0), (8 * SLOTS, 128 + 100, 8 * 100)] {
            let (mut producer, mut consumer) = pair(&RingOptions::new(slots));
            for _ in 0..batches {
                assert_eq!(producer.try_push_slice(&[7; 64]), Ok(64));
                assert_eq!(consumer.try_pop_slice(&mut [0; 64]), Ok(64));
            }
            let taken = (producer.end.counts.lines, consumer.end.counts.lines);
            assert_eq!(taken, (lines, 0));
            assert!(!producer.end.cursor.is_open() && !consumer.end.cursor.is_open());
        }
    }

    #[test]
    fn a_long_frame_takes_its_lines_in_a_ring_beyond_the_first_cache_and_opens_nothing() {
        for (bytes, len, groups) in [
            (1 << 16, 1016, 100),
            (1 << 16, 257, 100),
            (1 << 16, 256, 0),
            (1 << 16, 4096, 0), // more lines than are taken
            (1 << 15, 1016, 0),
        ] {
            let (mut producer, mut consumer) =
                RingOptions::new(bytes).heap::<[u8]>().expect("a ring");
            let payload = vec![7; len];
            let mut groups_of = |laps: std::ops::Range<usize>| {
                let before = producer.endpoint().counts.groups;
                for frame in laps {
                    if frame % 2 == 0 {
                        producer.try_push(&payload).expect("there is room");
                    } else {
                        producer.claim(len).expect("there is room").commit();
                    }
                    consumer.try_peek().expect("a frame").release();
                }
                assert!(!producer.endpoint().cursor.is_open());
                producer.endpoint().counts.groups - before
            };
            let lap = bytes as usize / (len.next_multiple_of(8) + 8);
            assert_eq!(groups_of(0..lap), 0, "no line was read yet");
            groups_of(0..2);
            assert_eq!(groups_of(0..100), groups, "{len} bytes of {bytes}");
        }
    }

    #[test]
    fn an_empty_batch_touches_no_slot_of_a_full_ring() {
        let (mut producer, mut consumer) = pair(&RingOptions::new(8 * SLOTS));
        for _ in 0..8 {
            assert_eq!(producer.try_push_slice(&[7; SLOTS as usize]), Ok(1024));
            assert_eq!(consumer.try_pop_slice(&mut [0; SLOTS as usize]), Ok(1024));
        }
        for _ in 0..8 {
            assert_eq!(producer.try_push_slice(&[7; SLOTS as usize]), Ok(1024));
        }
        let lines = producer.end.counts.lines;
        assert_eq!(producer.try_push_slice(&[]), Ok(0));
        assert_eq!(producer.end.counts.lines, lines);
    }

    /// In a stream, an incomplete line is left for the next poll, unless there is nothing
    /// else.
    #[test]
    fn a_stream_moves_whole_lines_and_loses_no_scrap() {
        let mut ends = pair(&options());
        stream(&mut ends, 10, 64);
        let polls = ends.1.end.counts.polls;
        for number in 0..12 {
            ends.0.try_push(number).expect("there is room");
        }
        for number in 0..8 {
            assert_eq!(ends.1.try_pop(), Ok(number));
        }
        assert_eq!(ends.1.end.counts.polls, polls + 1);
        // Four are known. The other four of their line arrive in between.
        for number in 12..16 {
            ends.0.try_push(number).expect("there is room");
        }
        for number in 8..16 {
            assert_eq!(ends.1.try_pop(), Ok(number));
        }
        assert_eq!(ends.1.end.counts.polls, polls + 2);
        assert_eq!(ends.1.end.counts.groups, 10 + 2);
        // No more arrive: they are taken after one poll.
        for number in 0..3 {
            ends.0.try_push(number).expect("there is room");
        }
        for number in 0..3 {
            assert_eq!(ends.1.try_pop(), Ok(number));
        }
        assert_eq!(ends.1.end.counts.polls, polls + 3);
    }

    /// Of 64 slots: the producer's, whose next poll is after the end of a line.
    fn full() -> (Producer<u64>, Consumer<u64>) {
        let mut ends = pair(&RingOptions::new(64));
        (0..64).for_each(|number| ends.0.try_push(number).expect("there is room"));
        ends
    }

    fn pop(ends: &mut (Producer<u64>, Consumer<u64>), count: usize) {
        for _ in 0..count {
            ends.1.try_pop().expect("a record");
        }
    }

    fn push(ends: &mut (Producer<u64>, Consumer<u64>), count: u64) {
        (0..count).for_each(|number| ends.0.try_push(number).expect("there is room"));
    }

    #[test]
    fn a_producer_of_a_stream_finds_room_for_more_than_one_message() {
        for (room, is_stream) in [(1, false), (2, true), (3, true)] {
            let mut ends = full();
            for _ in 0..100 {
                pop(&mut ends, room);
                push(&mut ends, room as u64);
            }
            assert_eq!(ends.0.end.is_stream(), is_stream, "room for {room}");
        }
    }

    /// As `a_stream_moves_whole_lines_and_loses_no_scrap`, of the producer.
    #[test]
    fn only_a_producer_of_a_stream_polls_for_the_rest_of_a_line() {
        for (bursts, release, next, room) in [
            (10, 12, 4, 7), // four are known, and the rest of their line is free
            (1, 12, 4, 3),  // no stream
            (10, 16, 8, 7), // a whole line is known
        ] {
            let mut ends = full();
            for _ in 0..bursts {
                pop(&mut ends, 16);
                push(&mut ends, 16);
            }
            pop(&mut ends, release);
            push(&mut ends, 8);
            pop(&mut ends, next);
            push(&mut ends, 1);
            let known = ends.0.end.cursor.room(1);
            assert_eq!(known, Some(room), "{bursts} bursts, then {release}");
        }
    }

    #[test]
    fn only_an_endpoint_close_behind_a_stream_backs_off() {
        let mut far = pair(&options());
        stream(&mut far, 100, SLOTS / 2);
        assert_eq!(far.0.end.pacing.looked_away, 0);
        assert_eq!(far.1.end.pacing.looked_away, 0);

        let mut lone = pair(&options());
        one_by_one(&mut lone, 1000);
        assert_eq!(lone.0.end.pacing.looked_away, 0);
        assert_eq!(lone.1.end.pacing.looked_away, 0);

        // Before each poll except the first eight, at most 64 hints.
        let mut close = pair(&options());
        stream(&mut close, 1000, 2);
        let hints = close.1.end.pacing.looked_away;
        assert!((40 * 992..=64 * 992).contains(&hints), "{hints} hints");

        // Half of the ring is far, also in the smallest rings.
        let mut small = pair(&RingOptions::new(2));
        stream(&mut small, 1000, 2);
        assert_eq!(small.0.end.pacing.looked_away, 0);
        assert_eq!(small.1.end.pacing.looked_away, 0);
    }

    /// A thread that has waited fetches its next lines in advance; the thread of a stream
    /// fetches them when it needs them.
    #[test]
    fn lines_are_taken_after_a_message_only_by_a_thread_that_has_waited() {
        let options = RingOptions::new(64);
        let (mut producer, mut consumer) = options.heap::<[u64; 128]>().expect("a ring");
        // Until the consumer has set its hint, and the producer has seen it.
        for _ in 0..72 {
            assert!(consumer.try_pop().is_err());
            producer.try_push([7; 128]).expect("there is room");
            assert!(consumer.try_pop().is_ok());
        }
        assert!(producer.end.cursor.is_open(), "the thread has waited");
        let groups = producer.end.counts.groups;
        producer.try_push([7; 128]).expect("there is room");
        assert!(!producer.end.cursor.is_open(), "it has not waited");
        assert_eq!(producer.end.counts.groups, groups);
        producer.try_push([7; 128]).expect("there is room");
        assert_eq!(producer.end.counts.groups, groups + 1, "in a stream");
    }

    #[test]
    fn messages_that_are_waited_for_are_copied_inline_and_those_of_a_stream_are_not() {
        let mut ends = pair(&options());
        // The consumer sets its hint with the fourth, and the producer reads it with the
        // publish of the fifth.
        assert_eq!(one_by_one(&mut ends, 1000), 995);
        // Eight polls that find several messages clear it.
        stream(&mut ends, 16, 64);
        assert!(!copies_inline(&mut ends));
        // Batches set and clear it, too.
        for (burst, is_inline) in [(1, true), (2, false)] {
            for _ in 0..16 {
                assert_eq!(ends.1.try_pop_slice(&mut [0; 8]), Err(PopError::Empty));
                push(&mut ends, burst);
                assert_eq!(ends.1.try_pop_slice(&mut [0; 8]), Ok(burst as usize));
            }
            assert_eq!(copies_inline(&mut ends), is_inline, "{burst} in a batch");
        }
    }

    /// A long record and a long frame.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn long_messages_are_stored_with_wide_loads_while_the_consumer_waits() {
        let ring = RingOptions::new(64).heap::<[u64; 128]>();
        let (mut producer, mut consumer) = ring.expect("a ring");
        let frames = RingOptions::new(1 << 16).heap::<[u8]>();
        let (mut writer, mut reader) = frames.expect("a ring");
        let mut stored_wide = |consumer_waits: bool, rounds: usize| {
            let before = WIDE.get();
            for _ in 0..rounds {
                if consumer_waits {
                    assert!(consumer.try_pop().is_err() && reader.try_peek().is_err());
                }
                for _ in 0..if consumer_waits { 1 } else { 8 } {
                    producer.try_push([7; 128]).expect("there is room");
                    writer.try_push(&[7; 1024]).expect("there is room");
                }
                while consumer.try_pop().is_ok() {}
                while reader.try_peek().map(|frame| frame.release()).is_ok() {}
            }
            WIDE.get() - before
        };
        assert_eq!(stored_wide(false, 100), 0);
        // The hint is set after 64 empty polls at the latest.
        stored_wide(true, 72);
        assert_eq!(stored_wide(true, 100), 200);
        // A stream clears it.
        stored_wide(false, 72);
        assert_eq!(stored_wide(false, 100), 0);
    }

    /// How often each endpoint took the slow path of a wake: with a fence while its peer is
    /// not AWAKE.
    fn slow_paths(options: &RingOptions) -> (u64, u64) {
        let mut ends = pair(options);
        stream(&mut ends, 32, SLOTS / 2);
        (ends.0.end.counts.slow_paths, 32 * SLOTS / 2)
    }

    #[test]
    fn a_publish_to_a_working_peer_needs_no_fence() {
        // It never sleeps, and its word is AWAKE from the beginning.
        let (slow_paths_spin, _) = slow_paths(&options().wait_strategy(WaitStrategy::Spin));
        assert_eq!(slow_paths_spin, 0);
        // Each publish until the consumer has worked long enough, and one that reads AWAKE.
        let (slow_paths_park, messages) = slow_paths(&options());
        assert!(
            (1..=messages / 2).contains(&slow_paths_park) && slow_paths_park >= STRETCH,
            "{slow_paths_park} of {messages}"
        );
        let (slow_paths_symmetric, messages) = slow_paths(&options().fences(Fences::Symmetric));
        assert_eq!(slow_paths_symmetric, messages);
    }

    /// How much work follows a sleep until the endpoint is AWAKE again.
    fn slow_paths_after(sleep: impl FnOnce(&mut Consumer<u64>)) -> u64 {
        let mut ends = pair(&options().spin(Duration::ZERO));
        stream(&mut ends, 32, SLOTS / 2);
        let before = ends.0.end.counts.slow_paths;
        stream(&mut ends, 2, SLOTS / 2);
        assert_eq!(ends.0.end.counts.slow_paths, before);
        sleep(&mut ends.1);
        stream(&mut ends, 32, SLOTS / 2);
        ends.0.end.counts.slow_paths - before
    }

    #[test]
    fn an_endpoint_that_has_slept_grants_again_only_after_as_much_work() {
        let after = slow_paths_after(|consumer| {
            let slept = consumer.pop_timeout(Duration::from_millis(1));
            assert_eq!(slept, Err(PopError::TimedOut));
        });
        assert!((STRETCH..=STRETCH + SLOTS).contains(&after), "{after}");
    }

    #[test]
    fn an_endpoint_that_has_slept_in_a_select_grants_again_only_after_as_much_work() {
        let after = slow_paths_after(|consumer| {
            let slept = Select::new().wait(&mut [consumer.interest()], Duration::from_millis(1));
            assert!(matches!(slept, Err(SelectError::TimedOut)), "{slept:?}");
        });
        assert!((STRETCH..=STRETCH + SLOTS).contains(&after), "{after}");
    }
}
