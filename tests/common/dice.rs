//! Pseudo-random numbers, the same ones for the same seed.

use super::sample::mix;

/// The seed, incremented with each call.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `choices` that differs from call to call.
    pub(crate) fn roll(&mut self, choices: u64) -> usize {
        self.0 = self.0.wrapping_add(1);
        (mix(self.0) % choices) as usize
    }
}
