//! One form of sleep: which endpoint sleeps, how it waits, on which doorbell, and with which
//! fences.

use std::time::Duration;

use quoit::{DoorbellKind, Fences, RingOptions, Role};

use crate::common::forbid::forbid;
use crate::common::positions::ROLES;

/// A kind of wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Plain,
    /// Together with an idle ring.
    Select,
    #[cfg(feature = "futures")]
    Async,
    Pollable,
}

/// Each with the doorbells that it can sleep on.
const WAYS: &[(Way, DoorbellKind)] = &[
    (Way::Plain, DoorbellKind::Futex),
    (Way::Plain, DoorbellKind::Semaphore),
    (Way::Select, DoorbellKind::Futex),
    #[cfg(feature = "futures")]
    (Way::Async, DoorbellKind::Futex),
    (Way::Pollable, DoorbellKind::Futex),
];

/// The fences, and which processes have barriers.
const FENCES: [&str; 4] = [
    "asymmetric",
    "symmetric",
    "no barriers",
    "no barriers at the sleeper",
];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) sleeper: Role,
    pub(crate) way: Way,
    doorbell: DoorbellKind,
    fences: &'static str,
}

impl Form {
    pub(crate) const CAPACITY: u64 = 2;

    /// All forms.
    pub(crate) fn all() -> Vec<Self> {
        let forms = ROLES.into_iter().flat_map(|sleeper| {
            WAYS.iter().flat_map(move |&(way, doorbell)| {
                FENCES.map(|fences| Self {
                    sleeper,
                    way,
                    doorbell,
                    fences,
                })
            })
        });
        forms.collect()
    }

    /// The forms with the default fences.
    pub(crate) fn usual() -> Vec<Self> {
        let is_usual = |form: &Self| form.fences == FENCES[0];
        Self::all().into_iter().filter(is_usual).collect()
    }

    /// Whether the endpoint can wait for a peer alone. The others report one in each wait.
    pub(crate) fn can_wait_for_peer(&self) -> bool {
        !matches!(self.way, Way::Select | Way::Pollable)
    }

    /// Options under which every wait goes to sleep at once.
    pub(crate) fn options(&self) -> RingOptions {
        let fences = match self.fences {
            "symmetric" => Fences::Symmetric,
            _ => Fences::Asymmetric,
        };
        RingOptions::new(Self::CAPACITY)
            .doorbell(self.doorbell)
            .fences(fences)
            .spin(Duration::ZERO)
    }

    /// Takes the barriers from the sleeper's process, or from another one.
    pub(crate) fn prepare(&self, is_sleeper: bool) {
        if self.fences == FENCES[2] || is_sleeper && self.fences == FENCES[3] {
            forbid(libc::SYS_membarrier);
        }
    }

    /// Whether the sleeper's process has barriers, and the kernel registers it for them.
    pub(crate) fn has_barriers(&self) -> bool {
        self.fences == FENCES[0]
    }

    /// How often the endpoint sleeps until a wake ends its sleep: without a barrier, the first sleep
    /// is short.
    pub(crate) fn first_parks(&self) -> u64 {
        1 + u64::from(self.fences.contains(FENCES[2]))
    }
}
