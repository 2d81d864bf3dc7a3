//! Checks that every message arrived once, in order and whole.

use std::fmt;

/// Compares messages with the expected next numbers.
#[derive(Default)]
pub(crate) struct Check {
    /// The number that comes next.
    pub(crate) next: u64,
    pub(crate) verified: u64,
    pub(crate) lost: u64,
    pub(crate) torn: u64,
    pub(crate) repeated: u64,
}

impl Check {
    /// Takes a message's number, or `None` if the message is torn.
    #[inline]
    pub(crate) fn take(&mut self, number: Option<u64>) {
        match number {
            None => self.torn += 1,
            Some(number) if number < self.next => {
                self.repeated += 1;
                return;
            }
            Some(number) => {
                self.lost += number - self.next;
                self.verified += 1;
                self.next = number;
            }
        }
        self.next += 1;
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.torn == 0 && self.repeated == 0
    }
}

/// The flaws only.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lost, {} torn", self.lost, self.torn)?;
        if self.repeated > 0 {
            write!(f, ", {} repeated", self.repeated)?;
        }
        Ok(())
    }
}
