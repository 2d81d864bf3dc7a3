//! The message: a number, some content, and a checksum over both.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Result;

/// The schema tag of this record. Change it with the record.
pub(crate) const SCHEMA: &str = "message/1";

/// A record of 32 bytes: any type with these derives can be one.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Message {
    number: u64,
    content: [u64; 2],
    checksum: u64,
}

impl Message {
    /// The message with this number.
    #[inline]
    pub(crate) fn numbered(number: u64) -> Self {
        let mut message = Self {
            number,
            content: [scramble(number), scramble(!number)],
            checksum: 0,
        };
        message.checksum = message.sum();
        message
    }

    /// The message's number, if it is whole.
    #[inline]
    pub(crate) fn number(&self) -> Option<u64> {
        (self.checksum == self.sum()).then_some(self.number)
    }

    /// Fails if it is not the message with this number, or not whole.
    pub(crate) fn check(&self, number: u64) -> Result<()> {
        match self.number() {
            Some(found) if found == number => Ok(()),
            Some(found) => Err(format!("record {found} is in place of record {number}").into()),
            None => Err(format!("record {number} is not whole").into()),
        }
    }

    /// The checksum, shortened for display.
    pub(crate) fn short_checksum(&self) -> u32 {
        self.checksum as u32
    }

    /// It notices a wrong word, and words in the wrong order.
    #[inline]
    fn sum(&self) -> u64 {
        let mix =
            |sum: u64, word: u64| (sum.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        let [first, second] = self.content;
        [self.number, first, second, 0].into_iter().fold(24, mix)
    }
}

/// A word that looks nothing like `number`.
#[inline]
pub(crate) fn scramble(number: u64) -> u64 {
    let word = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^ word >> 31
}
