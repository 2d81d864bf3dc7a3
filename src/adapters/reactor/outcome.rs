//! How a wait in the reactor ends.

use crate::wait::Ending;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters) enum Outcome {
    /// The peer changed the word; how the sleep ended.
    Reached(Ending),
    /// It is time for the liveness check.
    Expired,
    /// As `Expired`, but there was work, and no wake for it.
    Late,
    /// The thread has ended.
    ReactorDied,
}

impl Outcome {
    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Reached(ending) => ending,
            Self::Late => Ending::TimedOut {
                owed: 1,
                is_late: true,
            },
            Self::Expired | Self::ReactorDied => Ending::Untold,
        }
    }
}
