//! One form of sleep.

use std::time::Duration;

use quoit::{DoorbellKind, Fences, RingOptions, Role};

use super::waits::Way;
use crate::common::forbid::forbid;

/// The words for the fences.
pub(crate) const FENCES: [&str; 3] = ["asymmetric", "symmetric", "no-membarrier"];

/// Which endpoint sleeps, how it waits, and on which doorbell.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) sleeper: Role,
    pub(crate) way: Way,
    pub(crate) doorbell: DoorbellKind,
    fences: &'static str,
}

impl Form {
    /// All forms. Only plain endpoints sleep on semaphores.
    pub(crate) fn all() -> Vec<Self> {
        let mut forms = Vec::new();
        for sleeper in [Role::Consumer, Role::Producer] {
            for &(way, doorbell) in Way::ALL {
                forms.extend(FENCES.map(|fences| Self {
                    sleeper,
                    way,
                    doorbell,
                    fences,
                }));
            }
        }
        forms
    }

    /// The forms with the default fences.
    pub(crate) fn usual() -> Vec<Self> {
        let mut forms = Self::all();
        forms.retain(|form| form.fences == FENCES[0]);
        forms
    }

    /// Options under which every wait goes to sleep at once. A producer waits
    /// for room if the ring holds one message.
    pub(crate) fn options(&self) -> RingOptions {
        let capacity = match self.sleeper {
            Role::Producer => 1,
            _ => 64,
        };
        let fences = match self.fences {
            "symmetric" => Fences::Symmetric,
            _ => Fences::Asymmetric,
        };
        RingOptions::new(capacity)
            .doorbell(self.doorbell)
            .fences(fences)
            .spin(Duration::ZERO)
    }

    /// In a child: sets up the kernel that the form needs.
    pub(crate) fn prepare(&self) {
        if self.fences == "no-membarrier" {
            forbid(libc::SYS_membarrier);
        }
    }

    /// Whether the endpoints' processes are registered for barriers.
    pub(crate) fn has_barriers(&self) -> bool {
        self.fences == FENCES[0]
    }
}
