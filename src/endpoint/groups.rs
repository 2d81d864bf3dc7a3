//! Cache lines are fetched in groups.
//!
//! A store to a line that the other processor has read waits for that line, and later
//! stores wait too, because stores become visible in order. So an endpoint fetches several
//! of its lines together, before it needs the first one, and the transfers overlap.

use super::Endpoint;
use crate::cursor::{ReadCursor, WriteCursor};
use crate::deadline::Deadline;
use crate::error::NoRoom;
use crate::payload;

impl<C> Endpoint<C> {
    /// Calls `visit` with the address of a byte of each line of the `units` from the slot
    /// at `index` on.
    #[inline]
    fn for_each_line(&mut self, index: usize, units: u64, visit: impl Fn(*mut u8)) {
        #[cfg(test)]
        {
            self.counts.groups += 1;
            let lines = &mut self.counts.lines;
            self.lines.each(index, units, |_| *lines += 1);
        }
        let data = self.data.as_ptr();
        self.lines
            .each(index, units, |offset| visit(data.wrapping_add(offset)));
    }
}

impl Endpoint<WriteCursor> {
    /// Opens the next free units, at least one, up to a group of lines. Fetches their
    /// lines together, so that the transfers overlap. Otherwise each store would wait for
    /// its own line.
    #[cold]
    #[inline(never)]
    pub(crate) fn open_more(&mut self) -> Result<(), NoRoom> {
        let position = self.cursor.position();
        let known = match self.cursor.room(1) {
            // In the first lap no consumer has read them.
            Some(known) if !self.pacing.has_found() => {
                self.cursor.open(known);
                return Ok(());
            }
            // The consumer is reading the rest of this line.
            Some(known) if self.pacing.is_stream() && self.lines.is_scrap(position, known) => {
                self.poll(1)?
            }
            Some(known) => known,
            None => self.poll(1)?,
        };
        self.take_lines(self.lines.group(position, known));
        Ok(())
    }

    /// [`open_more`](Self::open_more) after a wait for room.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_and_open(&mut self, deadline: Deadline) -> Result<(), NoRoom> {
        self.wait(1, deadline)?;
        self.open_more()
    }

    /// Opens the next `units`, which are free, and fetches their lines.
    #[inline]
    fn take_lines(&mut self, units: u64) {
        self.take_closed(units);
        self.cursor.open(units);
    }

    /// Takes the lines of the next `units`, which are free, and opens none.
    #[inline]
    fn take_closed(&mut self, units: u64) {
        self.for_each_line(self.cursor.index(0), units, |address| {
            // SAFETY: the units are mapped, and the consumer has released them.
            unsafe { payload::take_line(address) };
        });
    }

    /// Before a batch or a long frame of `units`, which are free, is written: takes their
    /// lines, if the ring is so large that they have left the first cache. A store asks early
    /// enough for those that are still there.
    #[inline]
    pub(crate) fn prepare_long(&mut self, units: u64) {
        let is_worth = self.lines.outgrow_cache() && self.pacing.has_found();
        if is_worth && units > 0 && !self.lines.are_many(units) {
            self.take_closed(units);
        }
    }

    /// After the publish of a single message to a waiting consumer: fetches the lines of
    /// the next message, if it has the same length, during the transfer of this one.
    /// Returns `true`, so that a publish can end with it.
    #[inline(always)]
    pub(crate) fn prepare(&mut self, units: u64) -> bool {
        if self.role.peer_hint() && !self.cursor.has_open(units) {
            self.take_next(units)
        } else {
            true
        }
    }

    #[cold]
    #[inline(never)]
    fn take_next(&mut self, units: u64) -> bool {
        if !self.pacing.was_idle() || self.lines.are_many(units) {
            return true;
        }
        if let Some(known) = self.cursor.room(units) {
            let group = self.lines.group(self.cursor.position(), known);
            self.take_lines(group.max(units));
        }
        true
    }
}

impl Endpoint<ReadCursor> {
    /// Opens the next units that an earlier poll has found, up to a group of lines;
    /// returns whether there are any. Requests their lines together, so that the transfers
    /// overlap.
    #[inline]
    pub(crate) fn open_more(&mut self) -> bool {
        let (position, seen) = (self.cursor.position(), self.cursor.seen());
        if seen == 0 {
            return false;
        }
        // The producer is writing the rest of this line.
        if self.pacing.is_stream() && self.lines.is_scrap(position, seen) {
            return false;
        }
        self.open(seen);
        true
    }

    /// Opens some of the next `unread` units, or all of them if there are very many.
    #[inline]
    pub(crate) fn open(&mut self, unread: u64) {
        if self.lines.are_far(unread) {
            self.cursor.open(unread);
            return;
        }
        let units = self.lines.group(self.cursor.position(), unread);
        self.for_each_line(self.cursor.index(0), units, |address| {
            payload::prefetch(address);
        });
        self.cursor.open(units);
    }
}
