//! Messages that are computed from a number, in both shapes.

use quoit::{Consumer, FrameConsumer};

use crate::common::calls::Calls;
use crate::common::sample::{Words, bytes, mix};

/// A shape of messages.
pub(crate) trait Messages: Calls {
    const NAME: &'static str;
    /// Slots or bytes.
    const CAPACITY: u64;
    /// The calls of the other shape.
    const LACKS: &'static [&'static str];

    /// The message with this number.
    fn of(number: u64) -> Self::Message;

    fn skip(consumer: &mut Self::Consumer);
}

/// Records that have inline copies.
pub(crate) type Record = Words<3>;

impl Messages for Record {
    const NAME: &'static str = "records";
    const CAPACITY: u64 = 4;
    const LACKS: &'static [&'static str] = &["try_FrameBatch::claim", "try_drain"];

    fn of(number: u64) -> Record {
        Words([number, mix(number), !number])
    }

    fn skip(consumer: &mut Consumer<Record>) {
        assert_eq!(consumer.skip(1), Ok(1));
    }
}

/// Frames of several lengths: short ones with inline copies, and a longer one.
impl Messages for [u8] {
    const NAME: &'static str = "frames";
    const CAPACITY: u64 = 256;
    const LACKS: &'static [&'static str] = &["try_iter"];

    fn of(number: u64) -> (u32, Vec<u8>) {
        let len = [0, 5, 32, 92][(number % 4) as usize];
        (0, [&number.to_le_bytes()[..], &bytes(number, len)].concat())
    }

    fn skip(consumer: &mut FrameConsumer) {
        assert_eq!(consumer.skip(1), Ok(1));
    }
}
