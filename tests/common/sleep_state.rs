//! The sleep state in the header: counters, sleep words, flags.

use std::path::Path;
use std::sync::atomic::{Ordering, fence};

use quoit::Role;

use super::names::RingName;
use super::positions::ROLES;
use super::segment_file::{SegmentFile, position};

/// The place of an endpoint's sleep word.
fn word(role: Role) -> u64 {
    match role {
        Role::Consumer => 12288,
        Role::Producer => 12416,
    }
}

/// One endpoint's state word and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndState {
    /// Whether the endpoint's process is registered for barriers.
    pub(crate) registered: bool,
    pub(crate) parks: u64,
    pub(crate) wakes: u64,
    pub(crate) rescues: u64,
}

/// Both endpoints' states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SleepState {
    pub(crate) producer: EndState,
    pub(crate) consumer: EndState,
}

/// A ring's sleep state, read on demand.
pub(crate) struct SleepPage(SegmentFile);

impl SleepPage {
    pub(crate) fn open(path: &Path) -> Self {
        Self(SegmentFile::open(path))
    }

    pub(crate) fn read(&self) -> SleepState {
        SleepState {
            producer: self.of(Role::Producer),
            consumer: self.of(Role::Consumer),
        }
    }

    pub(crate) fn of(&self, role: Role) -> EndState {
        let state = position(role) + 128;
        EndState {
            registered: self.0.read(state + 8) >> 32 == 1,
            parks: self.0.read(state + 24),
            wakes: self.0.read(state + 32),
            rescues: self.0.read(state + 40),
        }
    }

    /// Whether the endpoint sleeps or is about to.
    pub(crate) fn is_parked(&self, role: Role) -> bool {
        self.0.read(word(role)) as u32 == 2
    }

    pub(crate) fn consumer_is_parked(&self) -> bool {
        self.is_parked(Role::Consumer)
    }

    pub(crate) fn producer_is_parked(&self) -> bool {
        self.is_parked(Role::Producer)
    }

    /// Whether the producer and the consumer are AWAKE: their peers then omit the fence.
    pub(crate) fn are_working(&self) -> [bool; 2] {
        ROLES.map(|role| self.0.read(word(role)) & 0xff == 1)
    }

    /// Ends a sleep as a waker does, and wakes no one.
    pub(crate) fn end_sleep(&self, role: Role) {
        fence(Ordering::SeqCst);
        if self.is_parked(role) {
            // Only the sleeper changes it at the same time, and only at a deadline.
            self.0.write_half(word(role), 0);
        }
    }
}

/// Only its peer has woken each endpoint of the ring.
pub(crate) fn assert_no_rescues(name: &RingName) {
    let state = SleepPage::open(&name.file()).read();
    assert_eq!(state.producer.rescues, 0, "the producer was rescued");
    assert_eq!(state.consumer.rescues, 0, "the consumer was rescued");
}
