//! The copy of a short message in the tail's own line.

use super::{Endpoint, tail_line};
use crate::cursor::{RIDE_WORDS, ReadCursor, WriteCursor};
use crate::layout::FRAME_HEADER;

/// Bytes of the longest payload that is also copied inline, after its header.
pub(crate) const SHORT_FRAME: usize = RIDE_WORDS * 8 - FRAME_HEADER as usize;

/// A private copy of the message at `position`, kept until its release: a second
/// peek cannot differ from the first.
#[derive(Debug, Default)]
pub(crate) struct InlineCopy {
    pub(crate) position: Option<u64>,
    pub(crate) words: [u64; RIDE_WORDS],
}

impl Endpoint<WriteCursor> {
    /// [`publish`](Self::publish) for one message that is also copied into the tail's line.
    #[inline(always)]
    pub(crate) fn publish_inline(&mut self, units: u64, words: impl Iterator<Item = u64>) -> bool {
        let line = tail_line(self.role.header());
        self.cursor.publish_inline(units, words, line);
        self.moved(units)
    }
}

impl Endpoint<ReadCursor> {
    /// Takes the inline copy, if it is the message that ends at the tail of the last
    /// poll.
    #[inline(always)]
    pub(crate) fn take_inline(&self, words: &mut [u64]) -> bool {
        self.cursor
            .inline_copy(words, tail_line(self.role.header()))
    }
}
