//! The sleep state in the header: counters, sleep words, flags.

use std::path::Path;
use std::sync::atomic::{Ordering, fence};

use quoit::Role;

use super::names::RingName;
use super::segment_file::SegmentFile;

const PRODUCER: u64 = 4224;
const CONSUMER: u64 = 8320;
const CONSUMER_WORD: u64 = 12288;
const PRODUCER_WORD: u64 = 12416;

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
            producer: self.end(PRODUCER),
            consumer: self.end(CONSUMER),
        }
    }

    pub(crate) fn of(&self, role: Role) -> EndState {
        match role {
            Role::Producer => self.end(PRODUCER),
            Role::Consumer => self.end(CONSUMER),
        }
    }

    /// Whether the endpoint sleeps or is about to.
    pub(crate) fn is_parked(&self, role: Role) -> bool {
        match role {
            Role::Producer => self.producer_is_parked(),
            Role::Consumer => self.consumer_is_parked(),
        }
    }

    fn end(&self, page: u64) -> EndState {
        EndState {
            registered: self.0.read(page + 8) >> 32 == 1,
            parks: self.0.read(page + 24),
            wakes: self.0.read(page + 32),
            rescues: self.0.read(page + 40),
        }
    }

    /// Whether the producer and the consumer are AWAKE: their peers then omit the fence.
    pub(crate) fn are_working(&self) -> [bool; 2] {
        [PRODUCER_WORD, CONSUMER_WORD].map(|word| self.0.read(word) & 0xff == 1)
    }

    /// Ends a sleep as a waker does, and wakes no one.
    pub(crate) fn end_sleep(&self, role: Role) {
        let word = match role {
            Role::Producer => PRODUCER_WORD,
            Role::Consumer => CONSUMER_WORD,
        };
        fence(Ordering::SeqCst);
        if self.is_parked(role) {
            // Only the sleeper changes it at the same time, and only at a deadline.
            self.0.write_half(word, 0);
        }
    }

    /// Whether the consumer sleeps or is about to.
    pub(crate) fn consumer_is_parked(&self) -> bool {
        self.0.read(CONSUMER_WORD) as u32 == 2
    }

    /// Whether the producer sleeps or is about to.
    pub(crate) fn producer_is_parked(&self) -> bool {
        self.0.read(PRODUCER_WORD) as u32 == 2
    }
}

/// Only its peer has woken each endpoint of the ring.
pub(crate) fn assert_no_rescues(name: &RingName) {
    let state = SleepPage::open(&name.file()).read();
    assert_eq!(state.producer.rescues, 0, "the producer was rescued");
    assert_eq!(state.consumer.rescues, 0, "the consumer was rescued");
}
