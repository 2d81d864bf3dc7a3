//! Input bytes, used as choices.

use std::time::Duration;

/// The remaining bytes of an execution. When there are none left, every choice is the first
/// one.
#[derive(Clone)]
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    pub(crate) fn half(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A value near `word`.
    pub(crate) fn near(&mut self, word: u64) -> u64 {
        word.wrapping_add_signed(i64::from(self.byte() as i8))
    }

    /// Almost always zero; otherwise enough for a short sleep.
    pub(crate) fn timeout(&mut self) -> Duration {
        let sleeps = self.below(16) == 15;
        Duration::from_micros(sleeps.into())
    }
}
