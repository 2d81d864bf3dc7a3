//! The pace of a waker: one message for each sleep.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use quoit::Role;

use super::form::Form;
use crate::common::clock::until;
use crate::common::dice::Dice;
use crate::common::names::RingName;
use crate::common::sleep_state::SleepPage;
use crate::common::threads::tasks;

/// One message of this many is sent as soon as the sleeper's word is parked: the sleeper
/// may be between its word and its sleep.
const HASTY: u64 = 4;

/// A waker's view of the sleeper.
pub(crate) struct Pace {
    /// The number of messages that were sent while the sleeper slept in the kernel.
    pub(crate) sleeping: u64,
    /// Its process and its role.
    pub(crate) sleeper: u32,
    role: Role,
    page: SleepPage,
    dice: Dice,
}

impl Pace {
    pub(crate) fn new(form: &Form, name: &RingName, sleeper: u32) -> Self {
        Self {
            sleeping: 0,
            sleeper,
            role: form.sleeper,
            page: SleepPage::open(&name.file()),
            dice: Dice(1),
        }
    }

    /// Returns when the next message is due: the sleeper sleeps, or is about to.
    pub(crate) fn pass(&mut self) {
        until("the sleeper sleeps", || self.page.is_parked(self.role));
        if self.dice.roll(HASTY) == 0 {
            return;
        }
        until("the sleeper sleeps", || is_sleeping(self.sleeper));
        self.sleeping += 1;
        // Not always directly after the beginning of the sleep.
        sleep(Duration::from_micros(self.dice.roll(200) as u64));
    }
}

/// Whether each thread of a process waits in the kernel.
fn is_sleeping(pid: u32) -> bool {
    tasks(pid).into_iter().all(|task| {
        // A thread that has ended does not run either.
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, state)| state);
        state.is_none_or(|state| state.starts_with('S'))
    })
}
