//! Input bytes, used as choices.

use std::rc::Rc;
use std::time::Duration;

/// The remaining bytes of an execution. When there are none left, every choice is the first
/// one.
#[derive(Clone, Default)]
pub(crate) struct Choices {
    bytes: Rc<[u8]>,
    next: usize,
}

impl Choices {
    pub(crate) fn new(bytes: impl Into<Rc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { bytes, next: 0 }
    }

    pub(crate) fn are_over(&self) -> bool {
        self.next == self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.next).copied();
        self.next += usize::from(byte.is_some());
        byte.unwrap_or(0)
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

    pub(crate) fn half(&mut self) -> usize {
        u16::from_le_bytes([self.byte(), self.byte()]).into()
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
